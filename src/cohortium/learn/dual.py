"""Logistic and linear regression in the dual: two rounds an iteration, whatever the columns.

Gradient descent from w = 0 stays in the row span of X: w = κ·Xᵀu. With K = κ·X·Xᵀ computed once,
an iteration works on n numbers instead of d: open the combined point (round 1), multiply by K,
open the logits' mask for the periodic sigmoid (round 2). Several λ, and the folds of a
cross-validation, are columns of the same tensors; sample weights are folded into K. Formulas:
docs/protocol.md, "Logistic regression".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cohortium.learn.adjusting import COVARIATE_BITS, Projection, solved
from cohortium.learn.blocks import Block, Columns, FeatureBlocks
from cohortium.learn.checkpoints import Checkpoints, keep_iterations, kept_iterations
from cohortium.learn.dual_plan import CHECK_EVERY, INTERCEPT_EXPONENT, DualPlan
from cohortium.mpc import (
    InputRequest,
    SecretTensor,
    add_up,
    concatenate,
    prepare,
    weighted_sum,
)
from cohortium.mpc import Protocol as SecureProtocol
from cohortium.mpc.functions import gram

# Prepared values (samples × features); labels, 0/1 or for linear regression any numbers; and the
# samples' weights where the plan has such.
Cohort: TypeAlias = tuple[Columns, NDArray[np.int64] | NDArray[np.float64]]
WeightedCohort: TypeAlias = tuple[
    Columns, NDArray[np.int64] | NDArray[np.float64], NDArray[np.float64]
]
# As either, the covariates last.
AdjustedCohort: TypeAlias = (
    WeightedCohort
    | tuple[
        Columns,
        NDArray[np.int64] | NDArray[np.float64],
        NDArray[np.float64],
        NDArray[np.float64],
    ]
)


class SharedRows(NamedTuple):
    """The owners' values; all labels and, where owners bring such, sample weights, covariates."""

    blocks: Iterable[Block]
    labels: SecretTensor
    weights: SecretTensor | None
    covariates: SecretTensor | None = None


class Fit(NamedTuple):
    """Dual coefficients (n × columns), intercepts (1 × columns), and the logits of both.

    With covariates ``intercept`` has their weights too, above (``plan.unpenalised`` × columns).
    ``earlier_logits`` are those of some iterations before.
    """

    dual: SecretTensor
    intercept: SecretTensor
    logits: SecretTensor
    earlier_logits: Sequence[SecretTensor]


def share_cohorts(
    protocol: SecureProtocol,
    plan: DualPlan,
    sizes: Mapping[str, int],
    owned: Mapping[str, Cohort | WeightedCohort | AdjustedCohort],
) -> SharedRows:
    """Return all owners' rows as secret tensors; a round for the first block and all labels.

    ``sizes`` is the public number of samples of each owner; ``owned`` holds the prepared values
    and labels of the owners at this party (one in a real run, all in the clear).
    Each owner sends 8 bytes an element to each (other) computing party. Further blocks are shared
    when they are asked for.
    """
    parameters, loss = plan.parameters, plan.loss
    kinds = [
        ("labels", 1, loss.label_bits, loss.label_bound),
    ]
    if parameters.sample_weights:
        kinds.append(("weights", 1, plan.sample_weight_bits, parameters.weight_bound))
    if plan.adjustment is not None and plan.adjustment.covariates:
        kinds.append(("covariates", plan.adjustment.covariates, COVARIATE_BITS, 1.0))
    requests = []
    for owner, rows in sizes.items():
        for place, (kind, columns, bits, bound) in enumerate(kinds, 1):
            values = None
            if owner in owned:
                values = np.asarray(owned[owner][place], np.float64).reshape(-1, columns)
            shape = (rows, columns)
            requests.append(InputRequest(f"{kind} of {owner}", owner, values, shape, bits, bound))
    blocks = FeatureBlocks(protocol, plan, sizes, {name: own[0] for name, own in owned.items()})
    tensors = blocks.begin(requests)
    step = len(kinds)
    joined = {kind[0]: concatenate(tensors[i::step]) for i, kind in enumerate(kinds)}
    return SharedRows(blocks, joined["labels"], joined.get("weights"), joined.get("covariates"))


