"""Preparing by the means and variances of all sites' samples together.

A site's part is its own moments, from which the pooled ones are computed in secret. Once those are
told to the sites, each prepares its rows by them: no further word is needed, and a later sample is
prepared in the same manner, be it a single one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cohortium.data.cohort import Cohort
from cohortium.data.preparation import Preparation, PreparationReport, fit
from cohortium.data.values import in_blocks
from cohortium.data.wording import counted, examples
from cohortium.errors import DataValueError, ParameterError

# Below this part of the bound on values a deviation can not be told from rounding: see
# ``cohortium.learn.moments``.
_LEAST_DEVIATION = 2.0**-18


def check_raw_values(cohort: Cohort, value_bound: float) -> None:
    """Raise DataValueError where a value exceeds ``value_bound``, or a feature has none at all."""
    empty = np.zeros(len(cohort.features), bool)
    for block, values in in_blocks(cohort.values):
        beyond = np.abs(np.nan_to_num(values)) > value_bound
        if beyond.any():
            row, column = np.argwhere(beyond)[0]
            raise DataValueError(
                f"{cohort.source}: a value beyond the study's value_bound = {value_bound:g}, in "
                f"sample {cohort.samples[row]!r}, feature {cohort.features[block][column]!r}.",
                remedy="Check the units, take logarithms, or agree on a larger value_bound.",
            )
        empty[block] = np.isnan(values).all(axis=0)
    if empty.any():
        names = [cohort.features[place] for place in np.flatnonzero(empty)]
        raise DataValueError(
            f"{cohort.source}: {counted(len(names), 'feature')} without any value, of which no "
            f"pooled mean can be made: {examples(names)}.",
            remedy="Leave these features out of the file, and say mode = 'intersection' in the "
            "study's [features].",
        )


def site_moments(cohort: Cohort) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return each feature's mean and variance (n in the denominator) over this site's samples.

    A missing value counts as the site's mean. Errors: as ``fit``.
    """
    fitted = fit(cohort, Preparation(standardise="none"))
    return fitted.centre, np.where(fitted.constant, 0.0, fitted.spread**2)


@dataclass(frozen=True, eq=False, repr=False)
class PooledStatistics:
    """Pooled mean and variance of each feature, as they were revealed, to prepare rows by.

    ``value_bound`` is that of the raw values. ParameterError where the numbers do not fit the
    features.
    """

    features: tuple[str, ...]
    mean: npt.NDArray[np.float64]
    variance: npt.NDArray[np.float64]
    value_bound: float

    def __post_init__(self) -> None:
        shape = (len(self.features),)
        numbers = np.array([*self.mean, *self.variance, self.value_bound], dtype=np.float64)
        if self.mean.shape != shape or self.variance.shape != shape:
            raise ParameterError(
                f"{len(self.features)} features, but {len(self.mean)} pooled means and "
                f"{len(self.variance)} variances.",
                remedy="Give one of each for every feature.",
            )
        if not np.isfinite(numbers).all():
            raise ParameterError(
                "A pooled mean or variance is not a number.", remedy="Correct the file."
            )

    def of(self, features: Sequence[str]) -> PooledStatistics:
        """Return those of some of the features, in that order."""
        place = {name: index for index, name in enumerate(self.features)}
        places = [place[name] for name in features]
        return replace(
            self,
            features=tuple(features),
            mean=self.mean[places],
            variance=self.variance[places],
        )

    def as_json(self) -> dict[str, list[float]]:
        """Return means and variances as ``from_json`` takes them, by the features' order."""
        return {"mean": self.mean.tolist(), "variance": self.variance.tolist()}

    @property
    def constant(self) -> npt.NDArray[np.bool_]:
        """Which features count as constant: their deviation is below value_bound · 2^-18."""
        least = self.value_bound * _LEAST_DEVIATION
        flat: npt.NDArray[np.bool_] = self.variance < least**2
        return flat

    def prepare(self, cohort: Cohort, clip: float) -> tuple[Cohort, PreparationReport]:
        """Return (x − mean) / deviation, at most ``clip``, of a cohort of these features.

        A missing value becomes the mean, so 0; so does every value of a constant feature.
        """
        flat = self.constant
        values = (np.asarray(cohort.values) - self.mean) / np.sqrt(
            np.where(flat, 1.0, self.variance)
        )
        missing = np.isnan(values)
        values[missing] = 0.0
        values[:, flat] = 0.0
        report = PreparationReport(
            samples=len(cohort.samples),
            features=len(cohort.features),
            imputed_cells=int(missing.sum()),
            empty_features=(),
            constant_features=tuple(cohort.features[i] for i in np.flatnonzero(flat)),
            clipped_cells=int((np.abs(values) > clip).sum()),
        )
        np.clip(values, -clip, clip, out=values)
        return replace(cohort, values=values), report
