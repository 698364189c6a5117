"""Logistic and linear regression in the primal, on batches: four network rounds a step.

For samples that outnumber the features. A step opens the weights (round 1), makes logits and from
them residuals (round 2: the periodic gate's, or linear regression's rescale), opens the residuals
(round 3), and rescales the step's sum of weights and gradient (round 4). The rows of all sites are
masked once, at input. Formulas: docs/protocol.md, "Primal".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohortium.learn.logistic import Watcher
from cohortium.learn.primal_plan import PrimalPlan, row_order
from cohortium.mpc import (
    InputRequest,
    SecretTensor,
    concatenate,
    constant,
    secret_inputs,
    weighted_sum,
)
from cohortium.mpc import Protocol as SecureProtocol
from cohortium.mpc.functions import periodic

# Prepared values (samples × features), and labels: 0/1, or for linear regression any numbers.
Rows = tuple[NDArray[np.float64], NDArray[np.float64] | NDArray[np.int64]]


@dataclass(frozen=True)
class Batch:
    """The rows of one batch: X (rows × features + 1), Xᵀ, and labels negated (rows × 1).

    The labels are at the scale that they are added at: the residuals', for linear regression the
    logits'.
    """

    values: SecretTensor
    transposed: SecretTensor
    minus_labels: SecretTensor


def share_batches(
    protocol: SecureProtocol, plan: PrimalPlan, sizes: Mapping[str, int], owned: Mapping[str, Rows]
) -> list[Batch]:
    """Return the batches of an epoch as secret tensors; one round.

    ``sizes`` is the public number of samples of each owner; ``owned`` holds the prepared values
    and labels of the owners at this party (one in a real run, all in the clear). An owner adds
    the constant feature 1 as the last column, and sends 8 bytes an element to each (other)
    computing party. Raises EncodingError at an owner whose values are beyond the stated bounds.
    """
    requests = []
    for owner, rows in sizes.items():
        values, labels = owned.get(owner, (None, None))
        if values is not None:
            values = np.column_stack([values, np.ones(len(values))])
        requests += [
            InputRequest(
                f"values of {owner}",
                owner,
                values,
                (rows, plan.features + 1),
                plan.data_bits,
                max(plan.clip, 1.0),
            ),
            InputRequest(
                f"labels of {owner}",
                owner,
                None if labels is None else np.asarray(labels, np.float64).reshape(-1, 1),
                (rows, 1),
                plan.residual_bits,
                plan.label_bound,
            ),
        ]
    tensors = secret_inputs(protocol, requests)
    # Sorted once, so that a batch is a view and not a copy.
    order = row_order(list(sizes.values()))
    values = concatenate(tensors[::2])[order]
    labels = -concatenate(tensors[1::2])[order]
    if plan.series is None:
        labels = labels.lift(plan.logit_bits - plan.residual_bits)
    batches = []
    for first, last in zip(plan.cuts[:-1], plan.cuts[1:], strict=True):
        part = values[first:last]
        batches.append(Batch(part, part.T, labels[first:last]))
    return batches


def fit_primal(
    batches: Sequence[Batch],
    plan: PrimalPlan,
    on_step: Callable[[int], None] | None = None,
) -> SecretTensor:
    """Return the weights, intercept last ((features + 1) × 1), at ``plan.weight_bits``.

    Four rounds a step, and three in the first, whose weights are public zeros. Each computing
    party sends to each other one, for B samples and d features: 8·(d + 1) bytes for the weights,
    8·B for the residuals, 8·(d + 1) for the rescale, and ⌈m/8⌉·B for the periodic gate of an
    m-bit logit (linear: 8·B). The last rescale leaves only the bits that are revealed.
    ``on_step`` is told the number of steps done.
    """
    protocol, last = batches[0].values.protocol, len(plan.rates) - 1
    zeros = np.zeros((plan.features + 1, 1))
    weights = before = constant(protocol, zeros, plan.working_bits)
    for step in range(last + 1):
        if on_step is not None and step:
            on_step(step)
        batch = batches[step % len(batches)]
        gradient = batch.transposed @ residuals(batch, weights, plan)
        coefficients = plan.coefficients(step)
        terms = [weights, before, gradient] if len(coefficients) == 3 else [weights, gradient]
        moved = weighted_sum(coefficients, terms, plan.coefficient_bits)
        moved = moved.rescale(plan.weight_bits if step == last else plan.working_bits)
        before, weights = weights, moved.with_bound(plan.parameters.weight_bound)
    if on_step is not None:
        on_step(last + 1)
    return weights


def residuals(batch: Batch, weights: SecretTensor, plan: PrimalPlan) -> SecretTensor:
    """Return σ(Xw) − y, or for linear regression Xw − y (rows × 1), at the residuals' scale.

    Two rounds: the weights are opened, masked, and the logits.
    """
    logits = batch.values.matmul(weights, bound=plan.parameters.logit_bound)
    if plan.series is None:
        return (logits + batch.minus_labels).rescale(plan.residual_bits)
    # The labels are bits, so they add nothing to how far a residual may be off.
    return (periodic(logits, plan.series) + batch.minus_labels).with_bound(1 + plan.series.error)


def train_primal(
    protocol: SecureProtocol,
    plan: PrimalPlan,
    sizes: Mapping[str, int],
    owned: Mapping[str, Rows],
    receivers: Sequence[str],
    watcher: Watcher | None = None,
) -> NDArray[np.float64] | None:
    """Return the revealed weights, intercept last ((features + 1) × 1), at the receivers.

    4·steps + 2 rounds: sharing, the steps, transcript and reveal. Revealed as "model", to which
    the ledger must agree. The protocol's parties all call this with the same plan, sizes and
    receivers; None is returned where nothing is received.
    """
    enter = watcher.phase if watcher is not None else lambda _name: None
    enter("share")
    batches = share_batches(protocol, plan, sizes, owned)
    enter("iterations")
    weights = fit_primal(batches, plan, watcher.iteration if watcher is not None else None)
    enter("reveal")
    return weights.reveal("model", receivers)
