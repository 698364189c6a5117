"""A site's folds: sizes that tell nothing of the classes, each class divided evenly."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from cohortium.data import Cohort, assignment_of, by_fold, fold_assignment, group_folds
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


def grouped(groups, labels) -> Cohort:
    count = len(groups)
    return Cohort(
        values=np.arange(count, dtype=float).reshape(-1, 1),
        samples=tuple(f"s{row}" for row in range(count)),
        features=("g",),
        labels=np.asarray(labels),
        positive="yes",
        negative="no",
        groups=tuple(groups),
    )


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 1)), min_size=1, max_size=60),
    st.integers(2, 6),
)
def test_a_group_is_never_divided(rows, folds):
    before = grouped([f"p{group}" for group, _ in rows], [label for _, label in rows])
    after, sizes = by_fold(before, folds)
    assert len(sizes) == folds
    assert sum(sizes) == len(rows)
    assert sorted(after.samples) == sorted(before.samples)
    assert np.array_equal(after.labels, before.labels[after.values[:, 0].astype(int)])
    ends = np.cumsum([0, *sizes])
    parts = [set(after.groups[a:b]) for a, b in pairwise(ends)]
    assert sum(map(len, parts)) == len(set(before.groups))


def test_groups_of_one_are_stratified_as_samples_are():
    before = grouped([f"p{row}" for row in range(43)], np.arange(43) < 13)
    after, sizes = by_fold(before, 5)
    counts = [part.sum() for part in np.split(after.labels, np.cumsum(sizes)[:-1])]
    assert max(counts) - min(counts) <= 1
    assert max(sizes) - min(sizes) <= 2
    orders = {by_fold(before, 5)[0].samples for _ in range(5)}
    assert len(orders) == 5


def test_numbers_are_not_stratified():
    before = Cohort(np.ones((11, 1)), [f"s{row}" for row in range(11)], ["g"], np.arange(11.0))
    after, sizes = by_fold(before, 5, np.random.default_rng(0))
    assert sizes == fold_sizes(11, 5)
    assert sorted(after.labels) == list(range(11))
    assert after.labels.tolist() != sorted(after.labels)


def test_tumours_and_normal_tissue_of_a_patient_stay_together(shared):
    """1,218 samples of 1,082 patients or so: as even as scikit-learn's folds are."""
    folder = shared("tcga_brca_tumor_normal909")
    text = (folder / "labels.tsv").read_text()
    names = np.array([line.split("\t")[:2] for line in text.splitlines()][1:])
    patients, labels = [name[:12] for name in names[:, 0]], names[:, 1] == "Normal"
    assert len(set(patients)) < len(patients) - 100
    found = group_folds(grouped(patients, labels), 5, np.random.default_rng(1))
    reference = np.zeros(len(labels), int)
    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=1)
    for fold, (_, rows) in enumerate(splitter.split(labels, labels, patients)):
        reference[rows] = fold

    def spread(folds):
        return [np.ptp(np.bincount(folds[labels == kind])) for kind in (False, True)]

    assert all(
        ours <= theirs + 2 for ours, theirs in zip(spread(found), spread(reference), strict=True)
    )
    for patient in set(patients):
        assert len(set(found[np.array(patients) == patient])) == 1


def test_the_assignment_by_sizes():
    assert assignment_of([[2, 0, 1], [1, 1, 0]]).tolist() == [0, 0, 2, 0, 1]


@given(
    st.lists(st.integers(1, 6), min_size=2, max_size=25),
    st.integers(2, 5),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
)
def test_the_sizes_of_folds_tell_nothing_of_labels(sizes, folds, one, other):
    groups = [f"p{group}" for group, size in enumerate(sizes) for _ in range(size)]
    found = []
    for seed in (one, other):
        random = np.random.default_rng(seed)
        labels = random.integers(0, 2, len(groups))
        labels[:2] = 0, 1
        assigned = group_folds(grouped(groups, labels), folds, random)
        found.append(np.bincount(assigned, minlength=folds).tolist())
    assert found[0] == found[1]
