"""Logistic regression in the dual: two network rounds an iteration, whatever the columns.

Gradient descent from w = 0 stays in the row span of X: w = κ·Xᵀu. With K = κ·X·Xᵀ computed once,
an iteration works on n numbers instead of d: open the combined point (round 1), multiply by K,
open the logits' mask for the periodic sigmoid (round 2). Several λ are columns of the same
tensors. Formulas: docs/protocol.md, "Logistic regression".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cohortium.learn.plan import INTERCEPT_EXPONENT, DualPlan
from cohortium.mpc import (
    InputRequest,
    SecretTensor,
    concatenate,
    secret_inputs,
    weighted_sum,
)
from cohortium.mpc import Protocol as SecureProtocol
from cohortium.mpc.functions import gram, periodic

# Prepared values (samples × features) and 0/1 labels.
Cohort: TypeAlias = tuple[NDArray[np.float64], NDArray[np.int64]]


def share_cohorts(
    protocol: SecureProtocol,
    plan: DualPlan,
    sizes: Mapping[str, int],
    owned: Mapping[str, Cohort],
) -> tuple[list[SecretTensor], SecretTensor]:
    """Return each owner's rows, and all labels (n × 1), as secret tensors; one round.

    ``sizes`` is the public number of samples of each owner; ``owned`` holds the prepared values
    and 0/1 labels of the owners at this party (one in a real run, all in the clear).
    Each owner sends 8 bytes an element to each (other) computing party.
    """
    requests = []
    for owner, rows in sizes.items():
        values, labels = owned.get(owner, (None, None))
        requests += [
            InputRequest(
                f"values of {owner}",
                owner,
                values,
                (rows, plan.features),
                plan.data_bits,
                plan.clip,
            ),
            InputRequest(
                f"labels of {owner}",
                owner,
                None if labels is None else np.asarray(labels, np.float64).reshape(-1, 1),
                (rows, 1),
                plan.residual_bits,
                1.0,
            ),
        ]
    tensors = secret_inputs(protocol, requests)
    return tensors[::2], concatenate(tensors[1::2])


def gram_matrix(blocks: Sequence[SecretTensor], plan: DualPlan) -> SecretTensor:
    """Return K = κ·(X·Xᵀ + β²), ready for products: two rounds, one of them the rescale's.

    β² is the square of the constant feature that carries the intercept.
    """
    kernel = gram(blocks, fraction_bits=plan.gram_bits, exponent=-plan.kappa_exponent)
    return (kernel + 2.0**INTERCEPT_EXPONENT).prepare()


def fit_dual(
    kernel: SecretTensor,
    labels: SecretTensor,
    plan: DualPlan,
    on_iteration: Callable[[int], None] | None = None,
) -> SecretTensor:
    """Return the dual coefficients u (n × columns); two rounds an iteration after the first.

    The first residual needs no round: all logits are zero there. ``on_iteration`` is told the
    number of iterations done.
    """
    largest = 1.0 + plan.series.error
    residuals = [(np.full((plan.samples, plan.columns), 0.5) - labels).with_bound(largest)]
    for t in range(1, plan.iterations):
        if on_iteration is not None:
            on_iteration(t)
        point = weighted_sum(plan.schedule.points[t][:t], residuals, plan.coefficient_bits)
        logits = kernel.matmul(point, bound=plan.logit_bound)
        residuals.append((periodic(logits, plan.series) - labels).with_bound(largest))
    if on_iteration is not None:
        on_iteration(plan.iterations)
    return weighted_sum(plan.schedule.final, residuals, plan.coefficient_bits)


def model_weights(
    blocks: Sequence[SecretTensor], dual: SecretTensor, plan: DualPlan
) -> SecretTensor:
    """Return κ·Xᵀu and, as the last row, the intercept: (features + 1) × columns; three rounds.

    Rounded to the plan's weight bits, so that a reveal tells the model and not the lowest bits
    of the sums that it came from.
    """
    dual = dual.rescale(plan.final_bits).prepare()
    products, start = [], 0
    for block in blocks:
        rows = block.shape[0]
        products.append(block.T @ dual[start : start + rows])
        start += rows
    total = products[0]
    for product in products[1:]:
        total = total + product
    weights = total.times_power_of_two(-plan.kappa_exponent)
    # The constant feature is √β² for every sample, and its weight meets it again in prediction.
    intercept = dual.sum(0).reshape(1, plan.columns).times_power_of_two(INTERCEPT_EXPONENT)
    return concatenate([weights, intercept]).rescale(plan.weight_bits)


class Watcher(Protocol):
    """Is told how a training gets on; for progress bars and timings."""

    def phase(self, name: str) -> None:
        """Take note that the named phase begins."""

    def iteration(self, done: int) -> None:
        """Take note that so many iterations are done."""


def train(
    protocol: SecureProtocol,
    plan: DualPlan,
    sizes: Mapping[str, int],
    owned: Mapping[str, Cohort],
    receivers: Sequence[str],
    watcher: Watcher | None = None,
) -> NDArray[np.float64] | None:
    """Return the revealed weights, intercept last ((features + 1) × columns), at the receivers.

    It is revealed as "model", to which the ledger must agree. The protocol's parties all call
    this with the same plan, sizes and receivers; None is returned where nothing is received.
    """
    enter = watcher.phase if watcher is not None else lambda _name: None
    enter("share")
    blocks, labels = share_cohorts(protocol, plan, sizes, owned)
    enter("Gram matrix")
    kernel = gram_matrix(blocks, plan)
    enter("iterations")
    on_iteration = watcher.iteration if watcher is not None else None
    dual = fit_dual(kernel, labels, plan, on_iteration)
    enter("reveal")
    return model_weights(blocks, dual, plan).reveal("model", receivers)
