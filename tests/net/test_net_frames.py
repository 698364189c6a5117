from __future__ import annotations

import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohortium.errors import FrameError, ParameterError
from cohortium.net import frames
from cohortium.net.frames import Kind

SESSION = bytes(range(16))
GOOD = b"".join(frames.encode_tensor(SESSION, 7, "open/x", np.arange(6).reshape(2, 3)))
EXPECTED = frames.expected_tensor("open/x", np.int64, (2, 3))


def parse_and_check(data, expected=EXPECTED, session=SESSION, sequence=7):
    header = frames.parse(memoryview(data), "bob")
    if header is not None:
        frames.check(header, expected, session, sequence, "bob")
    return header


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.uint8, np.float64, np.bool_, ">i8"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (1,) * 8, (100, 100)])
def test_round_trip(dtype, shape):
    array = np.random.default_rng(1).integers(0, 2, shape).astype(dtype)
    data = b"".join(frames.encode_tensor(SESSION, 1, "é", array))
    header = frames.parse(memoryview(data), "bob")
    assert header.label == "é"
    assert header.shape == shape
    expected = frames.expected_tensor("é", dtype, shape)
    frames.check(header, expected, SESSION, 1, "bob")
    assert data.startswith(expected.header(SESSION, 1))
    back = np.frombuffer(data[header.size :], header.dtype).reshape(shape)
    np.testing.assert_array_equal(back, array)


def test_strides_do_not_matter():
    array = np.arange(12).reshape(3, 4).T
    data = b"".join(frames.encode_tensor(SESSION, 1, "x", array))
    assert data[-array.nbytes :] == array.tobytes()


def test_a_large_payload_is_not_copied():
    array = np.zeros(1 << 20, np.int64)
    _, payload = frames.encode_tensor(SESSION, 1, "x", array)
    assert np.shares_memory(np.frombuffer(payload, np.uint8), array)


@pytest.mark.parametrize(
    "array", [np.zeros(1, np.float32), np.zeros(1, object), np.zeros((1,) * 9)]
)
def test_arrays_that_no_frame_can_hold(array):
    with pytest.raises(ParameterError):
        frames.encode_tensor(SESSION, 1, "x", array)


def test_a_label_that_is_too_long():
    with pytest.raises(ParameterError, match="longer than 200 bytes"):
        frames.encode_message(SESSION, 1, "é" * 101, b"")


def test_incomplete_headers_wait():
    size = frames.FIXED_SIZE + 16 + len("open/x")
    for length in range(size):
        assert parse_and_check(GOOD[:length]) is None
    assert parse_and_check(GOOD[:size]) is not None


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"session": bytes(16)}, "another session"),
        ({"sequence": 8}, "frame number 7 where number 8"),
        ({"expected": frames.expected_tensor("open/y", "i8", (2, 3))}, r"'open/x'.*'open/y'"),
        ({"expected": frames.expected_tensor("open/x", "f8", (2, 3))}, r"int64.*float64"),
        ({"expected": frames.expected_tensor("open/x", "i8", (3, 2))}, r"\[2, 3\].*\[3, 2\]"),
        ({"expected": frames.expected_tensor("open/x", "i8", (6,))}, r"\[2, 3\].*\[6\]"),
        ({"expected": frames.expected_message("open/x", 100)}, r"tensor .*message"),
    ],
)
def test_a_frame_that_is_not_the_expected_one(changes, text):
    with pytest.raises(FrameError, match=rf"bob sent .*{text}"):
        parse_and_check(GOOD, **changes)


def test_a_message_longer_than_its_cap():
    data = b"".join(frames.encode_message(SESSION, 0, "m", b"12345"))
    assert parse_and_check(data, frames.expected_message("m", 5), sequence=0).length == 5
    with pytest.raises(FrameError, match=r"5 bytes; at most 4"):
        parse_and_check(data, frames.expected_message("m", 4), sequence=0)


def test_an_abort_is_at_most_4_kib():
    data = b"".join(frames.encode_message(SESSION, 0, "abort", bytes(4097), Kind.ABORT))
    with pytest.raises(FrameError, match="4097"):
        frames.parse(memoryview(data), "bob")


@pytest.mark.parametrize("length", [1 << 32, 1 << 63, (1 << 64) - 1])
@pytest.mark.parametrize("kind", list(Kind))
def test_huge_lengths_are_refused_without_memory(kind, length):
    code, shape = (1, struct.pack("<Q", length // 8)) if kind == Kind.TENSOR else (0, b"")
    data = struct.pack(
        "<4sBBBB16sQQ", b"COH1", kind, code, len(shape) // 8, 6, SESSION, 7, length // 8 * 8
    )
    data += shape + b"open/x"
    expected = EXPECTED if kind == Kind.TENSOR else frames.expected_message("open/x", 1 << 16, kind)
    tracemalloc.start()
    try:
        with pytest.raises(FrameError):
            parse_and_check(data, expected)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@settings(max_examples=400, deadline=None)
@given(data=st.binary(max_size=400), magic=st.booleans())
def test_garbage_is_never_anything_but_a_frame_error(data, magic):
    try:
        parse_and_check(b"COH1" + data if magic else data)
    except FrameError:
        return


@settings(max_examples=400, deadline=None)
@given(place=st.integers(0, frames.FIXED_SIZE + 21), value=st.integers(0, 255))
def test_any_changed_header_byte_is_refused(place, value):
    data = bytearray(GOOD)
    unchanged = data[place] == value
    data[place] = value
    try:
        header = parse_and_check(data)
    except FrameError:
        assert not unchanged
    else:
        # A longer label or shape makes the header wait for bytes; the link's deadline ends that.
        assert unchanged or header is None
