"""Keys and streams: the masks that a computing party and the dealer both know.

The dealer draws one 256-bit key for each computing party from the operating system. Both derive
from it AES-256-CTR streams and take blocks in program order, so a mask costs no communication. A
derived key is used for one stream only and a position of a stream once: sessions have fresh keys.
"""

from __future__ import annotations

import math

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

KEY_BYTES = 32
_ZEROS = bytes(1 << 16)
_AHEAD = 1 << 13


def derive_key(key: bytes, *purpose: bytes) -> bytes:
    """Return a 256-bit key for one purpose (HKDF-SHA256, RFC 5869)."""
    # Each part goes in with its length: ("ab", "c") and ("a", "bc") are two purposes.
    info = b"".join(len(part).to_bytes(4, "big") + part for part in purpose)
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"cohortium stream" + info).derive(key)


class Stream:
    """Uniform ring elements from an AES-256-CTR key stream, each position used once."""

    def __init__(self, key: bytes) -> None:
        # The counter starts at zero: a key has one stream, so no nonce is needed to tell two apart.
        self._encryptor = Cipher(AES(key), CTR(bytes(16))).encryptor()
        # What was made ahead: to make a few elements costs as much as to make hundreds.
        self._ahead = np.empty(0, np.int64)
        self._used = 0

    def __repr__(self) -> str:
        return "Stream()"

    def take(self, count: int) -> NDArray[np.int64]:
        """Return the next ``count`` ring elements."""
        start, self._used = self._used, self._used + count
        if self._used <= self._ahead.size:
            return self._ahead[start : self._used]
        left = self._ahead[start:]
        out = np.empty(count + _AHEAD, np.int64)
        out[: left.size] = left
        view = out.data[left.size :].cast("B")
        for first in range(0, len(view), len(_ZEROS)):
            part = view[first : first + len(_ZEROS)]
            self._encryptor.update_into(memoryview(_ZEROS)[: len(part)], part)
        # A copy, so that what is ahead does not keep a large array alive.
        self._ahead, self._used = out[count:].copy(), 0
        return out[:count]

    def take_octets(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return the next bytes; what is left of the last ring element is not used."""
        size = math.prod(shape)
        return self.take(-(-size // 8)).view(np.uint8)[:size].reshape(shape)
