"""A site's part of the allele frequencies of all sites: what it counts of its own genotypes.

A value is how many of a sample's two alleles are the variant's alternative one: 0, 1 or 2, or a
dosage between them. Frequencies are of the observed values, as those of PLINK's ``--freq``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cohortium.data.cohort import Cohort
from cohortium.data.values import in_blocks
from cohortium.errors import DataValueError

MOST_ALLELES = 2.0


def check_allele_counts(cohort: Cohort) -> None:
    """Raise DataValueError, naming sample and variant, where a value is not from 0 to 2."""
    for block, values in in_blocks(cohort.values):
        with np.errstate(invalid="ignore"):
            beyond = (values < 0) | (values > MOST_ALLELES)
        if beyond.any():
            row, column = np.argwhere(beyond)[0]
            raise DataValueError(
                f"{cohort.source}: a value that is no allele count (0 to 2), in sample "
                f"{cohort.samples[row]!r}, variant {cohort.features[block][column]!r}.",
                remedy="Give genotypes as 0, 1, 2 or dosages, before any standardisation, or say "
                "standardise = 'pooled' in the study's [preparation].",
            )


def allele_counts(cohort: Cohort) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return for each variant the sum of the observed values, and how many are observed."""
    alleles, observed = np.zeros((2, len(cohort.features)))
    for block, values in in_blocks(cohort.values):
        present = ~np.isnan(values)
        alleles[block] = np.where(present, values, 0.0).sum(axis=0)
        observed[block] = present.sum(axis=0)
    return alleles, observed
