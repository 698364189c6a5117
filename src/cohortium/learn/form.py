"""Dual or primal: which form of a regression costs less, said before the run."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohortium.errors import FixedPointOverflowError
from cohortium.learn.adjusting import Adjustment
from cohortium.learn.dual_plan import DualPlan, plan_dual
from cohortium.learn.parameters import DualParameters, PrimalParameters
from cohortium.learn.primal_plan import PrimalPlan, plan_primal

# What a round, a byte and a ring multiplication take, in seconds: links of 5 ms and 100 Mbit/s
# between hospitals, a core's speed. Only the order of the two forms depends on it.
_ROUND, _BYTE, _MULTIPLICATION = 5e-3, 8e-8, 2e-9
# The primal holds all values at once, at about 100 bytes each; the dual a block of them.
_MOST_HELD = 1 << 25


@dataclass(frozen=True)
class Cost:
    """About what a training takes of a computing party: rounds, bytes to each other, products.

    Metrics are not in it: they take either form as many. ``check`` forecasts the whole run.
    """

    rounds: int
    sent: float
    multiplications: float

    @property
    def seconds(self) -> float:
        """Seconds over links of 5 ms and 100 Mbit/s."""
        return self.rounds * _ROUND + self.sent * _BYTE + self.multiplications * _MULTIPLICATION

    def __str__(self) -> str:
        return f"about {self.rounds:,} rounds, {self.sent / 1e6:.1f} MB, {self.seconds:.1f} s"


def dual_cost(plan: DualPlan) -> Cost:
    """Return what a training in the dual takes: the Gram matrix, then n numbers an iteration.

    With covariates their projection and 32 rounds more, and in an iteration n numbers more. Where
    features are selected: about 150 rounds and 650 bytes a score, and all values for each mask.
    """
    n, columns = plan.samples, plan.columns
    step, adjusted = n * columns, plan.adjustment is not None
    times = 1 if plan.keeps_blocks else 2
    masks = 0 if plan.selection is None else len(plan.folds) + 1
    selecting = masks * plan.features * (650.0 + 8.0 * n)
    opened = 2 * (1 + adjusted) * n * n + (2 + adjusted) * plan.iterations * step
    return Cost(
        2 * plan.iterations + 16 + times * len(plan.blocks) + 32 * adjusted + 150 * (masks > 0),
        8.0 * (times * n * plan.features / 2 + opened) + selecting,
        float(n) * n * ((masks or 1) * plan.features + adjusted * plan.unpenalised)
        + plan.iterations * step * (2.0 * (1 + adjusted) * n + 64),
    )


def primal_cost(plan: PrimalPlan) -> Cost:
    """Return what a training in the primal takes: features and batch in every step."""
    steps, width = plan.parameters.steps, plan.features + 1
    return Cost(
        plan.rounds + 13,
        8.0 * (plan.samples * width / 2 + steps * 2 * (width + plan.batch)),
        steps * plan.batch * (4.0 * width + 64),
    )


def cheaper(
    samples: int,
    features: int,
    clip: float,
    parameters: DualParameters,
    assignment: NDArray[np.int64] | None = None,
    adjustment: Adjustment | None = None,
) -> tuple[DualPlan | PrimalPlan, str]:
    """Return the plan of the form that costs less, of those that fit, and the prediction in words.

    The dual alone has several λ, folds, weights, piecewise sigmoids and covariates, and memory that
    does not grow with the features: where it fits, more values than 2^25 are its. Raises
    FixedPointOverflowError where neither form fits.
    """
    dual: DualPlan | None = None
    refusal: FixedPointOverflowError | None = None
    try:
        dual = plan_dual(samples, features, clip, parameters, assignment, adjustment)
    except FixedPointOverflowError as error:
        refusal = error
    primal = None
    alone = assignment is not None or adjustment is not None or len(parameters.l2) > 1
    if not alone and _plain(parameters):
        with contextlib.suppress(FixedPointOverflowError):
            primal = plan_primal(samples, features, clip, as_primal(features, clip, parameters))
    if primal is not None:
        cost = primal_cost(primal)
        if dual is None:
            return primal, f"primal ({cost} predicted)"
        held = samples * features <= _MOST_HELD
        if held and cost.seconds < dual_cost(dual).seconds:
            return primal, f"primal ({cost} predicted; dual {dual_cost(dual)})"
    if dual is None:
        raise refusal or FixedPointOverflowError("Neither form of the training fits.")
    return dual, f"dual ({dual_cost(dual)} predicted)"


def _plain(parameters: DualParameters) -> bool:
    return not parameters.weighted and parameters.sigmoid == "periodic"


def as_primal(features: int, clip: float, parameters: DualParameters) -> PrimalParameters:
    """Return the primal's parameters of the same regression, of one λ.

    As many steps on all samples, with the same step size and the momentum of the strongly convex
    case.
    """
    (l2,) = parameters.l2
    mean_square = clip**2 if parameters.mean_square is None else parameters.mean_square
    curvature = 0.25 if parameters.kind == "logistic" else 1.0
    rate = 1.0 / (curvature * (features * mean_square + 1.0) + l2)
    root = math.sqrt(rate * l2)
    return PrimalParameters(
        kind=parameters.kind,
        l2=l2,
        steps=parameters.iterations,
        learning_rate=rate,
        momentum=min(0.99, ((1 - root) / (1 + root)) ** 2),
        logit_bound=parameters.logit_bound,
        weight_bound=largest_weight(parameters.kind, parameters.logit_bound),
        sigmoid_error=parameters.sigmoid_error,
    )


def largest_weight(kind: str, logit_bound: float) -> float:
    """Return the bound on weights of the primal: an intercept may be as large as labels are."""
    return 16.0 if kind == "logistic" else max(16.0, logit_bound)
