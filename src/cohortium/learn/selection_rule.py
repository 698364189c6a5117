"""By what features are selected, and what each owner brings for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cohortium.errors import ParameterError
from cohortium.learn.parameters import DualParameters
from cohortium.mpc.functions.table import MOST_PLACES

VARIANCE, WELCH = "variance", "welch-t"
# Features times parts that are scored together: comparing them takes about 3 kB of memory each.
_MOST_SCORES = 1 << 19
# Of larger values scores would not fit the ring with their fraction bits.
_LARGEST_VALUE = 1024.0


@dataclass(frozen=True)
class SelectionRule:
    """The ``top`` features by variance, or by Welch's t of the two classes.

    Of raw values, none above ``value_bound`` in magnitude.
    """

    by: Literal["variance", "welch-t"]
    top: int
    value_bound: float

    def check(self, samples: int, features: int, parts: int, parameters: DualParameters) -> None:
        """Raise ParameterError where such a selection can not be made.

        ``parts`` are the samples without each fold, and all samples.
        """
        self.check_features(features)
        if not 1 <= self.value_bound <= _LARGEST_VALUE:
            raise ParameterError(
                f"value_bound = {self.value_bound:g} is not a number from 1 to "
                f"{_LARGEST_VALUE:g}, as a selection needs.",
                remedy="Take logarithms, or other units.",
            )
        if parts * features > _MOST_SCORES:
            raise ParameterError(
                f"{features:,} features are too many to select from, of all samples and without "
                f"each fold: that is {parts * features:,} scores, and {_MOST_SCORES:,} can be.",
                remedy="Take fewer folds, or name fewer features in the study's list.",
            )
        if self.by == WELCH and samples >= MOST_PLACES:
            raise ParameterError(
                f"Features of {samples:,} samples can not be selected by welch-t: "
                f"{MOST_PLACES - 1:,} samples can be.",
                remedy="Select by = 'variance'.",
            )
        if self.by == WELCH and parameters.kind != "logistic":
            raise ParameterError(
                "Features can not be selected by welch-t where labels are numbers.",
                remedy="Select by = 'variance'.",
            )
        if parameters.value_bound is not None:
            raise ParameterError(
                "Features can not be selected where values are standardised by secret pooled "
                "moments.",
                remedy="Standardise before.",
            )

    def check_features(self, features: int) -> None:
        """Raise ParameterError where these are too few features to select from."""
        if not 1 <= self.top < features:
            raise ParameterError(
                f"{self.top:,} of {features:,} features can not be selected.",
                remedy="Select fewer than there are in common, or leave [selection] out.",
            )

    def line(self) -> str:
        """Return the rule in words."""
        return f"the {self.top:,} features of largest {self.by}, |x| ≤ {self.value_bound:g}, secret"

    @property
    def classes(self) -> int:
        """How many classes have sums of their own."""
        return 2 if self.by == WELCH else 1


class ClassSums(NamedTuple):
    """One owner's part: means of its features, and by fold and class of its samples what follows.

    ``counts`` are folds × classes; ``sums`` of x − mean and ``squares`` of it folds × classes ×
    features. One fold without cross-validation; one class for variances.
    """

    means: NDArray[np.float64]
    counts: NDArray[np.float64]
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]
