"""The frame: one labelled tensor or message on the wire, and the checks that it must pass.

    magic "COH1" | kind | dtype | dimensions | label length | session | sequence | payload length
    shape (8 bytes a dimension) | label (UTF-8) | payload

All numbers are little-endian. The receiver's program knows what must come next, so a frame is
compared with that before a byte is allocated for it: a frame never tells the receiver what to do,
and its lengths never decide how much memory is taken.
"""

from __future__ import annotations

import enum
import math
import struct
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cohortium.errors import FrameError, ParameterError

MAGIC = b"COH1"
MAX_LABEL = 200
MAX_DIMENSIONS = 8
MAX_ABORT = 4096
NO_SESSION = bytes(16)

_FIXED = struct.Struct("<4sBBBB16sQQ")
FIXED_SIZE = _FIXED.size
_WITH_SHAPE = [struct.Struct(f"<4sBBBB16sQQ{count}Q") for count in range(MAX_DIMENSIONS + 1)]
MAX_HEADER = FIXED_SIZE + 8 * MAX_DIMENSIONS + MAX_LABEL

_DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("<i8"),
    2: np.dtype("<u8"),
    3: np.dtype("u1"),
    4: np.dtype("<f8"),
    5: np.dtype("?"),
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
# Below this it is cheaper to copy the payload behind its header than to write twice.
_JOINED = 1 << 15
_REMEDY = "Check that all parties run the same program on the same study."


class Kind(enum.IntEnum):
    """What a frame is."""

    HELLO = 1
    TENSOR = 2
    MESSAGE = 3
    ABORT = 4


@dataclass(frozen=True)
class Header:
    """A parsed header; ``size`` is its own length in bytes, ``length`` the payload's."""

    kind: Kind
    dtype: np.dtype[Any] | None
    session: bytes
    sequence: int
    shape: tuple[int, ...]
    label: str
    length: int
    size: int


class Expected(NamedTuple):
    """What the program says must come next.

    A tensor has ``dtype`` and ``shape``; anything else has ``cap``, the most bytes it may be long.
    """

    kind: Kind
    label: str
    dtype: np.dtype[Any] | None = None
    shape: tuple[int, ...] = ()
    cap: int = 0

    def header(self, session: bytes, sequence: int) -> bytes | None:
        """Return the exact bytes that a correct tensor frame begins with (None: not a tensor)."""
        if self.dtype is None:
            return None
        length = math.prod(self.shape) * self.dtype.itemsize
        return _header(
            self.kind, _CODES[self.dtype], session, sequence, self.shape, self.label, length
        )


