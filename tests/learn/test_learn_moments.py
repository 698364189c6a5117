"""Pooled means and variances on shares, against NumPy on the pooled table; rounds and bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mpc_parties import CLEAR, GUEST, run_clear, run_parties

from cohortium.errors import EncodingError
from cohortium.learn import FEATURE_STATISTICS, pooled_moments

BOUND, WIDTH = 64.0, 50


def tables(owners: list[str]) -> dict[str, np.ndarray[Any, Any]]:
    """Sites of different sizes, levels and scales; two constant features, one at the bound."""
    rng = np.random.default_rng(4)
    found = {}
    for place, name in enumerate(owners):
        values = rng.normal(size=(7 + 12 * place, WIDTH)) * np.geomspace(1e-3, 8, WIDTH) + 3 * place
        values[:, 0], values[:, 1] = 7.3, BOUND
        # At one site constant, at the others not.
        values[:, 2] = 1.1 if place == 0 else values[:, 2]
        found[name] = np.clip(values, -BOUND, BOUND)
    return found


@pytest.mark.parametrize(
    ("owners", "computing"),
    [
        (["p0"], 2),
        (["p0", "p1"], 2),
        (["p0", "p1", "p2"], 3),
        (["p0", "guest"], 2),
        (["p0", "p1", "p2", "p3"], 4),
    ],
)
def test_pooled_moments_are_those_of_the_pooled_table(owners: list[str], computing: int) -> None:
    tabled = tables(owners)
    sizes = {name: len(values) for name, values in tabled.items()}

    def program(protocol: Any, me: str) -> Any:
        mine = tabled if me == CLEAR else {name: tabled[name] for name in tabled if name == me}
        moments = {name: (values.mean(0), values.var(0)) for name, values in mine.items()}
        found = pooled_moments(protocol, sizes, WIDTH, moments, BOUND)
        rounds = protocol.counters.rounds
        sent = {name: gate.bytes_sent for name, gate in protocol.counters.gates.items()}
        return found.reveal(FEATURE_STATISTICS, ["p0"]), rounds, sent

    outsiders = [name for name in owners if name == GUEST]
    found, rounds, sent = run_parties(program, computing, outsiders=outsiders)["p0"]
    whole = np.concatenate(list(tabled.values()))
    for mean, variance in (found, run_clear(program)[0]):
        most = len(owners) / 2 * BOUND * 2.0**-27 + BOUND * 2.0**-19
        assert np.abs(mean - whole.mean(0)).max() <= most
        allowed = len(owners) * whole.std(0) * BOUND * 2.0**-26 + BOUND**2 * 2.0**-44
        assert (np.abs(variance - whole.var(0)) <= allowed).all()
        assert np.abs(variance[:2]).max() <= BOUND**2 * 2.0**-44
    count, peers = len(owners), computing - 1
    assert rounds == 2
    assert sent["input"] == 8 * (count + 1) * WIDTH * peers
    # Inputs are masked as they come, and so are their differences.
    assert "open" not in sent
    assert sent["rescale"] == 16 * WIDTH * peers
    # What a mean is told to: the bits below it depend on how the sites divide the sum.
    assert (found[0] * 2.0**19 / BOUND % 1 == 0).all()


def test_moments_beyond_the_bound_are_refused_at_their_owner() -> None:
    def program(protocol: Any, me: str) -> Any:
        moments = {me: (np.full(3, 9.0), np.ones(3))} if me == "p0" else {}
        return pooled_moments(protocol, {"p0": 5}, 3, moments, 8.0)

    assert isinstance(run_parties(program, fail=True).errors["p0"], EncodingError)
