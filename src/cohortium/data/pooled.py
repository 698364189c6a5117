"""Preparing by the means and variances of all sites' samples together.

A site's part is its own moments, from which the pooled ones are computed in secret. Once those are
told to the sites, each prepares its rows by them, a block of features when it is asked for: no
further word is needed, and a later sample is prepared in the same manner, be it a single one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cohortium.data.cohort import Cohort
from cohortium.data.preparation import Preparation, PreparationReport, Prepared, fit
from cohortium.data.values import Array, Features, in_blocks
from cohortium.data.wording import counted, examples
from cohortium.errors import DataValueError, ParameterError

# Below this part of the bound on values a deviation can not be told from rounding: see
# ``cohortium.learn.moments``.
_LEAST_DEVIATION = 2.0**-18
# Nearer to 0 or 1 an allele frequency can not be told from it: see ``cohortium.learn.frequencies``.
# Of a million samples one allele is more.
_LEAST_FREQUENCY = 2.0**-22


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

    A feature whose variance is below ``least_variance`` counts as constant. ParameterError where
    the numbers do not fit the features.
    """

    features: tuple[str, ...]
    mean: npt.NDArray[np.float64]
    variance: npt.NDArray[np.float64]
    least_variance: float

    def __post_init__(self) -> None:
        shape = (len(self.features),)
        numbers = np.array([*self.mean, *self.variance, self.least_variance], dtype=np.float64)
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

    @classmethod
    def of_moments(
        cls,
        features: Sequence[str],
        mean: npt.NDArray[np.float64],
        variance: npt.NDArray[np.float64],
        value_bound: float,
    ) -> PooledStatistics:
        """Return statistics of values up to ``value_bound``.

        A deviation below value_bound · 2^-18 is that of a constant feature.
        """
        least = (value_bound * _LEAST_DEVIATION) ** 2
        return cls(tuple(features), mean, variance, least)

    @classmethod
    def of_frequencies(
        cls, features: Sequence[str], frequency: npt.NDArray[np.float64]
    ) -> PooledStatistics:
        """Return the mean 2p and the variance 2p(1 − p) of allele counts of frequency p.

        Of a frequency below 2^-22, or above 1 − 2^-22, a variant counts as monomorphic.
        """
        return cls(
            tuple(features), 2 * frequency, 2 * frequency * (1 - frequency), 2 * _LEAST_FREQUENCY
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

    def scaled(self, raw: Array, features: Features) -> Array:
        """Return (x − mean) / deviation of these features' values, not yet clipped.

        A missing value becomes the mean, so 0; so does every value of a constant feature.
        """
        flat = self.variance[features] < self.least_variance
        values = raw - self.mean[features]
        values /= np.sqrt(np.where(flat, 1.0, self.variance[features]))
        values[np.isnan(raw)] = 0.0
        values[:, flat] = 0.0
        return values

    def prepare(self, cohort: Cohort, clip: float) -> tuple[Cohort, PreparationReport]:
        """Return a cohort of these features ``scaled`` and at most ``clip``, and what was done."""
        missing = clipped = 0
        for block, raw in in_blocks(cohort.values):
            missing += int(np.isnan(raw).sum())
            clipped += int((np.abs(self.scaled(raw, block)) > clip).sum())
        constant = np.flatnonzero(self.variance < self.least_variance)
        report = PreparationReport(
            samples=len(cohort.samples),
            features=len(cohort.features),
            imputed_cells=missing,
            empty_features=(),
            constant_features=tuple(cohort.features[place] for place in constant),
            clipped_cells=clipped,
        )
        return replace(cohort, values=Prepared(cohort.values, self.scaled, clip)), report
