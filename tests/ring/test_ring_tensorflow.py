"""The ring's functions on tensors, eagerly, traced and compiled: equal integers with NumPy."""

from __future__ import annotations

import os

import numpy as np
import pytest

from cohortium import ring
from cohortium.errors import EncodingError, FrameError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

MODES = ["eager", "traced", "compiled"]


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


@pytest.fixture(params=MODES)
def run(request, tf):
    """Apply a function to arrays as tensors and return what it gives as NumPy."""

    def apply(function, *arrays):
        tensors = [tf.constant(array) for array in arrays]
        if request.param != "eager":
            function = tf.function(
                function, autograph=False, jit_compile=request.param == "compiled"
            )
        result = function(*tensors)
        assert tf.is_tensor(result)
        return result.numpy()

    return apply


def numbers(seed, *shape):
    rng = np.random.default_rng(seed)
    values = rng.integers(-(2**63), 2**63 - 1, shape, endpoint=True)
    values.flat[:4] = [-(2**63), 2**63 - 1, -1, 0]
    return values


UNARY = {
    **{f"left {b}": lambda a, b=b: ring.shift_left(a, b) for b in (0, 1, 31, 63)},
    **{f"right {b}": lambda a, b=b: ring.shift_right_logical(a, b) for b in (0, 1, 20, 62, 63)},
    "sign": ring.sign_bit,
    "sum": lambda a: ring.sum_over(a, None),
    "sum 0": lambda a: ring.sum_over(a, 0),
    "sum 1": lambda a: ring.sum_over(a, 1),
    "running sum": ring.running_sum,
    "transpose": ring.transpose,
    "reshape": lambda a: ring.reshape(a, (-1, 4)),
    "broadcast": lambda a: ring.broadcast_to(a[:1], (8, 12)),
    "decode": lambda a: ring.decode(a, 33),
    "negate": lambda a: -a,
    "slice": lambda a: a[1:4, ::2],
}


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_array(run, name):
    array = numbers(1, 8, 12)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(run(UNARY[name], array), UNARY[name](array))


def test_arithmetic_wraps(run):
    a, b = numbers(2, 6, 5), numbers(3, 6, 5)
    for function in (lambda x, y: x * y, lambda x, y: x + y, lambda x, y: x - y):
        np.testing.assert_array_equal(run(function, a, b), function(a, b))
    joined = run(lambda x, y: ring.concatenate([x, y], 1), a, b)
    np.testing.assert_array_equal(joined, np.concatenate([a, b], 1))


@pytest.mark.parametrize("weights_shape", [(3,), (3, 1), (3, 4)])
def test_weighted_sum(run, weights_shape):
    weights, terms = numbers(4, *weights_shape, 1)[..., 0], numbers(5, 3, 7, 4)
    got = run(lambda x: ring.weighted_sum(weights, [x[0], x[1], x[2]]), terms)
    np.testing.assert_array_equal(got, ring.weighted_sum(weights, list(terms)))


@pytest.mark.parametrize("shape", [(5, 7, 3), (30, 600, 20), (4, 9, 1), (3, 0, 2)])
def test_matmul(tf, shape):
    # XLA has no int64 matrix product on a CPU that is worth having; eager and traced do.
    m, k, n = shape
    a = np.random.default_rng(6).integers(-(2**63), 2**63 - 1, (m, k))
    b = np.random.default_rng(7).integers(-(2**63), 2**63 - 1, (k, n))
    for function in (ring.matmul, tf.function(ring.matmul, autograph=False)):
        got = function(tf.constant(a), tf.constant(b)).numpy()
        np.testing.assert_array_equal(got, ring.matmul(a, b))


def test_encode(run, tf):
    values = np.random.default_rng(8).uniform(-8, 8, (9, 9))
    values[0, :6] = [0.5, 1.5, -0.5, -2.5, 8, -8]
    for bits in (0, 12, 40, 58):
        got = run(lambda v, bits=bits: ring.encode(v, bits, 8.0), values)
        np.testing.assert_array_equal(got, ring.encode(values, bits, 8.0))
    values[3, 4] = np.nan
    with pytest.raises(EncodingError, match="row 4, column 5"):
        ring.encode(tf.constant(values), 12, 8.0)


def test_calls_run_in_program_order_and_keep_their_error(tf):
    engine = ring.TensorFlowEngine()
    seen = []

    def note(number):
        seen.append(number)
        return np.full(2, number)

    def program():
        results = [engine.call(lambda i=i: note(i), [], (2,)) for i in range(20)]
        return results[::-1]

    np.testing.assert_array_equal(
        engine.run(program), np.repeat(np.arange(20)[::-1], 2).reshape(20, 2)
    )
    assert seen == list(range(20))

    def fail(_array):
        raise FrameError("p1 sent nonsense.")

    for traced in (True, False):
        engine = ring.TensorFlowEngine(traced=traced)
        with pytest.raises(FrameError, match="nonsense"):
            engine.run(lambda engine=engine: engine.call(fail, [tf.zeros(2, tf.int64)], (2,)))


@pytest.mark.parametrize(
    "engine",
    [ring.NumpyEngine(), ring.TensorFlowEngine(), ring.TensorFlowEngine(traced=False)],
    ids=["numpy", "traced", "eager"],
)
def test_engine_hands_over_numpy_arrays(tf, engine):
    values = np.array([[2**62, -(2**63)]])

    def program():
        array = engine.asarray(values)
        return {"a": array * 2, "b": engine.call(np.transpose, [array], (2, 1)), "c": None}

    result = engine.run(program)
    assert all(isinstance(result[name], np.ndarray) for name in "ab")
    np.testing.assert_array_equal(result["a"], [[-(2**63), 0]])
    np.testing.assert_array_equal(result["b"], values.T)
    assert result["c"] is None
