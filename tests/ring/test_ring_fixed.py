from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cohortium.errors import EncodingError
from cohortium.ring import decode, encode


def nearest(value: float, bits: int) -> int:
    """Round to nearest, ties to even, in exact arithmetic."""
    return round(Fraction(value) * 2**bits)


@given(
    hnp.arrays(np.float64, hnp.array_shapes(max_dims=3), elements=st.floats(-1000, 1000)),
    st.integers(0, 50),
)
def test_encode_rounds_to_nearest(values, bits):
    encoded = encode(values, bits, 1000.0)
    assert encoded.dtype == np.int64
    assert encoded.shape == values.shape
    assert encoded.ravel().tolist() == [nearest(v, bits) for v in values.ravel().tolist()]


def test_ties_go_to_even():
    halves = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 3.5])
    assert encode(halves, 0, 4).tolist() == [0, 2, 2, 0, -2, -2, 4]
    assert encode(halves / 8, 3, 4).tolist() == [0, 2, 2, 0, -2, -2, 4]


@given(st.integers(-(2**52), 2**52), st.integers(0, 40))
def test_what_float64_holds_comes_back_exactly(integer, bits):
    value = integer * 2.0**-bits
    encoded = encode([value], bits, 2.0 ** (52 - bits))
    assert encoded.tolist() == [integer]
    assert decode(encoded, bits).tolist() == [value]


@given(st.floats(-8, 8), st.integers(0, 44))
def test_round_trip_is_off_by_half_a_unit_at_most(value, bits):
    assert abs(decode(encode([value], bits, 8), bits)[0] - value) <= 2.0 ** -(bits + 1)


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (2, 0, 4)])
def test_scalars_and_empty_arrays_keep_their_shape(shape):
    assert encode(np.zeros(shape), 10, 1.0).shape == shape
    assert decode(np.zeros(shape, np.int64), 10).shape == shape


def test_the_input_is_left_alone():
    values = np.array([[1.25, -3.5]])
    encode(values, 10, 8.0)
    assert values.tolist() == [[1.25, -3.5]]


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float32, bool])
def test_other_dtypes_are_numbers_too(dtype):
    assert encode(np.array([0, 1], dtype), 4, 1).tolist() == [0, 16]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 8.0078125, -731.25, 1e300])
@pytest.mark.parametrize("place", [(0, 0), (3, 6), (2, 1)])
def test_a_bad_value_is_named_by_place_and_never_shown(bad, place):
    values = np.full((4, 7), 6.4375)
    values[place] = bad
    with pytest.raises(EncodingError) as caught:
        encode(values, 12, 8.0)
    text = str(caught.value)
    assert f"row {place[0] + 1}, column {place[1] + 1}" in text
    assert ("finite" in text) is not math.isfinite(bad)
    for number in (bad, 6.4375, abs(bad)):
        assert repr(number) not in text
        assert f"{number:g}" not in text.replace("finite", "")
    assert caught.value.__context__ is None


def test_the_first_bad_value_is_named_and_all_are_counted():
    values = np.zeros((5, 5))
    values[1, 4] = values[3, 0] = values[4, 4] = 9.0
    with pytest.raises(EncodingError, match=r"row 2, column 5 .* \(3 such\)"):
        encode(values, 12, 8.0)
    values[2, 2] = math.nan
    with pytest.raises(EncodingError, match=r"row 3, column 3 is not a finite number \(1 such\)"):
        encode(values, 12, 8.0)


def test_a_scalar_has_no_place():
    with pytest.raises(EncodingError, match="only element"):
        encode(np.array(9.0), 12, 8.0)


def test_the_bound_itself_is_allowed():
    assert encode([8.0, -8.0], 3, 8.0).tolist() == [64, -64]


@pytest.mark.parametrize(
    ("bits", "bound"),
    [(62, 1.0), (61, 2.0), (0, 2.0**62), (-1, 1.0), (10, math.inf), (5, math.nan)],
)
def test_a_bound_that_does_not_fit_is_refused(bits, bound):
    with pytest.raises(EncodingError, match="do not fit"):
        encode([0.0], bits, bound)


def test_the_largest_bound_fits():
    assert encode([1.0, -1.0], 61, 1.0).tolist() == [2**61, -(2**61)]
    largest = np.nextafter(2.0**62, 0)
    assert encode([largest], 0, largest).tolist() == [2**62 - 512]


def test_decode_of_the_extremes():
    values = np.array([-(2**63), 2**63 - 1, 1, -1])
    assert decode(values, 63).tolist() == [-1.0, 1.0, 2.0**-63, -(2.0**-63)]
