"""Comparisons are exact; functions piece by piece hold their error; four rounds for any cuts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpc_parties import DEALER, GUEST, bring, dyadic, run_for_values, run_parties

from cohortium.errors import FixedPointOverflowError, ParameterError
from cohortium.mpc.functions import (
    PIECEWISE_SIGMOIDS,
    PiecewiseLinear,
    clip,
    compare,
    less,
    maximum,
    piecewise_linear,
    relu,
    sigmoid,
    sign,
)

COUNT = 100_000


def points(bound, bits, cuts=(0.0,), count=COUNT):
    """Random numbers over the bound with its ends, and what is next to each cut."""
    unit = 2.0**-bits
    rng = np.random.default_rng(1)
    values = np.rint(rng.uniform(-bound, bound, count) / unit) * unit
    near = [cut + step * unit for cut in (*cuts, -bound, bound) for step in (-1, 0, 1)]
    values[: len(near)] = np.rint(np.array(near) / unit) * unit
    return np.clip(values, -bound, bound)


@pytest.mark.parametrize("bits", [0, 3, 12, 30, 58])
def test_comparisons_are_exact(bits, computing):
    cuts = [-7.9, -1.25, 0.0, 2.0**-bits, 0.3, 5.0, 7.99, 8.0]
    x = points(8, bits, cuts, 5000)

    def build(protocol, me):
        (tensor,) = bring(protocol, me, {"x": ("p1", x)}, bits=bits, bound=8)
        return compare(tensor, cuts)

    below, products = run_for_values(build, computing)
    expected = x < np.array(cuts)[:, None]
    assert np.array_equal(below, expected)
    assert np.array_equal(products, expected * x)


@settings(parent=settings.get_profile("sessions"))
@given(st.integers(0, 40), st.lists(st.floats(-100, 100), min_size=1, max_size=6), st.data())
def test_any_scale_any_cut(bits, cuts, data):
    """Cuts beyond the bound too, of tensors that are sums, and factors of another tensor."""
    bound = data.draw(st.sampled_from([1.0, 37.5, 2.0**20]))
    rng = np.random.default_rng(bits)
    one, two = (dyadic(rng, (3, 7), bits, bound) for _ in range(2))

    def build(protocol, me):
        tensors = bring(protocol, me, {"x": ("p0", one), "y": (GUEST, two)}, bits=bits, bound=bound)
        return compare(tensors[0] - tensors[1], cuts, factor=tensors[1])

    for parties in (0, 2, 3):
        below, products = run_for_values(build, parties)
        expected = (one - two) < np.array(cuts)[:, None, None]
        assert np.array_equal(below, expected)
        assert np.array_equal(products, expected * two)


def test_functions_of_comparisons(computing):
    x, y = points(8, 16, (-2.0, 3.5)), points(8, 16)[::-1].copy()

    def build(protocol, me):
        one, two = bring(protocol, me, {"x": ("p0", x), "y": ("p1", y)}, bits=16, bound=8)
        return [less(one, 1.5), sign(one), relu(one), maximum(one, two), clip(one, -2.0, 3.5)]

    got = run_for_values(build, computing, outsiders=())
    expected = [x < 1.5, np.sign(x), np.maximum(x, 0), np.maximum(x, y), np.clip(x, -2, 3.5)]
    for one, other in zip(got, expected, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("kind", PIECEWISE_SIGMOIDS)
def test_named_sigmoids_hold_their_error(kind):
    function = PIECEWISE_SIGMOIDS[kind]
    x = points(12, 14, function.cuts)

    def build(protocol, me):
        (tensor,) = bring(protocol, me, {"x": ("p0", x)}, bits=14, bound=12)
        return [sigmoid(tensor, kind=kind)]

    (got,) = run_for_values(build, 2, outsiders=())
    assert np.abs(got - function(x)).max() <= 2.0**-17 * 13
    assert np.abs(got - 1 / (1 + np.exp(-x))).max() <= function.error + 2.0**-17 * 13
    # The stated error is not idle talk: some point comes near it.
    assert np.abs(got - 1 / (1 + np.exp(-x))).max() > 0.95 * function.error


def pieces(count):
    """A function of so many pieces that jumps at its cuts."""
    rng = np.random.default_rng(count)
    cuts = np.sort(rng.uniform(-7, 7, count - 1)) if count > 1 else [0.0]
    return PiecewiseLinear(
        "test",
        tuple(cuts),
        tuple(rng.uniform(-2, 2, len(cuts) + 1)),
        tuple(rng.uniform(-3, 3, len(cuts) + 1)),
        0.0,
    )


@pytest.mark.parametrize("count", [1, 3, 5, 20])
def test_four_rounds_for_any_number_of_pieces(count, computing):
    function = pieces(count)
    x = points(8, 20, function.cuts, 2000)

    def build(protocol, me):
        (tensor,) = bring(protocol, me, {"x": ("p0", x)}, bits=20, bound=8)
        # What comes out of a gate is not masked yet.
        fresh = tensor.rescale(19)
        before = protocol.counters.rounds
        result = piecewise_linear(fresh, function)
        assert me in (DEALER, GUEST) or protocol.counters.rounds - before == 4
        return [result]

    (got,) = run_for_values(build, computing)
    near = np.abs(x[:, None] - np.array(function.cuts)).min(1) < 2.0**-18
    assert np.abs(got - function(x))[~near].max() <= 2.0**-17 * 9 + 2 * 2.0**-18


def test_rounds_and_bytes_are_as_stated():
    """A prepared operand takes three rounds; bytes an element and cut at most 4.5."""
    size = 4096

    def build(protocol, me):
        (tensor,) = bring(protocol, me, {"x": ("p0", np.zeros(size))}, bits=40, bound=8)
        before = protocol.counters.bytes_sent, protocol.counters.rounds
        compare(tensor, [1.0, 2.0])
        after = protocol.counters.bytes_sent, protocol.counters.rounds
        return [a - b for a, b in zip(after, before, strict=True)]

    out = run_parties(build)
    for party in ("p0", "p1"):
        sent, rounds = out[party]
        assert rounds == 3
        # Seven wires for each of 4 + 1 combinations, and the result's bit, eight to a byte.
        assert sent == (7 * 5 + 1) * size * 2 // 8
    assert out[DEALER][1] == 0


def test_seventeen_bits_take_one_level():
    def build(protocol, me):
        (tensor,) = bring(protocol, me, {"x": ("p0", np.arange(8.0))}, bits=8, bound=100)
        before = protocol.counters.rounds
        less(tensor, 3.0)
        return protocol.counters.rounds - before

    assert run_parties(build)["p0"] == 2


def test_what_is_opened_is_uniform_and_fresh(recorder):
    """All wires and results that are opened, of values that are all alike."""

    def program(protocol, me):
        (tensor,) = bring(protocol, me, {"x": ("p0", np.ones(20_000))}, bits=40, bound=8)
        compare(tensor, [0.5, 1.5])

    run_parties(program, on_mesh=recorder.watch)
    received = [
        np.unpackbits(item.data)
        for item in recorder.of("p1")
        if item.gate == "compare" and item.sender == "p0"
    ]
    assert len(received) == 3
    for bits in received:
        assert abs(bits.mean() - 0.5) < 5 * 0.5 / np.sqrt(bits.size)
    assert not recorder.of(DEALER)[1:]


def test_refusals():
    def build(protocol, me):
        (tensor,) = bring(protocol, me, {"x": ("p0", np.zeros(3))}, bits=56, bound=60)
        before = protocol.counters.bytes_sent
        for wrong, error in (
            (lambda: compare(tensor, []), ParameterError),
            (lambda: compare(tensor, [np.nan]), ParameterError),
            (lambda: compare(tensor, [0.0], factor=tensor[:2]), ParameterError),
            (lambda: clip(tensor, 2.0, 1.0), ParameterError),
            (lambda: clip(tensor, 2.0, 100.0), ParameterError),
            (lambda: sigmoid(tensor, kind="nothing"), ParameterError),
            (lambda: piecewise_linear(tensor, pieces(3)), FixedPointOverflowError),
        ):
            with pytest.raises(error):
                wrong()
        assert protocol.counters.bytes_sent == before

    run_parties(build)


def test_a_cut_of_each_element(computing):
    rng = np.random.default_rng(3)
    x, cuts = dyadic(rng, (4, 50), 20, 8.0), dyadic(rng, (2, 4, 50), 20, 9.0)
    cuts[0, 0], cuts[1, 1] = x[0], x[1] + 2.0**-20

    def build(protocol, me):
        (tensor,) = bring(protocol, me, {"x": ("p1", x)}, bits=20, bound=8)
        with pytest.raises(ParameterError, match="do not fit"):
            compare(tensor, cuts[:, :, :5])
        return compare(tensor, cuts)

    for parties in (0, computing):
        below, products = run_for_values(build, parties)
        assert np.array_equal(below, x < cuts)
        assert np.array_equal(products, (x < cuts) * x)
