"""Sample weights: from classes whose sizes stay secret, from the owners, or both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cohortium.learn.dual_plan import DualPlan
from cohortium.mpc import SecretTensor, concatenate, prepare
from cohortium.mpc.functions import reciprocal, table
from cohortium.mpc.functions.table import MOST_PLACES


def sample_weights(
    labels: SecretTensor, own: SecretTensor | None, plan: DualPlan
) -> SecretTensor | None:
    """Return each sample's weight (n × 1) at ``plan.sample_weight_bits``, None where all are 1.

    ``labels`` (n × 1) are 0/1 at 0 fraction bits; ``own`` are the weights that owners brought.
    "balanced" takes two rounds: n / (2·class count) is looked up at the secret count, without
    revealing it (for n of 4,096 and more it is computed, in 13 rounds), then chosen by the label.
    Given class weights take a rescale, or nothing if they are whole; owners' weights on top of
    class weights two rounds.
    """
    by_class = _class_weights(labels, plan)
    if by_class is None or own is None:
        return by_class if own is None else own
    return (by_class * own).rescale(plan.sample_weight_bits)


def _class_weights(labels: SecretTensor, plan: DualPlan) -> SecretTensor | None:
    weight = plan.parameters.class_weight
    if weight is None:
        return None
    if weight == "balanced":
        negative, positive = _balanced(labels, plan)
        step = positive - negative
        product = labels * step.reshape(1, 1)
        return (product + negative.reshape(1, 1)).with_bound(plan.parameters.weight_bound)
    low, high = weight
    return ((labels * (high - low)).rescale(plan.sample_weight_bits) + low).with_bound(max(weight))


def _balanced(labels: SecretTensor, plan: DualPlan) -> Sequence[SecretTensor]:
    """Return n / (2·count), at most the weight bound, of the classes 0 and 1."""
    positives, n = labels.sum().reshape(1), plan.samples
    most = plan.parameters.weight_bound
    if n < MOST_PLACES:
        counts = np.arange(n + 1)
        entries = np.minimum(most, n / (2.0 * np.maximum(1, [n - counts, counts])))
        found = table(positives, entries, plan.sample_weight_bits)
        return [found[0], found[1]]
    least = n / (2 * most)
    both = concatenate([-positives + n, positives]).with_bound(n)
    inverse = reciprocal(both, least, n) * (n / 2)
    rounded = inverse.with_bound(most).rescale(plan.sample_weight_bits)
    return [rounded[:1], rounded[1:]]


def weighted_kernel(kernel: SecretTensor, weights: SecretTensor, plan: DualPlan) -> SecretTensor:
    """Return K·diag(v) at K's scale, of several K each; two rounds. Weights are prepared too."""
    prepare([kernel, weights])
    return (kernel * weights.T).rescale(plan.gram_bits)


def class_balance(labels: SecretTensor) -> SecretTensor:
    """Return positives − negatives, at 0 fraction bits; local.

    Balanced weights are within their bound where it is at most n·(1 − 1/bound) in magnitude.
    """
    return labels.sum() * 2.0 - labels.shape[0]


def trace(kernel: SecretTensor) -> SecretTensor:
    """Return the sum of the diagonal of each square matrix, one below the other; local."""
    samples = kernel.shape[1]
    eye: NDArray[np.float64] = np.eye(samples)
    return (kernel.reshape(-1, samples, samples) * eye).sum(-1).sum(-1)
