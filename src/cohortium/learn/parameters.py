"""Parameters of the estimators, with their ranges as data: one uniform sentence for each error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from cohortium.errors import ParameterError


class Interval(NamedTuple):
    """A closed range of numbers."""

    low: float
    high: float
    whole: bool = False

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.low:g} to {self.high:g}"

    def holds(self, value: object) -> bool:
        """Return whether the value is in the range."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        if self.whole and int(value) != value:
            return False
        return math.isfinite(value) and self.low <= value <= self.high


LOGISTIC_RULES = {
    "l2": Interval(0.0, 1e9),
    "iterations": Interval(1, 10_000, whole=True),
    "logit_bound": Interval(1.0, 256.0),
    "sigmoid_error": Interval(1e-6, 0.1),
}
PRIMAL_RULES = {
    "l2": Interval(0.0, 1e9),
    "steps": Interval(1, 1_000_000, whole=True),
    "batch": Interval(1, 1_000_000_000, whole=True),
    "learning_rate": Interval(1e-9, 1e3),
    "momentum": Interval(0.0, 0.999),
    "logit_bound": Interval(1.0, 256.0),
    "weight_bound": Interval(2.0**-10, 2.0**20),
    "sigmoid_error": Interval(1e-6, 0.1),
}


@dataclass(frozen=True)
class LogisticParameters:
    """Public hyper-parameters of a logistic regression.

    The loss is the mean log-loss + λ/2·‖w‖²; ``l2`` holds one λ, or several that are trained
    together in the same rounds. scikit-learn's C is 1/(n·λ). ``logit_bound`` is a statement
    that no logit will exceed it in training; ``sigmoid_error`` the largest error of the sigmoid.
    """

    l2: tuple[float, ...] = (1.0,)
    iterations: int = 100
    logit_bound: float = 32.0
    sigmoid_error: float = 2e-3
    standardised: bool = True

    def __post_init__(self) -> None:
        if not self.l2:
            raise ParameterError("l2 is empty.", remedy="Give one or more values of λ.")
        for value in self.l2:
            _check(LOGISTIC_RULES, "l2", value)
        for name in ("iterations", "logit_bound", "sigmoid_error"):
            _check(LOGISTIC_RULES, name, getattr(self, name))


@dataclass(frozen=True)
class PrimalParameters:
    """Public hyper-parameters of a logistic or linear regression by gradient descent on batches.

    The loss is the mean log-loss, or half the mean squared error, + λ/2·‖w‖²; the intercept is
    not penalised. ``batch`` is the number of samples a step, None for all; ``momentum`` is
    Polyak's (heavy ball). Two statements about the training are the caller's: no logit will
    exceed ``logit_bound`` (linear: no prediction and no label), no weight ``weight_bound``.
    """

    kind: Literal["logistic", "linear"] = "logistic"
    l2: float = 0.0
    steps: int = 100
    batch: int | None = None
    learning_rate: float = 0.1
    momentum: float = 0.0
    logit_bound: float = 32.0
    weight_bound: float = 16.0
    sigmoid_error: float = 1e-3

    def __post_init__(self) -> None:
        if self.kind not in ("logistic", "linear"):
            raise ParameterError(
                f"kind = {self.kind!r} is neither 'logistic' nor 'linear'.",
                remedy="Correct the value.",
            )
        for name in PRIMAL_RULES:
            if name != "batch" or self.batch is not None:
                _check(PRIMAL_RULES, name, getattr(self, name))
        if self.learning_rate * self.l2 >= 1:
            raise ParameterError(
                f"learning_rate · l2 = {self.learning_rate * self.l2:g} is not below 1.",
                remedy="Give a smaller learning_rate.",
            )


def _check(rules: Mapping[str, Interval], name: str, value: object) -> None:
    rule = rules[name]
    if not rule.holds(value):
        raise ParameterError(f"{name} = {value!r} is not {rule}.", remedy="Correct the value.")
