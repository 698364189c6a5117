from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cohortium import ring

INT64 = st.integers(-(2**63), 2**63 - 1)
arrays = hnp.arrays(np.int64, hnp.array_shapes(max_dims=3, max_side=6), elements=INT64)


def signed(value: int) -> int:
    return (value + 2**63) % 2**64 - 2**63


@given(arrays, st.integers(0, 63))
def test_shifts_and_sign_bit(array, bits):
    flat = array.ravel().tolist()
    left, right = ring.shift_left(array, bits), ring.shift_right_logical(array, bits)
    assert left.shape == right.shape == array.shape
    assert left.dtype == right.dtype == np.int64
    assert left.ravel().tolist() == [signed(v << bits) for v in flat]
    assert right.ravel().tolist() == [signed((v % 2**64) >> bits) for v in flat]
    assert ring.sign_bit(array).ravel().tolist() == [int(v < 0) for v in flat]


def test_shifts_of_views():
    array = np.arange(-30, 30).reshape(6, 10)
    for view in (array.T, array[::2, 1::3], np.broadcast_to(array[0], (4, 10))):
        np.testing.assert_array_equal(
            ring.shift_right_logical(view, 7),
            (view.astype(object) % 2**64 >> 7).astype(np.int64),
        )


@given(st.integers(1, 6), st.data())
def test_weighted_sum(count, data):
    shape = data.draw(st.sampled_from([(3, 2), (5, 1), (1, 4)]))
    columns = data.draw(st.sampled_from([(), (1,), (shape[1],)]))
    weights = data.draw(hnp.arrays(np.int64, (count, *columns), elements=INT64))
    terms = [data.draw(hnp.arrays(np.int64, shape, elements=INT64)) for _ in range(count)]
    kept = [term.copy() for term in terms]
    with np.errstate(over="ignore"):
        got = ring.weighted_sum(weights, terms)
    expected = sum(
        weight.astype(object) * term.astype(object)
        for weight, term in zip(weights, terms, strict=True)
    )
    assert got.tolist() == np.vectorize(signed, otypes=[object])(expected).tolist()
    assert all((term == copy).all() for term, copy in zip(terms, kept, strict=True))


@given(arrays, st.data())
def test_sums_wrap(array, data):
    axis = data.draw(st.sampled_from([None, *range(array.ndim)]))
    got = ring.sum_over(array, axis)
    expected = np.asarray(array.astype(object).sum(axis), dtype=object)
    assert np.asarray(got).tolist() == np.vectorize(signed, otypes=[object])(expected).tolist()


@given(arrays)
def test_running_sums_wrap(array):
    got = ring.running_sum(array)
    expected = np.asarray(np.cumsum(array.astype(object), -1), dtype=object)
    assert np.asarray(got).tolist() == np.vectorize(signed, otypes=[object])(expected).tolist()


def test_shape_operations():
    array = np.arange(24).reshape(2, 3, 4)
    assert ring.reshape(array, (6, 4)).tolist() == array.reshape(6, 4).tolist()
    assert ring.transpose(array).tolist() == array.T.tolist()
    assert ring.broadcast_to(array[:, :1], (2, 3, 4)).tolist() == (
        np.broadcast_to(array[:, :1], (2, 3, 4)).tolist()
    )
    assert ring.concatenate([array, array], 1).shape == (2, 6, 4)
    assert not ring.is_tensor(array)
    assert not ring.is_tensor(np.int64(3))


def test_tensorflow_is_imported_only_when_needed():
    code = (
        "import sys, cohortium.mpc, cohortium.learn; from cohortium.ring import encode; "
        "encode([[1.0, 2.0]], 10, 8.0); encode(1.0, 10, 8.0); "
        "print('tensorflow' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
