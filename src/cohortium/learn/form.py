"""Dual or primal: which form of a regression costs less, said before the run."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cohortium.errors import FixedPointOverflowError
from cohortium.learn.dual_plan import DualPlan
from cohortium.learn.parameters import DualParameters, PrimalParameters
from cohortium.learn.primal_plan import PrimalPlan, plan_primal

# What a round, a byte and a ring multiplication take, in seconds: links of 5 ms and 100 Mbit/s
# between hospitals, a core's speed. Only the order of the two forms depends on it.
_ROUND, _BYTE, _MULTIPLICATION = 5e-3, 8e-8, 2e-9


@dataclass(frozen=True)
class Cost:
    """What a training takes of a computing party: rounds, bytes to each other, multiplications."""

    rounds: int
    sent: float
    multiplications: float

    @property
    def seconds(self) -> float:
        """Seconds over links of 5 ms and 100 Mbit/s."""
        return self.rounds * _ROUND + self.sent * _BYTE + self.multiplications * _MULTIPLICATION

    def __str__(self) -> str:
        return f"{self.rounds:,} rounds, {self.sent / 1e6:.1f} MB, {self.seconds:.1f} s"


def dual_cost(plan: DualPlan) -> Cost:
    """Return what a training in the dual takes: the Gram matrix, then n numbers an iteration."""
    n, columns = plan.samples, plan.columns
    step = n * columns
    return Cost(
        2 * plan.iterations + 17,
        8.0 * (n * plan.features / 2 + 2 * n * n + 2 * plan.iterations * step),
        float(n) * n * plan.features + plan.iterations * step * (2.0 * n + 64),
    )


def primal_cost(plan: PrimalPlan) -> Cost:
    """Return what a training in the primal takes: features and batch in every step."""
    steps, width = plan.parameters.steps, plan.features + 1
    return Cost(
        4 * steps + 18,
        8.0 * (plan.samples * width / 2 + steps * 2 * (width + plan.batch)),
        steps * plan.batch * (4.0 * width + 64),
    )


def primal_instead(plan: DualPlan) -> PrimalPlan | None:
    """Return the primal's plan of the same regression where it costs less, None elsewhere.

    It takes as many steps on all samples, with the same step size and the momentum of the
    strongly convex case. The dual alone has several λ, folds, weights and piecewise sigmoids.
    """
    parameters = plan.parameters
    if plan.columns > 1 or parameters.weighted or parameters.sigmoid != "periodic":
        return None
    try:
        other = plan_primal(plan.samples, plan.features, plan.clip, as_primal(plan))
    except FixedPointOverflowError:
        return None
    return other if primal_cost(other).seconds < dual_cost(plan).seconds else None


def as_primal(plan: DualPlan) -> PrimalParameters:
    """Return the parameters in the primal of a plan in the dual, of one column."""
    parameters: DualParameters = plan.parameters
    (l2,) = parameters.l2
    mean_square = 1.0 if parameters.standardised else plan.clip**2
    rate = 1.0 / (plan.loss.curvature * (plan.features * mean_square + 1.0) + l2)
    root = math.sqrt(rate * l2)
    return PrimalParameters(
        kind=parameters.kind,
        l2=l2,
        steps=parameters.iterations,
        learning_rate=rate,
        momentum=min(0.99, ((1 - root) / (1 + root)) ** 2),
        logit_bound=parameters.logit_bound,
        sigmoid_error=parameters.sigmoid_error,
    )
