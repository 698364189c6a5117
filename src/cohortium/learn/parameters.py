"""Parameters of the estimators, with their ranges as data: one uniform sentence for each error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

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
            _check("l2", value)
        for name in ("iterations", "logit_bound", "sigmoid_error"):
            _check(name, getattr(self, name))


def _check(name: str, value: object) -> None:
    rule = LOGISTIC_RULES[name]
    if not rule.holds(value):
        raise ParameterError(f"{name} = {value!r} is not {rule}.", remedy="Correct the value.")