def gram_matrix(blocks: Iterable[Block], plan: DualPlan) -> SecretTensor:
    """Return K = κ·X·Xᵀ at ``plan.gram_bits``: one round, the rescale's, beside the blocks'."""
    rows = map(attrgetter("rows"), blocks)
    return gram(rows, fraction_bits=plan.gram_bits, exponent=-plan.kappa_exponent)


def fit_dual(
    kernel: SecretTensor,
    labels: SecretTensor,
    weights: SecretTensor | None,
    plan: DualPlan,
    on_iteration: Callable[[int], None] | None = None,
    projection: Projection | None = None,
    checkpoints: Checkpoints | None = None,
) -> Fit:
    """Return the dual coefficients; two rounds an iteration after the first, one for the logits.

    With a ``projection`` (of the covariates, for a plan that has an adjustment) two more.

    ``kernel`` (n × n, or as many as folds and one more, each below the other) is prepared, and
    holds the sample weights v already. The first residual needs no
    round: all logits are zero there. With a piecewise sigmoid an iteration takes six rounds.
    ``on_iteration`` is told the number of iterations done. With ``checkpoints`` residuals are kept
    now and then, and those that are kept need no rounds again.
    """
    loss, schedule = plan.loss, plan.schedule
    labels = labels.lift(loss.fraction_bits - loss.label_bits)
    past = _Past(kernel, weights, plan, projection)
    wide = labels + np.zeros((plan.samples, plan.columns))
    residuals: list[SecretTensor] = []
    earlier: list[SecretTensor] = []
    if checkpoints is not None:
        residuals, earlier = kept_iterations(checkpoints, kernel.protocol, plan)
    for residual in residuals or [_without_held_out(-wide + loss.at_zero, plan)]:
        past.add(residual)
    done = len(past.residuals)
    for t, coefficients in enumerate(schedule.points(done), done):
        if on_iteration is not None:
            on_iteration(t)
        point, intercept = past.combined(*coefficients)
        logits = past.logits(point, intercept)
        if t % CHECK_EVERY == 0:
            earlier.append(logits)
        past.add(_residuals(logits, wide, plan))
        if checkpoints is not None:
            keep_iterations(checkpoints, t + 1, past.residuals, earlier)
    if on_iteration is not None:
        on_iteration(plan.iterations)
    dual, intercept = past.combined(schedule.final, schedule.intercept_final)
    logits = past.logits(dual, intercept)
    return Fit(dual, past.unpenalised(intercept), logits, earlier)


def _residuals(logits: SecretTensor, labels: SecretTensor, plan: DualPlan) -> SecretTensor:
    """Return prediction − label, and zeros where a row takes no part in a column."""
    if plan.trained is None:
        return plan.loss.predict(logits) - labels
    # Predictions cost most of an iteration: none for rows that are held out.
    places = np.flatnonzero(plan.trained)
    flat = plan.loss.predict(logits.reshape(-1)[places]) - labels.reshape(-1)[places]
    return flat.scattered(places, logits.shape)


def _without_held_out(residuals: SecretTensor, plan: DualPlan) -> SecretTensor:
    return residuals if plan.trained is None else residuals * plan.trained


