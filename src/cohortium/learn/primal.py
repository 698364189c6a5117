"""Logistic and linear regression in the primal, on batches: three or four network rounds a step.

For samples that outnumber the features. A step opens the weights (round 1), makes logits and from
them residuals (round 2: the periodic gate's, or linear regression's rescale), opens the residuals
(round 3), and rescales the step's sum of weights and gradient (round 4) unless the plan has room
to add them as they are. The rows of all sites are masked once, at input. Formulas:
docs/protocol.md, "Primal".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cohortium.learn.blocks import Columns
from cohortium.learn.guard import BOUNDS, check
from cohortium.learn.primal_plan import PrimalPlan, row_order
from cohortium.learn.watching import Watcher
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
Rows: TypeAlias = tuple[Columns, NDArray[np.float64] | NDArray[np.int64]]


class Batch(NamedTuple):
    """One batch's scaled rows X (rows × features + 1), η/(B·σ²)·Xᵀ, and labels (rows × 1)."""

    values: SecretTensor
    stepping: SecretTensor
    labels: SecretTensor


class Batches:
    """The secret rows of all owners, in an order that mixes them, cut into batches."""

    def __init__(self, values: SecretTensor, labels: SecretTensor, plan: PrimalPlan) -> None:
        # The first rows follow the last ones once more, so that every batch is one slice: a view.
        again = np.arange(plan.samples + plan.batch - 1) % plan.samples
        self._plan = plan
        self._values, self._labels = values[again], labels[again]
        self._made: dict[int, Batch] = {}
        self.protocol = values.protocol

    def rows(self, count: int) -> SecretTensor:
        """Return the first so many scaled rows; local."""
        return self._values[:count]

    def of(self, step: int) -> Batch:
        """Return the batch of a step; local."""
        first = self._plan.start(step)
        if first not in self._made:
            rows = slice(first, first + self._plan.batch)
            values = self._values[rows]
            stepping = values.T.times_power_of_two(-self._plan.step_exponent)
            self._made[first] = Batch(values, stepping, self._labels[rows])
        return self._made[first]


def share_rows(
    protocol: SecureProtocol, plan: PrimalPlan, sizes: Mapping[str, int], owned: Mapping[str, Rows]
) -> Batches:
    """Return all owners' rows as secret tensors; one round.

    ``sizes`` is the public number of samples of each owner; ``owned`` holds the prepared values
    and labels of the owners at this party (one in a real run, all in the clear). An owner scales
    its values, adds the constant feature as the last column, and sends 8 bytes an element to each
    (other) computing party. Raises EncodingError at an owner whose values are beyond the bounds.
    """
    requests = []
    for owner, rows in sizes.items():
        values, labels = owned.get(owner, (None, None))
        scaled = None
        if values is not None:
            prepared = values[:, :]
            constant_feature = np.full((len(prepared), 1), plan.constant_feature)
            scaled = np.hstack([plan.scale * prepared, constant_feature])
        logistic = plan.series is not None
        requests += [
            InputRequest(
                f"values of {owner}",
                owner,
                scaled,
                (rows, plan.features + 1),
                plan.data_bits,
                # The constant feature was rounded, perhaps up.
                plan.data_bound + 2.0**-plan.data_bits,
            ),
            InputRequest(
                f"labels of {owner}",
                owner,
                None if labels is None else np.asarray(labels, np.float64).reshape(-1, 1),
                (rows, 1),
                plan.residual_bits if logistic else plan.logit_bits,
                1.0 if logistic else plan.parameters.logit_bound,
            ),
        ]
    tensors = secret_inputs(protocol, requests)
    order = row_order(list(sizes.values()))
    return Batches(concatenate(tensors[::2])[order], concatenate(tensors[1::2])[order], plan)


def fit_primal(
    batches: Batches, plan: PrimalPlan, on_step: Callable[[int], None] | None = None
) -> SecretTensor:
    """Return the scaled weights, intercept last ((features + 1) × 1), at ``plan.weight_bits``.

    ``plan.rounds`` in all: three a step and one for a rescale, at each step or the last; one less
    in the first, whose weights are public zeros. Each computing party sends to each other one, for
    B samples and d features: 8·(d + 1) bytes for the weights, 8·B for the residuals, 8·(d + 1) for
    a rescale, and ⌈m/8⌉·B for the periodic gate of an m-bit logit (linear: 8·B). The last rescale
    leaves only the bits that are revealed.
    ``on_step`` is told the number of steps done.
    """
    largest = plan.parameters.weight_bound / plan.scale
    zeros = np.zeros((plan.features + 1, 1))
    weights = before = constant(batches.protocol, zeros, plan.working_bits).with_bound(largest)
    for step in range(1, plan.parameters.steps + 1):
        batch = batches.of(step - 1)
        change = batch.stepping @ residuals(batch, weights, plan)
        kept = weights
        if plan.carried is not None:
            terms = [weights, before][: len(plan.carried)]
            kept = weighted_sum(plan.carried, terms, plan.coefficient_bits)
        moved = kept - change
        last = step == plan.parameters.steps
        moved = moved.rescale(plan.weight_bits if last else plan.working_bits)
        before, weights = weights, moved.with_bound(largest)
        if on_step is not None:
            on_step(step)
    return weights


def residuals(batch: Batch, weights: SecretTensor, plan: PrimalPlan) -> SecretTensor:
    """Return σ(Xw) − y, or for linear regression Xw − y (rows × 1), at the residuals' scale.

    Two rounds: the weights are opened, masked, and the logits.
    """
    logits = batch.values.matmul(weights, bound=plan.parameters.logit_bound)
    if plan.series is None:
        return (logits - batch.labels).rescale(plan.residual_bits)
    # The labels are bits, so they add nothing to how far a residual may be off.
    return (periodic(logits, plan.series) - batch.labels).with_bound(1 + plan.series.error)


def train_primal(
    protocol: SecureProtocol,
    plan: PrimalPlan,
    sizes: Mapping[str, int],
    owned: Mapping[str, Rows],
    disclosures: Mapping[str, Sequence[str]],
    watcher: Watcher | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Return what is revealed to this party, by name: "bounds" and "model".

    The model is (features + 1) × 1, intercept last. ``disclosures`` says who receives what; the
    ledger must list it too. ``plan.rounds`` + 13: sharing, the steps, the check of the stated
    bounds, the reveals. The protocol's parties all call this with the same arguments, ``owned``
    apart. Raises BoundError at those who are told that a bound did not hold: no logit of all rows
    under the final weights, and no such weight, may exceed what was stated.
    """
    enter = watcher.phase if watcher is not None else lambda _name: None
    enter("share")
    batches = share_rows(protocol, plan, sizes, owned)
    enter("iterations")
    weights = fit_primal(batches, plan, watcher.iteration if watcher is not None else None)
    enter("check")
    parameters = plan.parameters
    logits = batches.rows(plan.samples).matmul(weights, bound=parameters.logit_bound)
    statements = {
        f"no logit exceeds logit_bound = {parameters.logit_bound:g}": (
            logits,
            parameters.logit_bound,
        ),
        f"no weight exceeds weight_bound = {parameters.weight_bound:g}": (
            weights,
            parameters.weight_bound / plan.scale,
        ),
    }
    received = {BOUNDS: check(statements, disclosures[BOUNDS])}
    if "model" in disclosures:
        enter("reveal")
        revealed = weights.reveal("model", disclosures["model"])
        received["model"] = None if revealed is None else plan.unscaled(revealed)
    return {name: values for name, values in received.items() if values is not None}
