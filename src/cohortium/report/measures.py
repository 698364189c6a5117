"""What follows from the numbers that were revealed: the best λ, an ROC curve, a confusion table.

Only from those: where a study lists no calibration counts there is no curve. Counts come by tenths
of the predicted probability, so a curve is known at nine cuts, and between two of them it lies
somewhere in a rectangle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NORMAL_95 = 1.959964


@dataclass(frozen=True)
class Metric:
    """A metric in words; of ``chance`` is what a model that knows nothing has, where that is one
    number."""

    title: str
    meaning: str
    larger_is_better: bool = True
    chance: float | None = None


METRICS: Mapping[str, Metric] = {
    "auc": Metric(
        "AUC",
        "probability that a positive sample scores above a negative one; 0.5 is chance",
        chance=0.5,
    ),
    "balanced_accuracy": Metric(
        "Balanced accuracy", "mean of sensitivity and specificity; 0.5 is chance", chance=0.5
    ),
    "accuracy": Metric("Accuracy", "share of samples told right at a probability of 0.5"),
    "log_loss": Metric(
        "Log-loss", "mean of −ln(probability given to the true class); smaller is better", False
    ),
    "brier": Metric(
        "Brier score", "mean squared error of the probability; smaller is better", False
    ),
    "r2": Metric("R²", "share of the labels' variance that is explained; 1 is perfect, 0 the mean"),
    "mse": Metric("MSE", "mean squared error; smaller is better", False),
    "sensitivity": Metric("Sensitivity", "share of the positive samples told right"),
    "specificity": Metric("Specificity", "share of the negative samples told right"),
    "auc_bounds": Metric(
        "AUC, bounds", "two numbers between which the AUC lies, from counts at 200 cuts"
    ),
}
# By what a λ is called the best, in this order.
_DECISIVE = ("auc", "balanced_accuracy", "accuracy", "log_loss", "brier", "r2", "mse")


@dataclass(frozen=True)
class Best:
    """The place of the best λ by a metric that was revealed."""

    place: int
    by: str


def best_strength(metrics: Mapping[str, Sequence[float]]) -> Best | None:
    """Return the λ that is best by the first decisive metric; None where none was revealed."""
    for name in _DECISIVE:
        if name in metrics:
            values = np.asarray(metrics[name], np.float64)
            best = values.argmax() if METRICS[name].larger_is_better else values.argmin()
            return Best(int(best), name)
    return None


@dataclass(frozen=True)
class Counts:
    """Held-out samples of one λ by class and tenth of the predicted probability.

    ``minimum`` is that below which counts were suppressed: then sums are lower bounds.
    """

    negative: NDArray[np.int64]
    positive: NDArray[np.int64]
    minimum: int | None

    @staticmethod
    def of(calibration: Mapping[str, Any], place: int) -> Counts:
        """Return the counts of the λ at a place in the list."""
        return Counts(
            np.asarray(calibration["negative"][place], np.int64),
            np.asarray(calibration["positive"][place], np.int64),
            calibration["minimum_count"],
        )

    def missing(self, samples: int) -> int:
        """Return how many of so many samples are in suppressed tenths."""
        return samples - int(self.negative.sum() + self.positive.sum())

    def confusion(self) -> tuple[int, int, int, int]:
        """Return true positives, false negatives, false positives, true negatives at 0.5."""
        half = len(self.positive) // 2
        return (
            int(self.positive[half:].sum()),
            int(self.positive[:half].sum()),
            int(self.negative[half:].sum()),
            int(self.negative[:half].sum()),
        )

    def balance(self) -> tuple[int, int]:
        """Return how many negatives and positives were counted."""
        return int(self.negative.sum()), int(self.positive.sum())

    def observed(self) -> list[tuple[float, int, int, float, float]]:
        """Return for each tenth that is not empty: its middle, positives, samples and the 95 %
        Wilson interval of the share of positives."""
        rows = []
        width = 1.0 / len(self.positive)
        for tenth, positive in enumerate(self.positive):
            total = int(positive + self.negative[tenth])
            if total:
                low, high = wilson(int(positive), total)
                rows.append(((tenth + 0.5) * width, int(positive), total, low, high))
        return rows


@dataclass(frozen=True)
class Roc:
    """An ROC curve at cuts, from (0, 0) to (1, 1), and what they say of the area under it."""

    false_positive: NDArray[np.float64]
    true_positive: NDArray[np.float64]

    @property
    def area(self) -> float:
        """The area under straight lines between the cuts: samples of a tenth count as ties."""
        steps = np.diff(self.false_positive)
        return float((steps * (self.true_positive[1:] + self.true_positive[:-1]) / 2).sum())

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the largest area that any curve through the cuts has."""
        steps = np.diff(self.false_positive)
        return (
            float((steps * self.true_positive[:-1]).sum()),
            float((steps * self.true_positive[1:]).sum()),
        )


def roc(counts: Counts) -> Roc | None:
    """Return the curve of these counts; None where a class has none that were told."""
    negative, positive = counts.balance()
    if not negative or not positive:
        return None
    # From the most likely tenth downwards.
    false = np.cumsum(counts.negative[::-1]) / negative
    true = np.cumsum(counts.positive[::-1]) / positive
    return Roc(np.append(0.0, false), np.append(0.0, true))


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927, JASA 22:209)."""
    share, z2 = successes / trials, _NORMAL_95**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = (
        _NORMAL_95 * sqrt(share * (1 - share) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    )
    return max(0.0, middle - half), min(1.0, middle + half)
