"""Tables are exact; reciprocals and inverse square roots hold their error over the range."""

from __future__ import annotations

import numpy as np
import pytest
from mpc_parties import DEALER, GUEST, bring, run_for_values, run_parties

from cohortium.errors import ParameterError
from cohortium.mpc.functions import inverse_square_root, reciprocal, table


@pytest.mark.parametrize("count", [1, 2, 5, 256, 1000, 4096])
def test_entries_are_exact(count, computing):
    rng = np.random.default_rng(count)
    entries = rng.integers(-(2**40), 2**40, (3, count)) / 2.0**20
    places = rng.integers(0, count, (4, 5))
    places.flat[:2] = [0, count - 1]

    def build(protocol, me):
        (x,) = bring(protocol, me, {"x": (GUEST, places)}, bits=0, bound=count)
        before = protocol.counters.rounds
        found = table(x, entries, 20)
        assert me in (DEALER, GUEST) or protocol.counters.rounds - before == 1
        return [found]

    (got,) = run_for_values(build, computing)
    assert np.array_equal(got, entries[:, places])


RANGES = [
    (1, 4095, 0),
    (1, 200_000, 0),
    (0.01, 50, 24),
    (1.5, 1.75, 20),
    (3, 3.9, 10),
    (0.5, 1, 30),
]


@pytest.mark.parametrize(("low", "high", "bits"), RANGES)
def test_reciprocals_hold_their_error(low, high, bits):
    unit = 2.0**-bits
    rng = np.random.default_rng(3)
    x = np.rint(np.exp(rng.uniform(np.log(low), np.log(high), 1500)) / unit) * unit
    x[:2] = [np.ceil(low / unit) * unit, np.floor(high / unit) * unit]
    powers = 2.0 ** np.arange(np.ceil(np.log2(low)), np.floor(np.log2(high)) + 1)
    x[2 : 2 + len(powers)] = powers
    x = np.clip(x, np.ceil(low / unit) * unit, np.floor(high / unit) * unit)
    rounds = {}

    def build(protocol, me):
        (tensor,) = bring(protocol, me, {"x": ("p0", x)}, bits=bits, bound=high)
        before = protocol.counters.rounds
        one = reciprocal(tensor, low, high)
        between = protocol.counters.rounds
        two = inverse_square_root(tensor, low, high)
        rounds[me] = (between - before, protocol.counters.rounds - between)
        return [one, two]

    for parties in (2, 3):
        one, two = run_for_values(build, parties, outsiders=())
        assert np.abs(one * x - 1).max() < 2.0**-20
        assert np.abs(two * np.sqrt(x) - 1).max() < 2.0**-19
        assert rounds["p0"][0] <= 13
        assert rounds["p0"][1] <= 15


def test_refusals():
    def build(protocol, me):
        (x,) = bring(protocol, me, {"x": ("p0", np.ones(3))}, bits=4, bound=8)
        (whole,) = bring(protocol, me, {"y": ("p0", np.ones(3))}, bits=0, bound=8)
        with pytest.raises(ParameterError, match="4 fraction bits"):
            table(x, np.zeros((1, 8)), 10)
        with pytest.raises(ParameterError, match="4097 entries"):
            table(whole, np.zeros((1, 4097)), 10)
        with pytest.raises(ParameterError, match="not defined"):
            reciprocal(x, 0, 1)

    run_parties(build)
