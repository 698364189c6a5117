"""A site's part of the scores by which features are selected: sums by fold and by class.

Sums are about the site's own means, so that they are no larger than its features vary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cohortium.data.cohort import Cohort
from cohortium.data.values import Array, in_blocks


def class_sums(
    cohort: Cohort, folds: Sequence[int], *, by_class: bool, fill: Array | None = None
) -> tuple[Array, Array, Array, Array]:
    """Return means (features), and of each fold and class: counts, Σ(x − mean), Σ(x − mean)².

    Counts are folds × classes, sums folds × classes × features; without ``by_class`` all samples
    are of one class. ``cohort`` has raw values, its samples fold after fold, ``folds`` of them. A
    missing value counts as ``fill`` says by feature, or as the mean of those that the site has.
    """
    fold = np.repeat(np.arange(len(folds)), folds)
    classes = 1 + by_class
    group = classes * fold
    if by_class and cohort.labels is not None:
        group = group + cohort.labels.astype(np.intp)
    # Groups × samples: 1 where a sample is in a group.
    member: Array = (np.arange(classes * len(folds))[:, None] == group).astype(np.float64)
    features = len(cohort.features)
    mean = np.zeros(features)
    sums, squares = np.zeros((2, len(member), features))
    for block, raw in in_blocks(cohort.values):
        missing = np.isnan(raw)
        filled = _means(raw, missing) if fill is None else fill[block]
        values = np.where(missing, filled, raw)
        # Twice, as for standardising: the mean of the residuals corrects the rounding of the first.
        middle = values.mean(axis=0)
        middle += (values - middle).mean(axis=0)
        values -= middle
        mean[block] = middle
        sums[:, block] = member @ values
        squares[:, block] = member @ values**2
    shape = (len(folds), classes)
    counts = member.sum(axis=1).reshape(shape)
    return mean, counts, sums.reshape(*shape, features), squares.reshape(*shape, features)


def _means(raw: Array, missing: npt.NDArray[np.bool_]) -> Array:
    present = np.maximum(len(raw) - missing.sum(axis=0), 1)
    means: Array = np.where(missing, 0.0, raw).sum(axis=0) / present
    return means
