from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohortium.ring import matmul
from cohortium.ring import product as kernels


def exact(a, b):
    """The product by Python's own integers, then mod 2^64 as signed."""
    whole = a.astype(object) @ b.astype(object)
    return ((whole + 2**63) % 2**64 - 2**63).astype(np.int64)


def wrapping(a, b):
    """The same by NumPy's plain loop on unsigned integers: fast enough for larger shapes."""
    return (a.view(np.uint64) @ b.view(np.uint64)).view(np.int64)


def extremes(rng, shape, bits):
    """Magnitudes below 2^(bits−1), many of them the largest possible."""
    most = 2 ** (bits - 1) - 1
    low = -most - 1 if bits == 64 else -most
    values = rng.integers(low, most, shape, endpoint=True)
    kind = rng.integers(0, 4, shape)
    return np.where(kind == 0, most, np.where(kind == 1, low, values))


def run(a, b, **bits):
    with np.errstate(over="raise"):
        return matmul(a, b, **bits)


@given(
    st.integers(1, 7), st.integers(0, 9), st.integers(1, 7), st.integers(1, 64), st.integers(1, 64),
    st.integers(0, 2**32),
)  # fmt: skip
@settings(max_examples=150)
def test_small_shapes_with_bit_hints_at_their_extremes(m, k, n, a_bits, b_bits, seed):
    rng = np.random.default_rng(seed)
    a, b = extremes(rng, (m, k), a_bits), extremes(rng, (k, n), b_bits)
    np.testing.assert_array_equal(run(a, b), exact(a, b))
    np.testing.assert_array_equal(run(a, b, a_bits=a_bits, b_bits=b_bits), exact(a, b))


@pytest.mark.parametrize(
    ("m", "k", "n"),
    [(64, 512, 64), (64, 513, 64), (40, 1100, 53), (17, 5000, 30), (9, 30_000, 9), (130, 257, 66)],
)
def test_the_limbs_path_on_full_range_numbers(m, k, n):
    rng = np.random.default_rng(m * k * n)
    a, b = extremes(rng, (m, k), 64), extremes(rng, (k, n), 64)
    np.testing.assert_array_equal(run(a, b), wrapping(a, b))


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), -1, 2**43 - 1, 2**22 - 1, 2**21, -(2**42)])
def test_a_constant_matrix_is_the_worst_case_of_every_block(value):
    a, b = np.full((20, 1024), value), np.full((1024, 110), value)
    np.testing.assert_array_equal(run(a, b), wrapping(a, b))


@pytest.mark.parametrize("a_bits", [1, 2, 16, 21, 22, 23, 42, 43, 44, 45, 63, 64])
@pytest.mark.parametrize("b_bits", [2, 17, 22, 23, 43, 44, 64])
def test_bit_hints_at_their_extreme_magnitudes(a_bits, b_bits):
    # 2^(bits − 1) itself is what rounding up to a bound may give; it is exact as well.
    for value, other in ((2 ** (a_bits - 1), 2 ** (b_bits - 1)), (-(2 ** (a_bits - 1)), 1)):
        a = np.full((16, 1024), max(-(2**63), min(value, 2**63 - 1)))
        b = np.full((1024, 130), max(-(2**63), min(other, 2**63 - 1)))
        got = run(a, b, a_bits=a_bits, b_bits=b_bits)
        np.testing.assert_array_equal(got, wrapping(a, b))
    rng = np.random.default_rng(a_bits * 100 + b_bits)
    a, b = extremes(rng, (16, 1024), a_bits), extremes(rng, (1024, 130), b_bits)
    np.testing.assert_array_equal(run(a, b, a_bits=a_bits, b_bits=b_bits), wrapping(a, b))


@pytest.mark.parametrize("inner", [1, 2, 1023, 4096, 1 << 17])
def test_the_single_float_product_stops_where_it_would_round(inner):
    """a_bits + b_bits − 2 + log2(inner) just below, at and above 53."""
    for total in (52, 53, 54, 55):
        a_bits = (total + 2 - int(np.log2(inner))) // 2
        b_bits = total + 2 - int(np.log2(inner)) - a_bits
        a = np.full((2, inner), 2 ** (a_bits - 1) - 1)
        b = np.full((inner, 3), 2 ** (b_bits - 1) - 1)
        got = run(a, b, a_bits=a_bits, b_bits=b_bits)
        np.testing.assert_array_equal(got, wrapping(a, b))


def test_transposed_sliced_and_fortran_operands():
    rng = np.random.default_rng(5)
    full = extremes(rng, (300, 1300), 64)
    cases = [
        (full.T[:700, ::2], full[::2, 3:400]),
        (np.asfortranarray(full[:90]), full[:90].T),
        (full[:200, ::-1][:, :600], full[::-1].T[:600, :50]),
        (full[:, 5][:, None], full[7:8]),
        (np.broadcast_to(full[0], (40, 1300)), full[:60].T),
    ]
    for a, b in cases:
        before = a.copy(), b.copy()
        np.testing.assert_array_equal(
            run(a, b), wrapping(np.ascontiguousarray(a), np.ascontiguousarray(b))
        )
        assert (a == before[0]).all()
        assert (b == before[1]).all()


@pytest.mark.parametrize(
    ("m", "k", "n"), [(5000, 700, 1), (1, 700, 5000), (300, 9000, 1), (700, 700, 8), (8, 600, 800)]
)
def test_one_or_few_columns(m, k, n):
    rng = np.random.default_rng(m + n)
    a, b = extremes(rng, (m, k), 64), extremes(rng, (k, n), 64)
    np.testing.assert_array_equal(run(a, b), wrapping(a, b))
    small = extremes(rng, (m, k), 16)
    np.testing.assert_array_equal(run(small, b, a_bits=16), wrapping(small, b))


@pytest.mark.parametrize("shape", [(3, 0, 4), (0, 5, 2), (2, 5, 0), (0, 0, 0)])
@pytest.mark.parametrize("bits", [64, 10])
def test_an_empty_axis(shape, bits):
    m, k, n = shape
    got = run(np.ones((m, k), np.int64), np.ones((k, n), np.int64), a_bits=bits, b_bits=bits)
    assert got.dtype == np.int64
    assert got.shape == (m, n)
    assert not got.any()


def test_all_three_paths_are_taken(monkeypatch):
    """The shapes above reach what they are meant to reach."""
    taken = []
    for name in ("_plain", "_by_limbs"):
        original = getattr(kernels, name)

        def noting(*arguments, original=original, name=name):
            taken.append(name)
            return original(*arguments)

        monkeypatch.setattr(kernels, name, noting)
    big, small = np.ones((64, 513), np.int64), np.ones((3, 4), np.int64)
    matmul(big, big.T)
    matmul(small, small.T)
    matmul(big, big.T, a_bits=20, b_bits=20)
    assert taken == ["_by_limbs", "_plain"]
