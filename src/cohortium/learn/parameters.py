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
        if not math.isfinite(value) or (self.whole and int(value) != value):
            return False
        return self.low <= value <= self.high


DUAL_RULES = {
    "l2": Interval(0.0, 1e9),
    "iterations": Interval(1, 10_000, whole=True),
    "logit_bound": Interval(1.0, 256.0),
    "sigmoid_error": Interval(1e-6, 0.1),
    "class_weight": Interval(0.0, 1000.0),
    "weight_bound": Interval(1.0, 1000.0),
}
# Of raw values that are standardised in secret: of larger ones a weight would be too small for its
# unit. The study file's [preparation] has it.
_POOLED_RULES = {"value_bound": Interval(1.0, 1024.0)}
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
class DualParameters:
    """Public hyper-parameters of a logistic or linear regression by Nesterov's method in the dual.

    The loss is the mean over samples of weight × (log-loss, or half the squared error),
    + λ/2·‖w‖²; ``l2`` holds one λ, or several that are trained together in the same rounds.
    scikit-learn's C is 1/(n·λ). ``sigmoid`` names the sigmoid's approximation; ``sigmoid_error``
    is the largest error of the periodic one.

    ``class_weight`` is None, "balanced" (n / (2·class count), from secret counts), or the weights
    of the classes 0 and 1. Statements of the caller, checked at the end of the training: no logit
    (linear: no prediction and no label) exceeds ``logit_bound``, no weight of a class or of a
    sample ``weight_bound``. ``sample_weights`` says that each owner brings its samples' weights.
    ``mean_square`` is the most that a feature's mean square can be, None where the bound on values
    is all there is: 1 of standardised features, 2 of allele counts standardised by frequency.
    With ``value_bound`` the owners bring raw values up to that, which are standardised by the means
    and variances of all samples together, in secret; the model is then for raw values. With
    ``allele_counts`` these are from 0 to 2, and the variance is that of their mean's frequency.
    """

    kind: Literal["logistic", "linear"] = "logistic"
    l2: tuple[float, ...] = (1.0,)
    iterations: int = 100
    logit_bound: float = 32.0
    sigmoid: str = "periodic"
    sigmoid_error: float = 2e-3
    class_weight: Literal["balanced"] | tuple[float, float] | None = None
    sample_weights: bool = False
    weight_bound: float = 10.0
    mean_square: float | None = 1.0
    value_bound: float | None = None
    allele_counts: bool = False

    def __post_init__(self) -> None:
        _check_kind(self.kind)
        if self.value_bound is not None:
            _check(_POOLED_RULES, "value_bound", self.value_bound)
            if self.weighted:
                raise ParameterError(
                    "Weights and standardisation by secret pooled moments are not there together.",
                    remedy="Leave the weights out, or standardise before.",
                )
        if not self.l2:
            raise ParameterError("l2 is empty.", remedy="Give one or more values of λ.")
        for value in self.l2:
            _check(DUAL_RULES, "l2", value)
        for name in ("iterations", "logit_bound", "sigmoid_error", "weight_bound"):
            _check(DUAL_RULES, name, getattr(self, name))
        if self.kind == "linear" and self.class_weight is not None:
            raise ParameterError(
                "A linear regression has no classes, so no class_weight.",
                remedy="Leave class_weight out.",
            )
        if isinstance(self.class_weight, tuple):
            for value in self.class_weight:
                _check(DUAL_RULES, "class_weight", value)
            if len(self.class_weight) != 2 or max(self.class_weight) > self.weight_bound:
                raise ParameterError(
                    f"class_weight = {self.class_weight} is not two weights up to weight_bound "
                    f"({self.weight_bound:g}).",
                    remedy="Correct the weights, or state a larger weight_bound.",
                )

    @property
    def weighted(self) -> bool:
        """Whether samples have weights."""
        return self.class_weight is not None or self.sample_weights

    @property
    def most_weight(self) -> float:
        """How large a sample's weight may be: its class's times its own."""
        return self.weight_bound ** ((self.class_weight is not None) + self.sample_weights)


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
        _check_kind(self.kind)
        for name in PRIMAL_RULES:
            if name != "batch" or self.batch is not None:
                _check(PRIMAL_RULES, name, getattr(self, name))
        if self.learning_rate * self.l2 >= 1:
            raise ParameterError(
                f"learning_rate · l2 = {self.learning_rate * self.l2:g} is not below 1.",
                remedy="Give a smaller learning_rate.",
            )


def _check_kind(kind: str) -> None:
    if kind not in ("logistic", "linear"):
        raise ParameterError(
            f"kind = {kind!r} is neither 'logistic' nor 'linear'.", remedy="Correct the value."
        )


def _check(rules: Mapping[str, Interval], name: str, value: object) -> None:
    rule = rules[name]
    if not rule.holds(value):
        raise ParameterError(f"{name} = {value!r} is not {rule}.", remedy="Correct the value.")
