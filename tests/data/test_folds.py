"""A site's folds: sizes that tell nothing of the classes, each class divided evenly."""

from __future__ import annotations

import numpy as np
import pytest

from cohortium.data import Cohort, by_fold, fold_assignment
from cohortium.data.folds import fold_sizes


def cohort(positives: int, negatives: int) -> Cohort:
    count = positives + negatives
    labels = np.repeat([1, 0], [positives, negatives])
    return Cohort(
        values=np.arange(count, dtype=float).reshape(-1, 1),
        samples=tuple(f"s{row}" for row in range(count)),
        features=("g",),
        labels=labels,
        positive="yes",
        negative="no",
        source="test",
    )


@pytest.mark.parametrize(("positives", "negatives"), [(3, 20), (11, 12), (22, 1), (1, 1)])
@pytest.mark.parametrize("folds", [2, 5])
def test_sizes_depend_on_the_number_of_samples_alone(positives, negatives, folds):
    before = cohort(positives, negatives)
    after, sizes = by_fold(before, folds)
    assert sizes == fold_sizes(positives + negatives, folds)
    assert sum(sizes) == len(before.samples)
    assert max(sizes) - min(sizes) <= 1
    assert sorted(after.samples) == sorted(before.samples)
    # Values and labels move with their samples.
    rows = after.values[:, 0].astype(int)
    assert np.array_equal(after.labels, before.labels[rows])
    counts = [part.sum() for part in np.split(after.labels, np.cumsum(sizes)[:-1])]
    assert max(counts) - min(counts) <= 1


def test_the_order_is_random():
    before = cohort(20, 20)
    orders = {by_fold(before, 5)[0].samples for _ in range(5)}
    assert len(orders) == 5
    fixed = [by_fold(before, 5, np.random.default_rng(1))[0].samples for _ in range(2)]
    assert fixed[0] == fixed[1]


def test_the_assignment_is_that_of_all_sites():
    found = fold_assignment([5, 3], 2)
    assert found.tolist() == [0, 0, 0, 1, 1, 0, 0, 1]
