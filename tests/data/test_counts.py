"""What a site counts for a filter: against loops over its values; what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from cohortium.data import Cohort, count_features
from cohortium.data.values import MISSING_CALL, Stored, Turned
from cohortium.errors import DataValueError

KINDS = ("missing", "alleles", "heterozygotes")


def cohort_of(values) -> Cohort:
    samples, features = values.shape
    names = [f"s{row}" for row in range(samples)], [f"f{place}" for place in range(features)]
    return Cohort(values, *map(tuple, names), source="site.csv")


def calls(samples=40, features=30):
    random = np.random.default_rng(1)
    found = random.integers(0, 3, (samples, features)).astype(float)
    found[random.random(found.shape) < 0.1] = np.nan
    found[:, features // 2] = np.nan
    return found


@pytest.mark.parametrize("block", [1, 1000, 1 << 22])
def test_counts_are_those_of_a_loop_also_of_stored_calls(monkeypatch, block) -> None:
    monkeypatch.setattr("cohortium.data.values.BLOCK_ELEMENTS", block)
    values = calls()
    expected = [
        [sum(np.isnan(column)), sum(c for c in column if c == c), sum(c == 1 for c in column)]
        for column in values.T
    ]
    stored = Stored(np.where(np.isnan(values), MISSING_CALL, values).astype(np.int8).T)
    for form in (values, stored):
        found = count_features(cohort_of(form), KINDS)
        assert np.array_equal(found.numbers.T, expected)
    assert np.array_equal(count_features(cohort_of(values), KINDS[:1]).numbers, found.numbers[:1])
    turned = count_features(cohort_of(Turned(stored, np.arange(30) % 2 == 1)), KINDS).numbers
    other = 2 * (40 - found.numbers[0]) - found.numbers[1]
    assert np.array_equal(turned[1], np.where(np.arange(30) % 2 == 1, other, found.numbers[1]))
    assert np.array_equal(turned[[0, 2]], found.numbers[[0, 2]])


def test_a_feature_that_a_site_lacks_is_missing_throughout() -> None:
    found = count_features(cohort_of(calls(7, 3)), KINDS)
    wanted = found.of(["f2", "elsewhere", "f0"])
    assert np.array_equal(wanted[:, [0, 2]], found.numbers[:, [2, 0]])
    assert wanted[:, 1].tolist() == [7, 0, 0]
    assert "numbers" not in repr(found)


def test_any_numbers_have_missing_ones() -> None:
    values = np.array([[7.5, np.nan], [-3.0, 9e5]])
    assert count_features(cohort_of(values), KINDS[:1]).numbers.tolist() == [[0, 1]]


@pytest.mark.parametrize("wrong", [-0.5, 2.001])
def test_what_is_no_dosage_is_refused(wrong) -> None:
    values = calls()
    values[5, 12] = wrong
    with pytest.raises(DataValueError, match=r"site.csv: sample 's5', feature 'f12', is not a num"):
        count_features(cohort_of(values), KINDS[:2])


def test_a_dosage_is_no_call() -> None:
    values = calls()
    values[5, 12] = 1.25
    dosages = count_features(cohort_of(values), KINDS[:2])
    assert dosages.numbers[1, 12] == np.nansum(values[:, 12])
    with pytest.raises(DataValueError, match=r"'s5', feature 'f12', is a dosage between two calls"):
        count_features(cohort_of(values), KINDS)
