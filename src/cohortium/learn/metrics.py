"""How well scores tell two classes apart, in the clear: for a site's own held-out samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def accuracy(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Return the share of samples whose score is above 0 just where the label is 1."""
    return float(((scores > 0) == (labels == 1)).mean())


def auc(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Return the area under the ROC curve: P(positive scores higher), ties counting half.

    nan where a class is absent.
    """
    positive, negative = scores[labels == 1], scores[labels == 0]
    if not len(positive) or not len(negative):
        return float("nan")
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left")
    not_above = np.searchsorted(ordered, positive, "right")
    return float((below + not_above).mean() / (2 * len(negative)))
