"""Folds for cross-validation: each site assigns its own samples, at random and by class.

Samples of one group (a patient) go to one fold together, where groups are known.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cohortium.data.cohort import Cohort


def fold_sizes(samples: int, folds: int) -> list[int]:
    """Return how many of a site's samples each fold has: known to all from the sites' sizes."""
    return [len(range(fold, samples, folds)) for fold in range(folds)]


def by_fold(
    cohort: Cohort, folds: int, random: np.random.Generator | None = None
) -> tuple[Cohort, list[int]]:
    """Return the cohort with its samples fold after fold, and each fold's number of samples.

    Within each class samples are shuffled (by the operating system's randomness, where no
    generator is given), then dealt to the folds in turn, one class after the other: so the sizes
    are ``fold_sizes`` and tell nothing of the classes, and each class is divided as evenly as can
    be. Labels that are numbers have no classes: all samples are shuffled. Of a cohort with groups
    the folds are ``group_folds``, whose sizes tell something of the groups' sizes.
    """
    random = random or np.random.default_rng(secrets.randbits(128))
    if cohort.groups is not None:
        assigned = group_folds(cohort, folds, random)
        order = np.argsort(assigned, kind="stable")
        sizes = np.bincount(assigned, minlength=folds)
        return cohort.take(order), [int(size) for size in sizes]
    shuffled = random.permutation(len(cohort.samples))
    if cohort.labels is not None and not cohort.numeric:
        shuffled = shuffled[np.argsort(cohort.labels[shuffled], kind="stable")]
    order = np.concatenate([shuffled[fold::folds] for fold in range(folds)])
    return cohort.take(order), fold_sizes(len(order), folds)


def group_folds(cohort: Cohort, folds: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Return each sample's fold, the same for all samples of a group.

    Folds' sizes are told to all parties, so they must follow from the groups' sizes alone, whatever
    the labels: groups go one after the other, the largest first, each to a fold of fewest samples,
    and at last the folds are numbered by size. Labels decide only among equals: groups of one size
    go class by class, at random within it, and of folds of one size the group goes to that after
    which the classes are spread most evenly (the sum over classes and folds of (share of the class
    in the fold)² grows least).
    """
    labels = np.zeros(len(cohort.samples), np.int64)
    if cohort.labels is not None and not cohort.numeric:
        labels = cohort.labels.astype(np.int64)
    names, group_of = np.unique(np.asarray(cohort.groups, dtype=object), return_inverse=True)
    counts = np.zeros((len(names), 2))
    np.add.at(counts, (group_of, labels), 1.0)
    totals = np.maximum(counts.sum(0), 1.0)
    filled = np.zeros((folds, 2))
    fold_of = np.zeros(len(names), np.int64)
    shuffled = random.permutation(len(names))
    sizes, positives = counts[shuffled].sum(1), counts[shuffled][:, 1]
    for group in shuffled[np.lexsort((positives, -sizes))]:
        growth = ((2 * filled + counts[group]) * counts[group] / totals**2).sum(1)
        # Rounded, so that equals are equal whatever the order of additions.
        best = np.lexsort((growth.round(12), filled.sum(1)))[0]
        fold_of[group] = best
        filled[best] += counts[group]
    number = np.empty(folds, np.int64)
    number[np.argsort(-filled.sum(1), kind="stable")] = np.arange(folds)
    found: NDArray[np.int64] = number[fold_of][group_of]
    return found


def fold_assignment(sizes: list[int], folds: int) -> NDArray[np.int64]:
    """Return the fold of each row, of all sites one after the other; ``sizes`` are the sites'."""
    return assignment_of([fold_sizes(samples, folds) for samples in sizes])


def assignment_of(sizes: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Return the fold of each row, as ``fold_assignment``, from each site's sizes of folds."""
    return np.concatenate([np.repeat(np.arange(len(of_site)), of_site) for of_site in sizes])