class _Past:
    """The residuals so far, and what follows from public combinations of them."""

    def __init__(
        self,
        kernel: SecretTensor,
        weights: SecretTensor | None,
        plan: DualPlan,
        projection: Projection | None,
    ) -> None:
        self._kernel = kernel
        self._weights = weights
        self._plan = plan
        self._projection = projection
        self.residuals: list[SecretTensor] = []
        self._sums: list[SecretTensor] = []

    def add(self, residual: SecretTensor) -> None:
        """Take the next residual."""
        self.residuals.append(residual.with_bound(self._plan.loss.residual_bound))
        if self._weights is None and self._projection is None:
            self._sums.append(self.residuals[-1].sum(0).reshape(1, self._plan.columns))

    def combined(
        self, coefficients: NDArray[np.float64], intercept_coefficients: NDArray[np.float64]
    ) -> tuple[SecretTensor, SecretTensor]:
        """Return dual coefficients (n × columns), opened, and intercepts (1 × columns); a round.

        With covariates, in place of intercepts, the coefficients of their projection, opened too.
        """
        bits = self._plan.coefficient_bits
        dual = weighted_sum(coefficients, self.residuals, bits)
        if self._projection is not None:
            rows = weighted_sum(intercept_coefficients, self.residuals, bits)
            prepare([dual, rows])
            return dual, rows
        bound = self._plan.loss.bound * 2.0**-INTERCEPT_EXPONENT
        if self._weights is None:
            total = weighted_sum(intercept_coefficients, self._sums, bits, bound=bound)
            prepare([dual])
        else:
            rows = weighted_sum(intercept_coefficients, self.residuals, bits)
            prepare([dual, rows])
            total = self._weights.T.matmul(rows, bound=bound)
        return dual, total.times_power_of_two(INTERCEPT_EXPONENT)

    def logits(self, dual: SecretTensor, intercept: SecretTensor) -> SecretTensor:
        """Return K·u + intercept, with covariates K·u + F·u'; local."""
        # Of the bound only the sum's matters: where a part wraps around, the sum wraps back.
        half = self._plan.loss.bound / 2
        product = self._times_kernel(dual, half)
        if self._projection is not None:
            intercept = self._projection.logits.matmul(intercept, bound=half)
        return (product + intercept.with_bound(half)).with_bound(2 * half)

    def _times_kernel(self, dual: SecretTensor, bound: float) -> SecretTensor:
        """Return each kernel times its columns: of several each fold has its own."""
        samples = self._plan.samples
        kernels = [
            self._kernel[start : start + samples]
            for start in range(0, self._kernel.shape[0], samples)
        ]
        if len(kernels) == 1:
            return self._kernel.matmul(dual, bound=bound)
        models = self._plan.models
        return concatenate(
            [
                kernel.matmul(dual[:, place * models : (place + 1) * models], bound=bound)
                for place, kernel in enumerate(kernels)
            ],
            axis=1,
        )

    def unpenalised(self, intercept: SecretTensor) -> SecretTensor:
        """Return the weights without penalty, intercept last; two rounds with covariates."""
        plan = self._plan
        if self._projection is None or plan.adjustment is None:
            return intercept
        rows = intercept.rescale(
            plan.adjustment.final_bits(plan.samples, intercept.bound, intercept.fraction_bits)
        )
        return solved(rows.prepare(), self._projection, plan.adjustment)


def held_out_logits(logits: SecretTensor, plan: DualPlan) -> SecretTensor:
    """Return each row's logits under the models that were trained without it (n × λ's); local.

    Rows come fold after fold.
    """
    parts = []
    for fold, rows in enumerate(plan.folds):
        columns = slice(fold * plan.models, (fold + 1) * plan.models)
        parts.append(logits[rows][:, columns])
    return concatenate(parts)


def model_weights(
    blocks: Iterable[Block],
    dual: SecretTensor,
    intercept: SecretTensor,
    weights: SecretTensor | None,
    plan: DualPlan,
    mask: SecretTensor | None = None,
) -> SecretTensor:
    """Return κ·Xᵀ(v∘u) and, below, the weights without penalty: (features + …) × columns.

    Four rounds, six with sample weights v, beside the blocks'. Rounded to the plan's weight bits,
    so that a reveal tells the model and not the lowest bits of the sums that it came from. With a
    ``mask`` (a bit for each feature, prepared) weights are exactly 0 where it is 0; a round more.
    """
    dual = dual.rescale(plan.final_bits)
    if weights is not None:
        dual = (dual * weights).rescale(plan.final_bits)
    dual = dual.prepare()
    # By map: a loop's variable would keep a block while the next one is made.
    result = concatenate(list(map(partial(block_weights, dual), blocks)))
    result = result.times_power_of_two(-plan.kappa_exponent).rescale(plan.weight_bits)
    if mask is not None:
        result = (result * mask.reshape(-1, 1)).with_bound(result.bound)
    return concatenate([result, intercept.rescale(plan.weight_bits)])


def block_weights(dual: SecretTensor, block: Block) -> SecretTensor:
    """Return Xᵀu of one block's features (features × columns); local."""
    products, start = [], 0
    for rows in block.rows:
        stop = start + rows.shape[0]
        products.append(rows.T @ dual[start:stop])
        start = stop
    return add_up(products)
