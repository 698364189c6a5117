"""Genotypes as dosages of the alternative allele, whatever file they come from.

A variant's name is chromosome:position:ref:alt, its value how many of a sample's two alleles are
alt: 0, 1, 2, between them for imputed dosages, NaN where missing. Calls are kept as they are
stored, a byte each.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cohortium.data.cohort import Cohort
from cohortium.data.gathering import Filed
from cohortium.data.values import Selected, Stored, Values, Variants
from cohortium.data.wording import counted, examples, repeated
from cohortium.errors import DataFileError

OTHER_ALLELES = "alleles other than of A, C, G and T"
_ALLELES = frozenset("ACGT")


def of_bases(*alleles: str) -> bool:
    """Return whether alleles are spelt in A, C, G and T, and differ."""
    upper = [allele.upper() for allele in alleles]
    return len(set(upper)) == len(upper) and all(map(_ALLELES.issuperset, upper))


def genotype_cohort(
    path: Path,
    variants: Variants | Filed,
    samples: Sequence[str],
    names: Sequence[str],
    notes: list[str],
    *told: str,
) -> Cohort:
    """Return the cohort without variants that are there twice: which one is meant is not known."""
    values: Values = Stored(variants)
    if twice := repeated(names):
        places = {place for each in twice.values() for place in each}
        kept = [place for place in range(len(names)) if place not in places]
        values = Selected(values, features=np.array(kept, np.intp))
        names = [names[place] for place in kept]
        notes.append(
            f"{counted(len(places), 'variant')} left out: there more than once "
            f"({examples(list(twice))})"
        )
    if not samples or not names:
        left_out = f" ({'; '.join(notes)})" if notes else ""
        raise DataFileError(
            f"{path.name} has {counted(len(samples), 'sample')} and "
            f"{counted(len(names), 'variant')} to train on{left_out}.",
            remedy="Check that it was copied completely, and that it holds genotypes.",
        )
    return Cohort(values, tuple(samples), tuple(names), source=path.name, notes=(*notes, *told))
