"""What depends on the order of scores: the area under the ROC curve, exactly or in bounds, counts.

The number of correctly ordered pairs of a positive and a negative is, over pairs of rows i < j with
s = 1 where z_i < z_j (½ where they are equal), Σ y_i·(1 − y_j) + Σ (y_j − y_i)·s. The factor of s
is a linear function of the labels, so one comparison gives all terms.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cohortium.errors import ParameterError
from cohortium.mpc import SecretTensor, concatenate
from cohortium.mpc.functions import compare

MOST_ROWS = 1000
THRESHOLDS = 200
# Calibration counts are by tenths of the predicted probability.
TENTHS = np.arange(1, 10) / 10
# Comparisons at a time: what they need stays below some hundred megabytes.
_BATCH = 1 << 18


def ordered_pairs(
    scores: SecretTensor, labels: SecretTensor, sizes: NDArray[np.int64]
) -> SecretTensor:
    """Return Σ y_i·(n − 1 − i) + Σ_{i<j} (y_j − y_i)·s of each fold: folds × models.

    With n₊·(n₊ − 1)/2 taken off, it is the number of pairs of a positive and a negative that are
    in order, ties counting half; exact. ``scores`` are n × models, ``labels`` n × 1, fold after
    fold. Two cuts for each pair of a fold's rows and each model, four rounds; a batch more for
    each further 2^18 of them. Raises ParameterError for a fold of more than 1,000 rows.
    """
    if sizes.max() > MOST_ROWS:
        raise ParameterError(
            f"An exact AUC compares all pairs of a fold's {sizes.max()} samples.",
            remedy=f"Ask for auc_bounds, or for folds of {MOST_ROWS} samples or fewer.",
        )
    ends = np.cumsum([0, *sizes])
    pairs = [np.triu_indices(size, 1) for size in sizes]
    first = np.concatenate([start + i for start, (i, _) in zip(ends[:-1], pairs, strict=True)])
    second = np.concatenate([start + j for start, (_, j) in zip(ends[:-1], pairs, strict=True)])
    models = scores.shape[1]
    at_once = max(1, _BATCH // max(1, len(first)))
    wide = labels + np.zeros(scores.shape)
    terms = concatenate(
        [
            _in_order(scores[:, part], wide[:, part], first, second)
            for part in (slice(start, start + at_once) for start in range(0, models, at_once))
        ],
        axis=1,
    )
    sums = fold_sums(terms, np.array([len(i) for i, _ in pairs]))
    after = np.concatenate([np.arange(size - 1.0, -1.0, -1.0) for size in sizes])
    return sums + fold_sums(labels * after.reshape(-1, 1), sizes)


def _in_order(
    scores: SecretTensor,
    labels: SecretTensor,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
) -> SecretTensor:
    """Return s·(y_j − y_i) of each pair and model, at 1 fraction bit."""
    # A difference may need one bit more than a tensor may have; all the ring's bits are compared.
    half = scores.with_bound(scores.bound / 2)
    difference = half[first] - half[second]
    factor = labels[second] - labels[first]
    cuts = [0.0, 2.0**-difference.fraction_bits]
    _, terms = compare(difference, cuts, factor=factor, all_bits=True)
    return (terms[0] + terms[1]).times_power_of_two(-1)


def bracketed_pairs(
    scores: SecretTensor, labels: SecretTensor, sizes: NDArray[np.int64]
) -> tuple[SecretTensor, SecretTensor]:
    """Return bounds of the number of ordered pairs of each fold: folds × models, twice.

    From counts at 200 public thresholds of the predicted probability: a positive and a negative
    between the same two may be in either order. Five rounds; any number of rows.
    """
    probability = np.arange(1, THRESHOLDS + 1) / (THRESHOLDS + 1)
    negative, positive = counts_below(
        scores, labels, np.log(probability / (1 - probability)), sizes
    )
    total = fold_sums(labels, sizes) + np.zeros((len(sizes), scores.shape[1]))
    rows = np.asarray(sizes, np.float64).reshape(-1, 1) - total
    shape = (1, *total.shape)
    zero = (total * 0.0).reshape(*shape)
    most = float(sizes.max())
    edges = concatenate([zero, positive, total.reshape(*shape)])
    between = (edges[1:] - edges[:-1]).with_bound(most)
    below = concatenate([zero, negative, rows.reshape(*shape)]).with_bound(most).prepare()
    return (between * below[:-1]).sum(0), (between * below[1:]).sum(0)


def counts_below(
    scores: SecretTensor, labels: SecretTensor, cuts: ArrayLike, sizes: NDArray[np.int64]
) -> tuple[SecretTensor, SecretTensor]:
    """Return how many negatives and positives are below each cut: cuts × folds × models, twice.

    Exact; four rounds.
    """
    wide = labels + np.zeros(scores.shape)
    bits, products = compare(scores, cuts, factor=wide)
    ends = np.cumsum([0, *sizes])

    def sums(counted: SecretTensor) -> SecretTensor:
        count, _, models = counted.shape
        parts = [
            counted[:, start:end].sum(1).reshape(count, 1, models) for start, end in pairwise(ends)
        ]
        return concatenate(parts, axis=1).with_bound(float(np.max(sizes)))

    below, positive = sums(bits), sums(products)
    return (below - positive).with_bound(below.bound), positive


def calibration(
    scores: SecretTensor, labels: SecretTensor, cuts: ArrayLike, minimum: int | None = None
) -> SecretTensor:
    """Return negatives and positives between cuts, 2 × (cuts + 1) × models, at 0 fraction bits.

    Both counts of an interval are 0 where either of them is from 1 to ``minimum`` − 1, if there is
    a minimum. Ten rounds at most. What it does not hide: the number of all rows is public, so the
    intervals with zeros are known to hold the rest together; how many of them are positives is not,
    as long as the number of positives is not revealed elsewhere.
    """
    sizes = np.array([scores.shape[0]])
    models = scores.shape[1]
    negative, positive = (part[:, 0] for part in counts_below(scores, labels, cuts, sizes))
    positives = (labels.sum() + np.zeros(models)).reshape(1, models)
    edges = [(-positives + float(sizes[0]), negative), (positives, positive)]
    counts = []
    for total, below in edges:
        zero = total * 0.0
        steps = concatenate([below, total]) - concatenate([zero, below])
        counts.append(steps.with_bound(float(sizes[0])).reshape(1, *steps.shape))
    both = concatenate(counts)
    if minimum is None:
        return both
    bits, _ = compare(both, [0.5, minimum - 0.5])
    small = bits[1] - bits[0]
    either = (small[0] + small[1]).reshape(1, *small.shape[1:])
    _, kept = compare(concatenate([either, either]).with_bound(2.0), [0.5], factor=both)
    return kept[0]


def fold_sums(values: SecretTensor, sizes: NDArray[np.int64]) -> SecretTensor:
    """Return the sum of each fold's rows, folds × columns; local."""
    ends = np.cumsum([0, *sizes])
    return concatenate(
        [values[start:end].sum(0).reshape(1, values.shape[1]) for start, end in pairwise(ends)]
    )
