"""A site's feature names in the form that all sites of a study share.

Each site does it by itself before anything is sent. A name that several of a site's features would
get is nobody's: all of them are left out, for which one is meant can not be told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from cohortium.data.cohort import Cohort
from cohortium.data.values import Turned, in_blocks
from cohortium.data.variants import canonical_variant
from cohortium.data.wording import counted, examples, repeated
from cohortium.errors import DataValueError, FeatureError

NameForm = Literal["exact", "gene", "variant"]
# Ensembl's stable identifiers of genes, transcripts, proteins and exons, with a version.
_ENSEMBL = re.compile(r"(ENS[A-Z]*[EGTPR][0-9]{11})\.[0-9]+(?:_PAR_Y)?", re.IGNORECASE)
_LARGEST_DOSAGE = 2.0


@dataclass(frozen=True)
class NamingReport:
    """What became of a site's names: how many changed, and which were left out as not unique.

    ``swapped`` and ``ambiguous`` count variants: dosages turned to the other allele, and those
    whose strand can not be told.
    """

    features: int
    renamed: int = 0
    repeated: tuple[str, ...] = ()
    swapped: int = 0
    ambiguous: int = 0

    def lines(self) -> list[str]:
        """Return the report as sentences, none where nothing was done."""
        lines = []
        if self.renamed:
            lines.append(f"{counted(self.renamed, 'feature')} renamed to the common form.")
        if self.swapped:
            lines.append(f"{counted(self.swapped, 'variant')} turned to the other allele (2 − d).")
        if self.ambiguous:
            lines.append(
                f"{counted(self.ambiguous, 'variant')} of alleles A/T or C/G, whose strand can not "
                "be told, kept as named: check that all sites use one strand."
            )
        if self.repeated:
            lines.append(
                f"{counted(len(self.repeated), 'feature')} left out, as others have the same name "
                f"in the common form: {examples(self.repeated)}."
            )
        return lines


def common_names(
    cohort: Cohort, form: NameForm, aliases: Mapping[str, str] | None = None
) -> tuple[Cohort, NamingReport]:
    """Return the cohort with its features' names in the common form, and what was done.

    ``"gene"``: upper-case, Ensembl identifiers without their version, and ``aliases`` (name to
    common name, both in this form) followed once. ``"variant"``: ``canonical_variant``, with
    dosages turned where alleles change places. ``"exact"``: as they are.

    Raises FeatureError where a name is no variant, DataValueError where a value that has to be
    turned is not from 0 to 2.
    """
    before = cohort.features
    if form == "exact":
        return cohort, NamingReport(len(before))
    if form == "gene":
        names, ambiguous = [_gene(name, aliases or {}) for name in before], 0
    else:
        cohort, names, swapped, ambiguous = _as_variants(cohort)
    renamed = sum(old != new for old, new in zip(before, names, strict=True))
    twice = {place for places in repeated(names).values() for place in places}
    kept = [place for place in range(len(names)) if place not in twice]
    if not kept:
        raise FeatureError(
            f"{cohort.source}: no feature has a name of its own once all are in the common form.",
            remedy="Check the names, or ask for names = 'exact' in the study's [features].",
        )
    unique = cohort.at(kept) if twice else cohort
    result = replace(unique, features=tuple(names[place] for place in kept))
    return result, NamingReport(
        features=len(before),
        renamed=renamed,
        repeated=tuple(before[place] for place in sorted(twice)),
        swapped=swapped if form == "variant" else 0,
        ambiguous=ambiguous,
    )


def _gene(name: str, aliases: Mapping[str, str]) -> str:
    trimmed = name.strip()
    found = _ENSEMBL.fullmatch(trimmed)
    plain = (found.group(1) if found else trimmed).upper()
    return aliases.get(plain, plain)


def _as_variants(cohort: Cohort) -> tuple[Cohort, list[str], int, int]:
    variants = [canonical_variant(name) for name in cohort.features]
    others = [name for name, variant in zip(cohort.features, variants, strict=True) if not variant]
    if others:
        raise FeatureError(
            f"{cohort.source}: {counted(len(others), 'feature')} not named as a variant is: "
            f"{examples(others)}.",
            remedy="Name variants chromosome:position:ref:alt with alleles of A, C, G and T, and "
            "leave out the others.",
        )
    known = [variant for variant in variants if variant is not None]
    turned = np.array([variant.swapped for variant in known])
    if turned.any():
        beyond = np.zeros(len(turned), bool)
        for block, values in in_blocks(cohort.values):
            with np.errstate(invalid="ignore"):
                outside = ((values < 0) | (values > _LARGEST_DOSAGE)).any(axis=0)
            beyond[block] = turned[block] & outside
        if beyond.any():
            names = [cohort.features[place] for place in np.flatnonzero(beyond)]
            raise DataValueError(
                f"{cohort.source}: {counted(len(names), 'variant')} with values outside 0 to 2: "
                f"{examples(names)}.",
                remedy="Give dosages of the alternative allele, before any standardisation.",
            )
        cohort = replace(cohort, values=Turned(cohort.values, turned))
    ambiguous = sum(variant.ambiguous for variant in known)
    names = [variant.name for variant in known]
    return cohort, names, int(turned.sum()), ambiguous
