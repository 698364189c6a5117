"""Parcels: small arrays sent ahead of their use, several in one frame.

A sender whose receiver asks for many small arrays one after the other would spend a frame, and a
turn of both machines, on each. In a parcel an array has 16 bytes before it: the CRC-32 of its label
and its length. So a receiver that asks for another one notices, as it would from a frame's header.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from cohortium.errors import FrameError

# The most bytes of a parcel: large enough to spare frames, and small against a socket's buffers.
PARCEL = 1 << 16
_ENTRY = struct.Struct("<QQ")
# An array begins at a multiple of this, so that its elements are aligned.
_ALIGNMENT = 8


def fits(size: int) -> bool:
    """Return whether an array of so many bytes travels in a parcel; larger ones have a frame."""
    return _ENTRY.size + size <= PARCEL // 2


class OutgoingParcel:
    """Collects arrays for one peer."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def __bool__(self) -> bool:
        return bool(self._parts)

    def has_room(self, size: int) -> bool:
        """Return whether an array of so many bytes can be added."""
        return self._size + _ENTRY.size + size + -size % _ALIGNMENT <= PARCEL

    def add(self, label: str, array: npt.NDArray[Any]) -> None:
        """Add a copy of an array."""
        content = array.tobytes()
        entry = _ENTRY.pack(zlib.crc32(label.encode()), len(content)) + content
        entry += bytes(-len(content) % _ALIGNMENT)
        self._parts.append(entry)
        self._size += len(entry)

    def take(self) -> bytes:
        """Return the payload, and begin anew."""
        payload = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        return payload


class IncomingParcel:
    """Hands out the arrays of one peer's parcels."""

    def __init__(self, peer: str, me: str) -> None:
        self._peer = peer
        self._me = me
        self._payload = b""
        self._start = 0

    def __bool__(self) -> bool:
        return self._start < len(self._payload)

    def put(self, payload: bytes) -> None:
        """Go on with the next parcel."""
        self._payload, self._start = payload, 0

    def take(
        self, label: str, dtype: np.dtype[Any], shape: tuple[int, ...]
    ) -> npt.NDArray[np.generic]:
        """Return the next array, read-only; FrameError where it is not the one asked for."""
        size, start = math.prod(shape) * dtype.itemsize, self._start + _ENTRY.size
        known = _ENTRY.pack(zlib.crc32(label.encode()), size)
        if self._payload[self._start : start] != known or start + size > len(self._payload):
            raise FrameError(
                f"{self._peer} sent something else where {label!r} ({dtype} {list(shape)}) was "
                "expected.",
                remedy="Check that all parties run the same program on the same study.",
                party=self._me,
            )
        self._start = start + size + -size % _ALIGNMENT
        return np.frombuffer(self._payload, dtype, math.prod(shape), start).reshape(shape)
