"""Values made a block at a time: equal to whole matrices, without one ever being there."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from cohortium.data import (
    Cohort,
    PooledStatistics,
    Preparation,
    by_fold,
    common_names,
    prepare,
    with_features,
)
from cohortium.data.values import MISSING_CALL, Stored, Values, in_blocks
from cohortium.study import RunRegister


def genotypes(samples: int, variants: int) -> np.ndarray:
    """Return calls, variants in rows, with missing ones, variants without any, and constant."""
    random = np.random.default_rng(7)
    calls = random.binomial(2, random.beta(0.5, 0.5, (variants, 1)), (variants, samples))
    calls[random.random(calls.shape) < 0.05] = MISSING_CALL
    calls[3], calls[4] = MISSING_CALL, 1
    return calls.astype(np.int8)


def names(variants: int) -> list[str]:
    """Return names of which every other has its alleles in the order that is not the common."""
    return [f"1:{place + 1}:{'AG'[place % 2]}:{'GA'[place % 2]}" for place in range(variants)]


def cohorts(samples: int, variants: int) -> tuple[Cohort, Cohort]:
    """Return one cohort twice: its calls as they are stored, and as float64."""
    calls = genotypes(samples, variants)
    dense = np.ascontiguousarray(np.where(calls == MISSING_CALL, np.nan, calls).T)
    labels = np.arange(samples) % 2
    people = tuple(f"s{place}" for place in range(samples))
    return (
        Cohort(Stored(calls), people, tuple(names(variants)), labels, "case", "control"),
        Cohort(dense, people, tuple(names(variants)), labels, "case", "control"),
    )


@pytest.mark.parametrize("standardise", ["site", "none"])
def test_stored_calls_are_prepared_as_float64_is(standardise, monkeypatch):
    monkeypatch.setattr("cohortium.data.values.BLOCK_ELEMENTS", 700)
    found = []
    for cohort in cohorts(30, 101):
        named, naming = common_names(cohort, "variant")
        assert naming.swapped == 50
        ready, report = prepare(named, Preparation(standardise=standardise, clip=1.5))
        folded, _ = by_fold(ready, 3, np.random.default_rng(1))
        wider = with_features(folded, ["nowhere", *sorted(folded.features)[::-1]])
        found.append((wider.values, report, folded.samples))
    (made, report, order), (expected, same, other) = found
    assert report == same
    assert report.clipped_cells > 0
    assert order == other
    whole = expected[:, :]
    np.testing.assert_array_equal(made[:, :], whole)
    assert not whole[:, 0].any()
    for part in (slice(40, 70), np.array([5, 0, 99])):
        np.testing.assert_array_equal(made[:, part], whole[:, part])
    assert [block.stop for block, _ in in_blocks(made)] == [23, 46, 69, 92, 102]


def test_pooled_statistics_prepare_stored_calls_a_block_at_a_time(monkeypatch):
    monkeypatch.setattr("cohortium.data.values.BLOCK_ELEMENTS", 700)
    stored, dense = cohorts(30, 101)
    observed = (~np.isnan(dense.values)).sum(axis=0)
    frequency = np.nansum(dense.values, axis=0) / np.maximum(2 * observed, 1)
    statistics = PooledStatistics.of_frequencies(stored.features, frequency)
    asked, made = [], Stored.made
    monkeypatch.setattr(
        Stored, "made", lambda self, part: asked.append(part) or made(self, part), raising=True
    )
    ready, report = statistics.prepare(stored, 3.0)
    assert isinstance(ready.values, Values)
    assert len(asked) == 5
    assert max(part.stop - part.start for part in asked) == 23
    deviation = np.sqrt(2 * frequency * (1 - frequency))
    flat = deviation == 0
    expected = (dense.values - 2 * frequency) / np.where(flat, 1.0, deviation)
    expected[:, flat] = 0.0
    expected = np.nan_to_num(expected)
    np.testing.assert_allclose(ready.values[:, :], np.clip(expected, -3.0, 3.0))
    assert report.imputed_cells == np.isnan(dense.values).sum() > 0
    assert report.clipped_cells == (np.abs(expected) > 3.0).sum() > 0
    assert len(report.constant_features) == flat.sum() > 2


def test_a_row_has_one_hash_however_it_is_stored(tmp_path, monkeypatch):
    stored, dense = cohorts(12, 60)
    register = RunRegister(tmp_path)
    register.add(dense, "0" * 64)
    renamed = Cohort(stored.values, tuple(f"other{place}" for place in range(12)), stored.features)
    monkeypatch.setattr("cohortium.study.register.BLOCK_ELEMENTS", 90)
    assert register.runs_of(renamed) == [1] * 12
    assert register.runs_of(renamed.at(range(59))) == [0] * 12


def test_no_float64_matrix_of_all_values_is_ever_made(tmp_path, monkeypatch):
    monkeypatch.setattr("cohortium.data.values.BLOCK_ELEMENTS", 1 << 16)
    monkeypatch.setattr("cohortium.study.register.BLOCK_ELEMENTS", 1 << 16)
    samples, variants = 500, 6000
    stored, _ = cohorts(samples, variants)
    whole = samples * variants * 8
    tracemalloc.start()
    try:
        RunRegister(tmp_path).add(stored, "0" * 64)
        named, _ = common_names(stored.take(np.arange(1, samples)), "variant")
        ready, _ = prepare(named, Preparation())
        aligned = with_features(by_fold(ready, 5)[0], [*named.features[::-1]])
        total = sum(float(values.sum()) for _, values in in_blocks(aligned.values))
        peak = tracemalloc.get_traced_memory()[1]
        kept = aligned.values[:, :]
        everything = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert abs(total - kept.sum()) < 1e-6
    assert peak < whole / 4
    # The measurement sees such a matrix where there is one.
    assert everything > whole
