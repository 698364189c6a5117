"""What a site counts of each feature, for what is done with all sites' samples together.

That is a filter, or standardising by allele frequency. Missing values of any data; of genotypes
also alternative alleles and heterozygous samples. The counts are of values as they were read,
before anything is imputed or scaled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cohortium.data.cohort import Cohort
from cohortium.data.values import Array, in_blocks
from cohortium.errors import DataValueError

MISSING, ALLELES, HETEROZYGOTES = "missing", "alleles", "heterozygotes"
MOST_ALLELES = 2.0


@dataclass(frozen=True, eq=False, repr=False)
class FeatureCounts:
    """One site's counts: ``numbers`` are kinds × features, "missing" in the first row."""

    features: tuple[str, ...]
    samples: int
    numbers: npt.NDArray[np.float64]

    def of(self, features: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return the counts of these features; one that the site lacks is missing throughout."""
        place = {name: column for column, name in enumerate(self.features)}
        columns = np.array([place.get(name, -1) for name in features], np.intp)
        found = self.numbers[:, columns]
        lacking = columns < 0
        found[:, lacking] = 0.0
        found[0, lacking] = self.samples
        return found


def count_features(cohort: Cohort, kinds: Sequence[str]) -> FeatureCounts:
    """Return the counts of these kinds, in that order, of every feature of a cohort.

    ``kinds`` are "missing"; with "alleles" values are dosages of the alternative allele, which are
    added up; with "heterozygotes" they are calls, of which the 1s are counted. DataValueError,
    naming sample and feature, where a value is no dosage (0 to 2), or no call (0, 1, 2).
    """
    numbers = np.zeros((len(kinds), len(cohort.features)))
    for block, values in in_blocks(cohort.values):
        missing = np.isnan(values)
        if ALLELES in kinds:
            _check_genotypes(cohort, block, values, calls=HETEROZYGOTES in kinds)
        found = {MISSING: missing.sum(axis=0)}
        if ALLELES in kinds:
            found[ALLELES] = np.nansum(values, axis=0)
        if HETEROZYGOTES in kinds:
            found[HETEROZYGOTES] = (values == 1.0).sum(axis=0)
        for row, kind in enumerate(kinds):
            numbers[row, block] = found[kind]
    return FeatureCounts(cohort.features, len(cohort.samples), numbers)


def _check_genotypes(cohort: Cohort, block: slice, values: Array, *, calls: bool) -> None:
    outside = _outside(values)
    if outside.any():
        raise DataValueError(
            f"{cohort.source}: {_place(cohort, block, outside)} is not a number of alleles, 0 to "
            "2, which the study's [filter] counts.",
            remedy="Use genotypes as dosages of the alternative allele, or a study whose [filter] "
            "has max_missing alone.",
        )
    between = ~np.isnan(values) & (values != np.rint(values)) if calls else None
    if between is not None and between.any():
        raise DataValueError(
            f"{cohort.source}: {_place(cohort, block, between)} is a dosage between two calls, but "
            "the study's filter.hwe_p counts heterozygous samples.",
            remedy="Use called genotypes (0, 1 and 2), or a study without hwe_p.",
        )


def check_allele_counts(cohort: Cohort) -> None:
    """Raise DataValueError, naming sample and variant, where a value is not from 0 to 2."""
    for block, values in in_blocks(cohort.values):
        outside = _outside(values)
        if outside.any():
            raise DataValueError(
                f"{cohort.source}: {_place(cohort, block, outside)} is not a number of alleles, 0 "
                "to 2, by whose frequency values are standardised.",
                remedy="Use genotypes as dosages of the alternative allele, before any "
                "standardisation, or a study with standardise = 'pooled'.",
            )


def _outside(values: Array) -> npt.NDArray[np.bool_]:
    # A missing value is in neither comparison.
    outside: npt.NDArray[np.bool_] = (values < 0.0) | (values > MOST_ALLELES)
    return outside


def _place(cohort: Cohort, block: slice, marked: npt.NDArray[np.bool_]) -> str:
    row, column = np.argwhere(marked)[0]
    return f"sample {cohort.samples[row]!r}, feature {cohort.features[block][column]!r},"