def expected_tensor(label: str, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> Expected:
    """Return the expectation of one tensor; ParameterError if no frame can hold such a tensor."""
    return Expected(Kind.TENSOR, label, check_tensor(label, np.dtype(dtype), shape), tuple(shape))


def expected_message(label: str, cap: int, kind: Kind = Kind.MESSAGE) -> Expected:
    """Return the expectation of one message of at most ``cap`` bytes."""
    _check_label(label)
    return Expected(kind, label, cap=cap)


def check_tensor(label: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.dtype[Any]:
    """Return the dtype as it is on the wire; ParameterError if no frame can hold such a tensor."""
    if dtype not in _CODES:
        dtype = dtype.newbyteorder("<")
    if dtype not in _CODES:
        allowed = ", ".join(str(d) for d in _CODES)
        raise ParameterError(f"{label!r} has dtype {dtype}; a frame can hold {allowed}.")
    if len(shape) > MAX_DIMENSIONS:
        raise ParameterError(f"{label!r} has {len(shape)} dimensions, more than {MAX_DIMENSIONS}.")
    _check_label(label)
    return dtype


def encode_tensor(
    session: bytes, sequence: int, label: str, array: npt.NDArray[Any]
) -> list[bytes | memoryview]:
    """Return the buffers of one tensor frame; a large array is referred to, not copied.

    ParameterError if its dtype, dimensions or label do not fit a frame.
    """
    dtype = check_tensor(label, array.dtype, array.shape)
    header = _header(
        Kind.TENSOR, _CODES[dtype], session, sequence, array.shape, label, array.nbytes
    )
    if array.dtype != dtype or not array.flags.c_contiguous:
        array = np.asarray(array, dtype=dtype, order="C")
    if array.nbytes <= _JOINED:
        return [header + array.tobytes()]
    return [header, array.reshape(-1).view(np.uint8).data]


def encode_message(
    session: bytes, sequence: int, label: str, payload: bytes, kind: Kind = Kind.MESSAGE
) -> list[bytes | memoryview]:
    """Return the buffers of one frame of bytes; ParameterError for a label that is too long."""
    _check_label(label)
    header = _header(kind, 0, session, sequence, (), label, len(payload))
    return [header + payload] if len(payload) <= _JOINED else [header, payload]


def parse(data: memoryview, peer: str) -> Header | None:
    """Return the header that ``data`` begins with, None while bytes of it are missing.

    FrameError if no correct sender could have written it. Nothing is allocated for the payload.
    """
    if bytes(data[:4]) != MAGIC[: len(data)]:
        raise FrameError(
            f"{peer} sent bytes that are not a frame.",
            remedy="Check that the port is cohortium's and that both run the same version.",
        )
    if len(data) < FIXED_SIZE:
        return None
    _, kind, code, dimensions, label_length, session, sequence, length = _FIXED.unpack_from(data)
    if kind not in Kind.__members__.values():
        raise _damaged(peer, f"kind {kind}")
    if dimensions > MAX_DIMENSIONS or label_length > MAX_LABEL:
        raise _damaged(peer, f"{dimensions} dimensions, a label of {label_length} bytes")
    if (kind == Kind.TENSOR) != (code in _DTYPES) or (code == 0 and dimensions):
        raise _damaged(peer, f"dtype code {code} in a frame of kind {Kind(kind).name}")
    size = FIXED_SIZE + 8 * dimensions + label_length
    if len(data) < size:
        return None
    shape = struct.unpack_from(f"<{dimensions}Q", data, FIXED_SIZE)
    dtype = _DTYPES.get(code)
    if dtype is not None and math.prod(shape) * dtype.itemsize != length:
        raise _damaged(peer, f"{length} bytes for {dtype} {list(shape)}")
    if kind == Kind.ABORT and length > MAX_ABORT:
        raise _damaged(peer, f"a reason for stopping of {length} bytes")
    try:
        label = bytes(data[FIXED_SIZE + 8 * dimensions : size]).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _damaged(peer, "a label that is not text") from error
    return Header(Kind(kind), dtype, session, sequence, shape, label, length, size)


def check(header: Header, expected: Expected, session: bytes, sequence: int, peer: str) -> None:
    """Raise FrameError, naming what was expected and what came, unless the header is the right one.

    Labels and shapes are the program's, not the data's, so the text may hold them.
    """
    if header.session != session:
        raise FrameError(
            f"{peer} sent a frame of another session ({header.session.hex()[:8]}…, "
            f"ours is {session.hex()[:8]}…).",
            remedy="Stop old runs of the study at every site, then start again.",
        )
    if header.sequence != sequence:
        raise FrameError(
            f"{peer} sent frame number {header.sequence} where number {sequence} was expected.",
            remedy=_REMEDY,
        )
    wanted = (expected.kind, expected.label, expected.dtype, expected.shape)
    if (header.kind, header.label, header.dtype, header.shape) != wanted:
        raise FrameError(
            f"{peer} sent {_describe(header)} where {_describe(expected)} was expected.",
            remedy=_REMEDY,
        )
    if expected.dtype is None and header.length > expected.cap:
        raise FrameError(
            f"{peer} sent {_describe(header)} of {header.length} bytes; "
            f"at most {expected.cap} are allowed.",
            remedy=_REMEDY,
        )


def printable(text: str, limit: int) -> str:
    """Return at most ``limit`` characters, with '?' for those that could fool a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text[:limit])


def _describe(frame: Header | Expected) -> str:
    what = f"{frame.kind.name.lower()} {printable(frame.label, MAX_LABEL)!r}"
    return what if frame.dtype is None else f"{what} ({frame.dtype} {list(frame.shape)})"


def _damaged(peer: str, what: str) -> FrameError:
    return FrameError(
        f"{peer} sent a frame header that makes no sense: {what}.",
        remedy="Check that both run the same version.",
    )


def _header(
    kind: Kind,
    code: int,
    session: bytes,
    sequence: int,
    shape: tuple[int, ...],
    label: str,
    length: int,
) -> bytes:
    name = label.encode("utf-8")
    count = len(shape)
    packed = _WITH_SHAPE[count].pack(
        MAGIC, kind, code, count, len(name), session, sequence, length, *shape
    )
    return packed + name


def _check_label(label: str) -> None:
    # A character takes four bytes at most.
    if len(label) > MAX_LABEL // 4 and len(label.encode("utf-8")) > MAX_LABEL:
        raise ParameterError(f"The label {label[:40]!r}… is longer than {MAX_LABEL} bytes.")
