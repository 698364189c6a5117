"""Folds for cross-validation: each site assigns its own samples, at random and by class."""

from __future__ import annotations

import secrets

import numpy as np
from numpy.typing import NDArray

from cohortium.data.cohort import Cohort


def fold_sizes(samples: int, folds: int) -> list[int]:
    """Return how many of a site's samples each fold has: known to all from the sites' sizes."""
    return [len(range(fold, samples, folds)) for fold in range(folds)]


def by_fold(cohort: Cohort, folds: int, random: np.random.Generator | None = None) -> Cohort:
    """Return the cohort with its samples fold after fold, of sizes ``fold_sizes``.

    Within each class samples are shuffled (by the operating system's randomness, where no
    generator is given), then dealt to the folds in turn, one class after the other: so the sizes
    tell nothing of the classes, and each class is divided as evenly as can be.
    """
    random = random or np.random.default_rng(secrets.randbits(128))
    shuffled = random.permutation(len(cohort.samples))
    if cohort.labels is not None:
        shuffled = shuffled[np.argsort(cohort.labels[shuffled], kind="stable")]
    return cohort.take(np.concatenate([shuffled[fold::folds] for fold in range(folds)]))


def fold_assignment(sizes: list[int], folds: int) -> NDArray[np.int64]:
    """Return the fold of each row, of all sites one after the other; ``sizes`` are the sites'."""
    return np.concatenate(
        [np.repeat(np.arange(folds), fold_sizes(samples, folds)) for samples in sizes]
    )
