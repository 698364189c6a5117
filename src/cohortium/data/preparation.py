"""Preparing a cohort for training: fill in missing values, standardise, clip to a stated bound.

Everything is computed from this site's own samples, so nothing has to be sent for it. The result
has no missing value and none beyond the bound, which is what fixed-point arithmetic relies on. It
is made for a block of features when it is asked for: what is kept is a few numbers a feature.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from cohortium.data.cohort import Cohort
from cohortium.data.values import Array, Features, Matrix, Values, in_blocks
from cohortium.data.wording import counted, examples, shown
from cohortium.errors import DataValueError, ParameterError


@dataclass(frozen=True)
class Preparation:
    """How to prepare; equal settings at all sites.

    ``impute`` ``"site-mean"``: a missing value becomes the mean of its gene over this site's
    samples. ``standardise`` ``"site"``: each gene gets mean 0 and population standard deviation 1
    over this site's samples; ``"none"`` leaves it. ``clip``: the largest absolute value after
    that, in standard deviations for ``"site"``. Raises ParameterError for other values.
    """

    impute: Literal["site-mean"] = "site-mean"
    standardise: Literal["site", "none"] = "site"
    clip: float = 8.0

    def __post_init__(self) -> None:
        if self.impute != "site-mean":
            raise ParameterError(
                f"impute is {shown(str(self.impute))}.", remedy="Choose impute='site-mean'."
            )
        if self.standardise not in ("site", "none"):
            raise ParameterError(
                f"standardise is {shown(str(self.standardise))}.",
                remedy="Choose standardise='site' or 'none'.",
            )
        is_number = isinstance(self.clip, int | float) and not isinstance(self.clip, bool)
        if not (is_number and 0 < self.clip < math.inf):
            raise ParameterError(
                f"clip is {shown(str(self.clip))}.", remedy="Give a number above 0, 8.0 say."
            )


@dataclass(frozen=True)
class PreparationReport:
    """What preparing did to a cohort; for the site's own eyes.

    ``imputed_cells`` counts missing values filled in with their gene's mean; the genes in
    ``empty_features`` had no value at all and those in ``constant_features`` one value only: both
    are 0 for every sample (a constant gene only where genes are standardised). ``clipped_cells``
    counts the values that lay beyond the bound.
    """

    samples: int
    features: int
    imputed_cells: int
    empty_features: tuple[str, ...]
    constant_features: tuple[str, ...]
    clipped_cells: int

    def lines(self) -> list[str]:
        """Return the report as sentences."""
        lines = [
            f"{counted(self.samples, 'sample')} × {counted(self.features, 'feature')}.",
            f"{counted(self.imputed_cells, 'missing value')} replaced by the mean of the feature.",
            f"{counted(self.clipped_cells, 'value')} clipped to the bound.",
        ]
        if self.empty_features:
            lines.append(
                f"{counted(len(self.empty_features), 'feature')} without any value, set to 0: "
                f"{examples(self.empty_features)}."
            )
        if self.constant_features:
            lines.append(
                f"{counted(len(self.constant_features), 'feature')} with one value only: "
                f"{examples(self.constant_features)}."
            )
        return lines


@dataclass(frozen=True, eq=False, repr=False)
class Fitted:
    """What preparing learned from one site's samples, to treat that site's later samples alike.

    Arrays are by feature: ``fill`` replaces missing values, ``centre`` and ``spread`` standardise.
    """

    settings: Preparation
    features: tuple[str, ...]
    fill: npt.NDArray[np.float64]
    centre: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]
    empty: npt.NDArray[np.bool_]
    constant: npt.NDArray[np.bool_]

    def apply(self, cohort: Cohort) -> Cohort:
        """Return another cohort of the same features, prepared by this site's numbers.

        Raises FeatureError where it lacks one of them.
        """
        selected = cohort.select_features(self.features)
        values = Prepared(selected.values, self.scaled, self.settings.clip)
        return replace(selected, values=values)

    def scaled(self, raw: Array, features: Features) -> Array:
        """Return values of these features imputed and standardised, not yet clipped."""
        values = np.where(np.isnan(raw), self.fill[features], raw)
        if self.settings.standardise == "site":
            flat = self.constant[features] | self.empty[features]
            values -= self.centre[features]
            values /= np.where(flat, 1.0, self.spread[features])
            values[:, flat] = 0.0
        return values


class Prepared(Values):
    """Values prepared when they are asked for: all finite, none beyond the bound.

    ``scaled`` makes prepared values of raw ones, given which features they are of.
    """

    def __init__(
        self, values: Matrix, scaled: Callable[[Array, Features], Array], clip: float
    ) -> None:
        self._values = values
        self._scaled = scaled
        self._clip = clip
        self.shape = values.shape

    def made(self, features: Features) -> Array:
        """Return the prepared values of these features."""
        values = self._scaled(self._values[:, features], features)
        return np.clip(values, -self._clip, self._clip, out=values)


def fit(cohort: Cohort, settings: Preparation) -> Fitted:
    """Return what is needed to prepare this cohort and later samples of the same site.

    Raises DataValueError where there are too few samples (two for standardising, one otherwise),
    or where a gene's values are so large that its variance is not a number.
    """
    needed = 2 if settings.standardise == "site" else 1
    if len(cohort.samples) < needed:
        raise DataValueError(
            f"{cohort.source} has {counted(len(cohort.samples), 'sample')}; preparing needs at "
            f"least {needed}.",
            remedy="Check which samples have a label, or use a file with more samples.",
        )
    fill, centre, spread = np.zeros((3, len(cohort.features)))
    empty, constant = np.zeros((2, len(cohort.features)), bool)
    for block, raw in in_blocks(cohort.values):
        missing = np.isnan(raw)
        present = len(missing) - missing.sum(axis=0)
        with np.errstate(over="ignore", invalid="ignore"):
            fill[block] = np.where(missing, 0.0, raw).sum(axis=0) / np.maximum(present, 1)
            values = np.where(missing, fill[block], raw)
            # Twice, so that the mean of the residuals corrects the rounding of the first.
            middle = values.mean(axis=0)
            middle += (values - middle).mean(axis=0)
            deviation = np.sqrt(((values - middle) ** 2).mean(axis=0))
            empty[block] = present == 0
            constant[block] = ~empty[block] & _is_constant(len(values), middle, deviation)
        centre[block], spread[block] = middle, deviation
    if not np.isfinite(spread).all():
        huge = [cohort.features[i] for i in np.flatnonzero(~np.isfinite(spread))]
        raise DataValueError(
            f"{cohort.source}: {counted(len(huge), 'feature')} with values too large to "
            f"prepare: {examples(huge)}.",
            remedy="Check the units, or take logarithms first.",
        )
    return Fitted(settings, cohort.features, fill, centre, spread, empty, constant)


def prepare(cohort: Cohort, settings: Preparation) -> tuple[Cohort, PreparationReport]:
    """Return the prepared cohort, all values finite and at most ``clip``, and what was done.

    Errors: as ``fit``.
    """
    fitted = fit(cohort, settings)
    imputed = clipped = 0
    for block, raw in in_blocks(cohort.values):
        imputed += int(np.isnan(raw[:, ~fitted.empty[block]]).sum())
        clipped += int((np.abs(fitted.scaled(raw, block)) > settings.clip).sum())
    report = PreparationReport(
        samples=len(cohort.samples),
        features=len(cohort.features),
        imputed_cells=imputed,
        empty_features=_names(cohort, fitted.empty),
        constant_features=_names(cohort, fitted.constant),
        clipped_cells=clipped,
    )
    values = Prepared(cohort.values, fitted.scaled, settings.clip)
    return replace(cohort, values=values), report


def _is_constant(
    samples: int, centre: npt.NDArray[np.float64], spread: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    # A mean of equal numbers is off by rounding, and so leaves a spread that is not quite 0: the
    # same bound as scikit-learn's StandardScaler.
    rounding = np.finfo(np.float64).eps
    bound = samples * rounding * spread**2 + (samples * centre * rounding) ** 2
    within: npt.NDArray[np.bool_] = spread**2 <= bound
    return within


def _names(cohort: Cohort, which: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(cohort.features[i] for i in np.flatnonzero(which))
