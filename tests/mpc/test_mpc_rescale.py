"""Rescaling: never off by a unit of the last place, unbiased, exact where nothing is lost."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mpc_parties import CLEAR, DEALER, bring, run_for_values, run_parties

from cohortium.errors import ParameterError
from cohortium.mpc import SecretTensor

SIZE = 1_000_000
MOST = 2**62 - 1


def integers_to_share(seed, bits):
    """Random ring integers up to the largest magnitude allowed, and the awkward ones."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-MOST, MOST, SIZE, endpoint=True)
    unit = 1 << bits
    awkward = [0, 1, -1, MOST, -MOST, unit - 1, -unit + 1, MOST // 2, -(1 << 61), 1 << 61]
    values[: len(awkward)] = np.clip(awkward, -MOST, MOST)
    # Multiples of a unit lose nothing, so nothing may change.
    values[100:1000] &= -unit
    return np.maximum(values, -MOST)


def share_integers(protocol, me, values):
    """A secret tensor that holds these very integers: its upper and its lower half, joined.

    float64 could not bring them in. The stated bound is irrelevant to the gate.
    """
    high, low = values >> 31, values & (2**31 - 1)
    x, y = bring(
        protocol,
        me,
        {"high": ("p0", high.astype(float)), "low": (DEALER, low.astype(float))},
        bits=0,
        bound=2.0**31,
    )
    joined = protocol.linear(lambda a, b: (a << 31) + b, [x.value, y.value], values.shape)
    return SecretTensor(protocol, joined, values.shape, 62, 2.0**-1)


@pytest.mark.usefixtures("integers")
@pytest.mark.parametrize(
    ("parties", "bits"),
    [(2, 1), (2, 33), (2, 61), (2, 62), (3, 2), (3, 20), (4, 40)],
)
def test_a_million_elements_at_the_largest_magnitude(parties, bits):
    values = integers_to_share(bits, bits)

    def build(protocol, me):
        x = share_integers(protocol, me, values)
        return [x, x.rescale(62 - bits)]

    before, after = run_for_values(build, parties)
    np.testing.assert_array_equal(before, values)
    up = after - (values >> bits)
    assert set(np.unique(up)) <= {0, 1}
    part = (values & ((1 << bits) - 1)) / 2.0**bits
    assert not up[part == 0].any()
    error = up - part
    assert np.abs(error).max() < 1
    # Unbiased: the mean of a million errors of variance part·(1 − part), within six deviations.
    deviation = math.sqrt(float((part * (1 - part)).sum())) / SIZE
    assert abs(error.mean()) < 6 * deviation
    # And so for small and for large remainders apart: it rounds up with probability `part`.
    for low, high in ((0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1)):
        chosen = (part > low) & (part < high)
        if chosen.sum() > 1000:
            spread = math.sqrt(float((part * (1 - part))[chosen].sum())) / chosen.sum()
            assert abs(error[chosen].mean()) < 6 * spread


@pytest.mark.parametrize("parties", [0, 2, 3, 4])
def test_of_tensors_known_to_one_party_constants_and_shapes(parties):
    rng = np.random.default_rng(1)
    a, b = rng.uniform(-8, 8, (3, 4, 5)), rng.uniform(-8, 8, ())

    def build(protocol, me):
        x, y = bring(protocol, me, {"a": ("p0", a), "b": ("p1", b)}, bits=40)
        return [
            x.rescale(20),
            (x * 0.5).rescale(20),
            y.rescale(20),
            (x - x).rescale(1),
            x.rescale(0),
        ]

    expected = [a, a / 2, b, 0 * a, a]
    units = [20, 20, 20, 1, 0]
    for got, want, unit in zip(run_for_values(build, parties), expected, units, strict=True):
        assert np.shape(got) == np.shape(want)
        np.testing.assert_allclose(got, want, rtol=0, atol=2.0**-unit + 2.0**-40)


def test_the_same_tensor_twice_is_rounded_independently():
    def program(protocol, me):
        (x,) = bring(protocol, me, {"x": ("p0", np.full(1000, 0.5))})
        return [x.rescale(0).reveal(f"r{i}", ["p0"]) for i in range(2)]

    one, two = run_parties(program, 2)["p0"]
    assert 300 < (one != two).sum() < 700


def test_to_the_same_or_more_bits_it_is_local():
    def program(protocol, me):
        (x,) = bring(protocol, me, {"x": ("p0", np.ones(3))}, bits=10)
        before = protocol.counters.rounds
        same, more = x.rescale(10), x.rescale(17)
        assert same is x
        assert more.fraction_bits == 17
        assert protocol.counters.rounds == before
        return more.reveal("more", ["p0"])

    assert run_parties(program, 2)["p0"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("parties", [0, 2])
@pytest.mark.parametrize("to", [-1, -30, 1])
def test_more_bits_than_the_gate_can_drop_are_refused(parties, to):
    """Dropping 63 bits or more leaves nothing, and there are no fraction bits below zero."""

    def program(protocol, me):
        (x,) = bring(protocol, me, {"x": ("p0", np.ones(3) * 2.0**-10)}, bits=40, bound=2.0**-9)
        x = x.times_power_of_two(-30)
        counted, sent = protocol.counters.rounds, getattr(me, "bytes_sent", 0)
        with pytest.raises(ParameterError, match="rescale"):
            x.rescale(to)
        assert (protocol.counters.rounds, getattr(me, "bytes_sent", 0)) == (counted, sent)

    if parties:
        run_parties(program, parties)
    else:
        from cohortium.mpc.clear import ClearProtocol

        program(ClearProtocol(), CLEAR)
