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

    def __repr__(self) -> str:
        return "Stream()"

    def take(self, count: int) -> NDArray[np.int64]:
        """Return the next ``count`` ring elements."""
        size = 8 * count
        if size <= len(_ZEROS):
            return np.frombuffer(
                self._encryptor.update(memoryview(_ZEROS)[:size]), np.dtype("<i8")
            ).astype(np.int64, copy=False)
        out = np.empty(count, np.int64)
        view = out.data.cast("B")
        for start in range(0, size, len(_ZEROS)):
            part = view[start : start + len(_ZEROS)]
            self._encryptor.update_into(memoryview(_ZEROS)[: len(part)], part)
        return out

    def take_octets(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return the next bytes; what is left of the last ring element is not used."""
        size = math.prod(shape)
        return self.take(-(-size // 8)).view(np.uint8)[:size].reshape(shape)
