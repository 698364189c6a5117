"""How good held-out predictions are, computed on secret scores and labels.

Metrics are worked out for each fold and averaged, as scikit-learn's ``cross_val_score`` does. No
score, label or class count is opened; only what the caller reveals of the results is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from cohortium.errors import ParameterError
from cohortium.learn.guard import between
from cohortium.learn.ranking import bracketed_pairs, counts_below, fold_sums, ordered_pairs
from cohortium.mpc import SecretTensor, concatenate, weighted_sum
from cohortium.mpc.functions import reciprocal, sigmoid, softplus, table
from cohortium.mpc.functions.table import MOST_PLACES
from cohortium.mpc.tensor import PUBLIC_FRACTION_BITS
from cohortium.ring.fixed import VALUE_BITS

T = TypeVar("T")
# Results are rounded: the lowest bits of a mean would tell more of its terms than the mean.
RESULT_BITS = 16
_COUNT_BITS = 42
_SCORE_BITS = 20
_LARGE_FOLD_BITS = 12
_WEIGHT_BITS = 30
# Of linear regression's squares: predictions and labels up to 256, 20,000 of them, fit.
_SQUARE_BITS = 14
# R² takes for granted that a fold's labels have at least this variance.
LEAST_VARIANCE = 2.0**-6
_VARY = f"the labels of every fold have a variance of {LEAST_VARIANCE:g} or more (for r2)"
# What to do where a statement of an evaluation did not hold, by its words.
REMEDIES = {
    _VARY: "Give the labels in a smaller unit at every site (so that they vary more), take fewer "
    "folds, or reveal mse instead of r2.",
}


class _Once(Generic[T]):
    """A property that is worked out once for each object.

    functools.cached_property holds one lock for all objects of a class before Python 3.12, and
    parties that are threads of one process would wait for each other.
    """

    def __init__(self, function: Callable[[Any], T]) -> None:
        self._function = function

    def __get__(self, owner: Evaluation, _kind: type) -> T:
        name = self._function.__name__
        if name not in owner.shared:
            owner.shared[name] = self._function(owner)
        result: T = owner.shared[name]
        return result


class Evaluation:
    """Held-out logits (n × models) and labels (n × 1) of all folds, and what metrics share.

    Rows come fold after fold, ``sizes`` of them. Labels are 0/1 at 0 fraction bits (for mse and r2
    any numbers at any). ``error`` is that of logarithms and probabilities.
    """

    def __init__(
        self,
        logits: SecretTensor,
        labels: SecretTensor,
        sizes: Sequence[int],
        *,
        error: float = 2e-3,
    ) -> None:
        self._logits = logits
        self._labels = labels
        self._sizes = np.asarray(sizes)
        self._error = error
        self.shared: dict[str, Any] = {}

    def metrics(self, names: Sequence[str]) -> dict[str, SecretTensor]:
        """Return the named metrics; as ``evaluate``."""
        for name in names:
            if name not in METRICS:
                raise ParameterError(
                    f"There is no metric {name!r}.", remedy=f"Choose of {', '.join(METRICS)}."
                )
        return {name: METRICS[name](self) for name in names}

    def statements(self, names: Sequence[str]) -> dict[str, tuple[SecretTensor, float]]:
        """Return what the named metrics take for granted, in words, as ``guard.check`` wants it.

        Nothing of them may be revealed before it was checked. Nothing to compute where the metrics
        were worked out before.
        """
        if "r2" not in names:
            return {}
        return {_VARY: between(self._variance, LEAST_VARIANCE, 4 * self._labels.bound**2)}

    # -- metrics of two classes, each (models,) ------------------------------------------------

    def accuracy(self) -> SecretTensor:
        """Return the share of samples on the right side of 0; off by 2^-15, as all counts."""
        negative, positive = self._below
        return self._mean_of_sums(negative - positive + self._positives)

    def sensitivity(self) -> SecretTensor:
        """Return the share of positives above 0; 0 in a fold without positives."""
        return self._mean((-self._below[1] + self._positives) * self._inverses[0])

    def specificity(self) -> SecretTensor:
        """Return the share of negatives not above 0; 0 in a fold without negatives."""
        return self._mean(self._below[0] * self._inverses[1])

    def balanced_accuracy(self) -> SecretTensor:
        """Return the mean of sensitivity and specificity."""
        both = self.sensitivity() + self.specificity()
        return both.times_power_of_two(-1).rescale(RESULT_BITS)

    def log_loss(self) -> SecretTensor:
        """Return the mean of ln(1 + exp(z)) − y·z, off by at most ``error`` + 2^-15."""
        score = self._rounded
        loss = softplus(score, error=self._error).rescale(_SCORE_BITS)
        return self._mean_of_sums(self._fold_sums(loss - score * self._labels))

    def brier(self) -> SecretTensor:
        """Return the mean of (σ(z) − y)², off by at most 2·``error`` + 2^-15."""
        residual = sigmoid(self._rounded, error=self._error).rescale(_SCORE_BITS) - self._labels
        residual = residual.with_bound(1 + self._error + 2.0**-_SCORE_BITS)
        return self._mean_of_sums(self._fold_sums(residual * residual))

    def auc(self) -> SecretTensor:
        """Return the area under the ROC curve, ties counting half; ½ where a class is absent.

        Folds of at most 1,000 rows.
        """
        pairs = ordered_pairs(self._logits, self._labels, self._sizes)
        _, _, inverse, half = self._inverses
        most = float(self._sizes.max())
        share = pairs.with_bound(most**2) * inverse
        return self._mean(share.with_bound(1 + most) - half)

    def auc_bounds(self) -> SecretTensor:
        """Return a lower and an upper bound of the AUC, 2 × models; 0 where a class is absent."""
        bounds = bracketed_pairs(self._logits, self._labels, self._sizes)
        most = float(self._sizes.max()) ** 2 / 4
        shares = [self._mean(self._of_pairs(pairs.with_bound(most))) for pairs in bounds]
        return concatenate([share.reshape(1, -1) for share in shares])

    # -- metrics of numbers --------------------------------------------------------------------

    def mse(self) -> SecretTensor:
        """Return the mean squared error; predictions and labels are rounded to 2^-14 first."""
        return self._mean_of_sums(self._squared_errors)

    def r2(self) -> SecretTensor:
        """Return 1 − Σ(y − z)² / Σ(y − ȳ)²; off by at most 2·10^-3 of 1 − R².

        A statement of it: the labels of every fold have a variance of 1/64 or more.
        """
        most = 4 * self._labels.bound**2
        inverse = reciprocal(self._variance.with_bound(most), LEAST_VARIANCE, most)
        ratio = self._row_mean(self._squared_errors) * inverse.rescale(_SCORE_BITS)
        weights = np.full(len(self._sizes), 1.0 / len(self._sizes))
        return self._combined(-ratio.rescale(_SCORE_BITS) + 1.0, weights)

    # -- what they share -----------------------------------------------------------------------

    @_Once
    def _positives(self) -> SecretTensor:
        """The number of positives in each fold, folds × 1; local."""
        return self._fold_sums(self._labels)

    @_Once
    def _below(self) -> tuple[SecretTensor, SecretTensor]:
        """How many negatives and positives have scores not above 0: folds × models."""
        # z ≤ 0 is z < one unit of the last place.
        cut = 2.0**-self._logits.fraction_bits
        negative, positive = counts_below(self._logits, self._labels, [cut], self._sizes)
        return negative[0], positive[0]

    @_Once
    def _inverses(self) -> Sequence[SecretTensor]:
        """1/n₊ and 1/n₋ of each fold (folds × 1), 0 for a class of none; for folds below 4,096
        rows also 1/(n₊·n₋) and (n₊ − 1)/(2·n₋), or 0 and −½. One round, or 14 for larger folds.
        """
        most = int(self._sizes.max())
        if most >= MOST_PLACES:
            rows = np.asarray(self._sizes, np.float64).reshape(-1, 1)
            counts = concatenate([self._positives, rows - self._positives]).with_bound(most)
            inverse = reciprocal(counts, 1, most).rescale(_WEIGHT_BITS)
            return [inverse[: len(rows)], inverse[len(rows) :]]
        kinds, places = np.unique(self._sizes, return_inverse=True)
        entries = np.concatenate([_inverses(int(size), most) for size in kinds])
        found = table(self._positives, entries, _COUNT_BITS)
        largest = np.abs(entries).reshape(len(kinds), 4, -1).max((0, 2))
        return [
            concatenate(
                [found[4 * kind + index, fold : fold + 1] for fold, kind in enumerate(places)]
            ).with_bound(float(largest[index]))
            for index in range(4)
        ]

    def _of_pairs(self, pairs: SecretTensor) -> SecretTensor:
        """Return pairs / (n₊·n₋), folds × models."""
        if len(self._inverses) == 4:
            return pairs * self._inverses[2]
        part = (pairs * self._inverses[0]).rescale(_LARGE_FOLD_BITS)
        return part.with_bound(float(self._sizes.max())) * self._inverses[1]

    @_Once
    def _rounded(self) -> SecretTensor:
        return self._logits.rescale(_SCORE_BITS)

    @_Once
    def _squared_errors(self) -> SecretTensor:
        error = self._logits.rescale(_SQUARE_BITS) - self._labels.rescale(_SQUARE_BITS)
        return self._fold_sums(error * error)

    @_Once
    def _variance(self) -> SecretTensor:
        """The variance of each fold's labels, folds × 1 at 14 fraction bits."""
        y = self._labels.rescale(_SQUARE_BITS)
        mean = self._row_mean(self._fold_sums(y)).with_bound(y.bound)
        # About the mean, as the difference of two large numbers would be rounding.
        deviation = y - mean[np.repeat(np.arange(len(self._sizes)), self._sizes)]
        return self._row_mean(self._fold_sums(deviation * deviation))

    def _fold_sums(self, values: SecretTensor) -> SecretTensor:
        return fold_sums(values, self._sizes)

    def _row_mean(self, sums: SecretTensor) -> SecretTensor:
        """Return each fold's sum divided by its rows, folds × columns at 14 fraction bits."""
        # Inverses about 1, of which the encoding keeps 16 bits or more.
        up = int(self._sizes.max()).bit_length()
        factors = (2.0**up / self._sizes).reshape(-1, 1)
        largest = math.ceil(math.log2(max(1.0, sums.bound * float(factors.max()))))
        room = VALUE_BITS - 1 - PUBLIC_FRACTION_BITS - largest
        short = sums.rescale(min(sums.fraction_bits, _SCORE_BITS, room))
        return (short * factors).times_power_of_two(-up).rescale(_SQUARE_BITS)

    def _mean_of_sums(self, sums: SecretTensor) -> SecretTensor:
        """Return the mean over folds of the mean over rows, from the folds' sums."""
        return self._combined(sums, 1.0 / (self._sizes * len(self._sizes)))

    def _mean(self, values: SecretTensor) -> SecretTensor:
        """Return the mean over folds of shares (0 to 1) by fold."""
        weights = np.full(len(self._sizes), 1.0 / len(self._sizes))
        return self._combined(values.with_bound(1.0), weights)

    def _combined(self, values: SecretTensor, weights: np.ndarray[Any, Any]) -> SecretTensor:
        rounded = values.rescale(min(values.fraction_bits, _SCORE_BITS))
        rows = [rounded[fold] for fold in range(len(self._sizes))]
        room = 60 - rounded.fraction_bits - math.ceil(math.log2(max(1.0, rounded.bound)))
        return weighted_sum(weights, rows, min(_WEIGHT_BITS, room)).rescale(RESULT_BITS)


