"""Allele frequencies on shares, against exact fractions; their error, rounds and bytes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpc_parties import CLEAR, DEALER, GUEST, run_clear, run_parties

from cohortium.errors import EncodingError
from cohortium.learn import FEATURE_STATISTICS, allele_frequencies

Counts = np.ndarray[Any, Any]


def run(sizes: dict[str, int], counts: dict[str, Counts], computing: int) -> tuple[Any, ...]:
    """Return frequencies on shares and in the clear, rounds, bytes by gate, and bytes dealt."""
    width = len(counts["p0"][0])

    def program(protocol: Any, me: str) -> Any:
        mine = counts if me == CLEAR else {name: counts[name] for name in counts if name == me}
        found = allele_frequencies(protocol, sizes, width, mine)
        rounds = protocol.counters.rounds
        sent = {name: gate.bytes_sent for name, gate in protocol.counters.gates.items()}
        dealt = protocol.counters.dealt_bytes
        return found.reveal(FEATURE_STATISTICS, ["p0"]), rounds, sent, dealt

    outsiders = [name for name in sizes if name == GUEST]
    outcome = run_parties(program, computing, outsiders=outsiders)
    found, rounds, sent, _ = outcome["p0"]
    return found[0], run_clear(program)[0][0], rounds, sent, outcome[DEALER][3]


def expected(sizes: dict[str, int], counts: dict[str, Counts]) -> tuple[Any, Any]:
    """Return the frequencies, 0 where nothing is observed, and how far each may be off."""
    missing, alleles = np.sum(list(counts.values()), axis=0)
    total = sum(sizes.values())
    observed = total - missing
    terms = len(sizes) + 2 * math.ceil(math.log2(21 * total)) + 6
    allowed = terms * total / np.maximum(observed, 1) * 2.0**-30
    return alleles / np.maximum(2 * observed, 1), allowed


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
def test_frequencies_are_those_of_the_observed_genotypes(owners: list[str], computing: int) -> None:
    rng = np.random.default_rng(7)
    sizes = {name: 40 + 37 * place for place, name in enumerate(owners)}
    counts = {}
    for name, size in sizes.items():
        genotypes = rng.binomial(2, rng.uniform(0, 1, 50), (size, 50)).astype(float)
        genotypes[rng.random(genotypes.shape) < np.linspace(0, 0.9, 50)] = np.nan
        # Monomorphic, complete and not; imputed dosages; no genotype anywhere.
        genotypes[:, 0], genotypes[:, 1] = 0.0, 2.0
        genotypes[: size // 3, 2], genotypes[size // 3 :, 2] = np.nan, 2.0
        genotypes[:, 3] = rng.uniform(0, 2, size)
        genotypes[:, 4] = np.nan
        counts[name] = np.stack([np.isnan(genotypes).sum(axis=0), np.nansum(genotypes, axis=0)])
    frequency, allowed = expected(sizes, counts)
    found, clear, rounds, sent, dealt = run(sizes, counts, computing)
    assert (np.abs(found - frequency) <= allowed).all()
    assert (np.abs(clear - frequency) <= allowed).all()
    assert found[0] == found[4] == 0.0
    assert np.abs(found[1:3] - 1.0).max() < 2.0**-22
    # Two rounds for each power of what is missing, however many variants and parties.
    steps, peers = math.ceil(math.log2(21 * sum(sizes.values()))), computing - 1
    assert rounds == 2 * steps + 2
    assert sent["input"] == 16 * 50 * peers
    assert sent["rescale"] + sent["open"] == (32 * steps + 8) * 50 * peers
    assert dealt == (48 * steps + 8) * 50


@settings(deadline=None, max_examples=12)
@given(data=st.data(), computing=st.sampled_from([2, 3, 4]))
def test_any_counts_give_the_stated_error(data: st.DataObject, computing: int) -> None:
    size = st.sampled_from([1, 2, 10, 999, 40_000])
    sizes = {f"p{place}": data.draw(size) for place in range(computing)}
    counts = {}
    for name, most in sizes.items():
        missing = data.draw(st.lists(st.integers(0, most), min_size=8, max_size=8))
        alleles = [data.draw(st.integers(0, 2 * (most - each))) for each in missing]
        counts[name] = np.array([missing, alleles], float)
    frequency, allowed = expected(sizes, counts)
    found = run(sizes, counts, computing)[0]
    assert (np.abs(found - frequency) <= allowed).all()
    assert (found[frequency == 0] == 0).all()


def test_how_the_sites_divide_the_counts_changes_no_bit() -> None:
    # Else two sites' counts, known together, could be told apart by the last bit of what is told.
    found = set()
    for alleles in range(120):
        counts = {"p0": 31, "p1": alleles, "p2": 119 - alleles}
        owned = {name: np.array([[0.0], [float(count)]]) for name, count in counts.items()}
        sizes = {"p0": 77, "p1": 101, "p2": 109}

        def program(protocol: Any, _me: str, sizes: Any = sizes, owned: Any = owned) -> Any:
            return allele_frequencies(protocol, sizes, 1, owned).reveal(FEATURE_STATISTICS, ["p0"])

        found.add(float(run_clear(program)[0, 0]))
    assert len(found) == 1


def test_counts_of_more_than_the_samples_are_refused_at_their_owner() -> None:
    def program(protocol: Any, me: str) -> Any:
        counts = {me: np.array([[0.0] * 3, [11.0] * 3])} if me == "p0" else {}
        return allele_frequencies(protocol, {"p0": 5}, 3, counts)

    assert isinstance(run_parties(program, fail=True).errors["p0"], EncodingError)