def _inverses(size: int, most: int) -> np.ndarray[Any, Any]:
    """Return the four tables of a fold's size, up to ``most`` positives."""
    positive = np.arange(most + 1.0)
    negative = np.maximum(size - positive, 0)
    both = np.minimum(positive, negative) > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack(
            [
                np.where(positive > 0, 1 / positive, 0),
                np.where(negative > 0, 1 / negative, 0),
                np.where(both, 1 / (positive * negative), 0),
                np.where(both, (positive - 1) / (2 * negative), -0.5),
            ]
        )


METRICS: dict[str, Callable[[Evaluation], SecretTensor]] = {
    "accuracy": Evaluation.accuracy,
    "balanced_accuracy": Evaluation.balanced_accuracy,
    "sensitivity": Evaluation.sensitivity,
    "specificity": Evaluation.specificity,
    "log_loss": Evaluation.log_loss,
    "brier": Evaluation.brier,
    "auc": Evaluation.auc,
    "auc_bounds": Evaluation.auc_bounds,
    "mse": Evaluation.mse,
    "r2": Evaluation.r2,
}
SMALLER_IS_BETTER = ("log_loss", "brier", "mse")
LINEAR_METRICS = ("mse", "r2")


def evaluate(
    logits: SecretTensor,
    labels: SecretTensor,
    sizes: Sequence[int],
    names: Sequence[str],
) -> dict[str, SecretTensor]:
    """Return the named metrics, each (models,) at 16 fraction bits, ``auc_bounds`` 2 × models.

    Rounds do not depend on the numbers of folds and models. Raises ParameterError for a name that
    is none of METRICS.
    """
    return Evaluation(logits, labels, sizes).metrics(names)
