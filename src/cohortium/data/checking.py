"""What is odd about a site's cohort, before it goes into a study: for the site's own eyes only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cohortium.data.builds import possible_builds
from cohortium.data.cohort import Cohort, Labels
from cohortium.data.equilibrium import exact_test
from cohortium.data.measuring import Genotypes, Measures, measure
from cohortium.data.wording import counted, examples, some

# Leys et al. 2013 (J Exp Soc Psychol 49:764): a cautious number of median absolute deviations.
MOST_DEVIATIONS = 3.5
# Price et al. 2006 (Nat Genet 38:904): standard deviations along a principal component.
MOST_ALONG_COMPONENT = 6.0
# A common threshold of quality control in association studies (Anderson 2010, Nat Protoc 5:1564,
# gives 10^-5; Marees 2018, Int J Methods Psychiatr Res 27:e1608, 10^-6).
LEAST_EQUILIBRIUM = 1e-6
# A normal distribution's standard deviation, in median absolute deviations.
_NORMAL = 1.4826
_MUCH_MISSING = 0.2
_RARE = 0.01
# What the private R² takes for granted of a fold's labels (docs/protocol.md, "Private evaluation").
_LEAST_VARIANCE = 2.0**-6
_SEXED = ("X:", "Y:", "MT:")
_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class DataCheck:
    """Facts about a cohort, and ``warnings`` in words. Lists hold names of samples and features.

    ``problems`` are what a run of the study would refuse, in words; empty without a study.
    ``labels`` and ``weights`` tell of numbers their smallest, largest, mean and variance; empty
    where there are none.
    ``level`` is what samples are compared by, "median" or "heterozygosity"; ``builds`` are those
    that the variants' positions do not rule out. ``measures`` are the numbers by sample and
    feature, ``equilibrium`` the p-values of variants (NaN off the autosomes, empty without
    genotypes).
    """

    source: str
    samples: int
    features: int
    classes: dict[str, int]
    labels: dict[str, float]
    weights: dict[str, float]
    groups: int
    largest_group: int
    missing: int
    incomplete_features: int
    mostly_missing_samples: tuple[str, ...]
    mostly_missing_features: tuple[str, ...]
    smallest: float | None
    median: float | None
    largest: float | None
    constant_features: tuple[str, ...]
    equal_features: tuple[tuple[str, ...], ...]
    equal_samples: tuple[tuple[str, ...], ...]
    alike_samples: tuple[tuple[str, ...], ...]
    level: str
    outlying_levels: tuple[str, ...]
    outlying_components: tuple[str, ...]
    variants: int
    ambiguous_variants: int
    swapped_variants: int
    unmatched: tuple[str, ...]
    rare_variants: int
    outside_variants: tuple[str, ...]
    unequal_variants: tuple[str, ...]
    builds: tuple[str, ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    measures: Measures = field(repr=False)
    equilibrium: npt.NDArray[np.float64] = field(repr=False)

    def facts(self) -> dict[str, Any]:
        """Return everything as JSON has it, the numbers by sample and by feature apart."""
        apart = ("measures", "equilibrium")
        return {
            each.name: getattr(self, each.name) for each in fields(self) if each.name not in apart
        }


def check_cohort(cohort: Cohort, problems: Sequence[str] = ()) -> DataCheck:
    """Return what is to be known of a cohort before a study; ``problems`` are told with it.

    Samples are outlying by their median (of genotypes by the share of heterozygous ones), more than
    3.5 robust deviations from the samples' median; or by one of their first two principal
    components, more than 6 standard deviations of the other samples. Unlogged: GEO2R's rule (99th
    percentile above 100, or a range above 50 with a first quartile above 0). Constant and equal
    features are those of all samples. Rare variants: allele frequency below 1 %. Unequal variants:
    p < 10^-6 in the exact test of Hardy–Weinberg equilibrium, on autosomes. Alike samples, of
    genotypes: their standardised values correlate by more than 0.9 (parent and child: about 0.5).
    """
    measures = measure(cohort)
    features = np.array(cohort.features, dtype=object)
    samples = np.array(cohort.samples, dtype=object)
    quantiles = measures.quantiles
    check = DataCheck(
        source=cohort.source,
        samples=len(samples),
        features=len(features),
        classes=_classes(cohort),
        unmatched=cohort.unmatched,
        labels=_numbers(cohort.labels if cohort.numeric else None),
        weights=_numbers(cohort.weights),
        groups=len(set(cohort.groups or ())),
        largest_group=max(Counter(cohort.groups or ()).values(), default=0),
        missing=measures.missing,
        incomplete_features=int((measures.missing_by_feature > 0).sum()),
        mostly_missing_samples=tuple(samples[measures.missing_by_sample > _MUCH_MISSING]),
        mostly_missing_features=tuple(features[measures.missing_by_feature > _MUCH_MISSING]),
        smallest=quantiles[0] if quantiles else None,
        median=quantiles[2] if quantiles else None,
        largest=quantiles[-1] if quantiles else None,
        constant_features=tuple(features[measures.constant]),
        equal_features=_named(measures.equal_features, cohort.features),
        equal_samples=_named(measures.equal_samples, cohort.samples),
        alike_samples=_named(
            [pair for pair in measures.alike if not _within(pair, measures.equal_samples)],
            cohort.samples,
        ),
        level="heterozygosity" if measures.genotypes else "median",
        outlying_levels=tuple(samples[_far_levels(measures.levels)]),
        outlying_components=tuple(samples[_far_components(measures.components)]),
        variants=0,
        ambiguous_variants=0,
        swapped_variants=0,
        rare_variants=0,
        outside_variants=(),
        unequal_variants=(),
        builds=(),
        problems=tuple(problems),
        warnings=(),
        notes=cohort.notes,
        measures=measures,
        equilibrium=np.zeros(0),
    )
    if measures.genotypes:
        check = _with_variants(check, measures.genotypes, cohort.features)
    return replace(check, warnings=tuple(_warnings(check)))


def _classes(cohort: Cohort) -> dict[str, int]:
    if cohort.labels is None or cohort.positive is None or cohort.negative is None:
        return {}
    positives = int(cohort.labels.sum())
    return {cohort.positive: positives, cohort.negative: len(cohort.labels) - positives}


def _numbers(values: Labels | None) -> dict[str, float]:
    if values is None:
        return {}
    found = {"smallest": values.min(), "largest": values.max(), "mean": values.mean()}
    return {name: float(value) for name, value in {**found, "variance": values.var()}.items()}


def _named(groups: Sequence[Sequence[int]], names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(names[place] for place in group) for group in groups)


def _within(pair: tuple[int, int], groups: Sequence[Sequence[int]]) -> bool:
    return any(set(pair) <= set(group) for group in groups)


def _far_levels(levels: npt.NDArray[np.float64]) -> _Flags:
    if np.isnan(levels).all():
        return np.zeros(len(levels), bool)
    distance = np.abs(levels - np.nanmedian(levels))
    deviation = _NORMAL * np.nanmedian(distance)
    return distance > MOST_DEVIATIONS * deviation if deviation > 0 else np.zeros(len(levels), bool)


def _far_components(components: npt.NDArray[np.float64] | None) -> _Flags | slice:
    """Return which samples are far; the deviation of each is that of all others.

    So one sample among twenty can be seen: with itself among them it would be at most 4.3 away.
    """
    if components is None:
        return slice(0)
    others = len(components) - 1
    total, squares = components.sum(axis=0), (components**2).sum(axis=0)
    mean = (total - components) / others
    variance = (squares - components**2) / others - mean**2
    far = (components - mean) ** 2 > MOST_ALONG_COMPONENT**2 * np.maximum(variance, 0.0)
    # Where there is no variance at all nothing is far but rounding.
    told = squares > 1e-12 * squares.sum()
    flags: _Flags = (far & told).any(axis=1)
    return flags


def _with_variants(check: DataCheck, found: Genotypes, names: Sequence[str]) -> DataCheck:
    features = np.array(names, dtype=object)
    named = [each for each in found.variants if each is not None]
    sexed = [each is not None and each.name.startswith(_SEXED) for each in found.variants]
    equilibrium = np.where(sexed, np.nan, exact_test(found.counts))
    rare = np.minimum(found.frequency, 1 - found.frequency) < _RARE
    return replace(
        check,
        variants=len(features),
        ambiguous_variants=sum(each.ambiguous for each in named),
        swapped_variants=sum(each.swapped for each in named),
        rare_variants=int(rare.sum()),
        outside_variants=tuple(features[found.outside > 0]),
        unequal_variants=tuple(features[equilibrium < LEAST_EQUILIBRIUM]),
        builds=possible_builds(each.name for each in named),
        equilibrium=equilibrium,
    )


def _warnings(check: DataCheck) -> list[str]:
    told = []
    for what, names, why in (
        ("sample", check.mostly_missing_samples, "with more than 20 % of the values missing"),
        ("feature", check.mostly_missing_features, "with more than 20 % of the values missing"),
        ("feature", check.constant_features, "with one value only: they tell nothing"),
        ("name", check.unmatched, "of labels or covariates that no sample has"),
        ("sample", check.outlying_levels, f"far from the others by {check.level}"),
        ("sample", check.outlying_components, "far from the others in principal components"),
        ("variant", check.outside_variants, "with genotypes outside 0 to 2, not dosages of alt"),
        (
            "variant",
            check.unequal_variants,
            "far from Hardy–Weinberg equilibrium (p < 10^-6): faults of genotyping, or samples of "
            "several populations",
        ),
    ):
        if names:
            told.append(f"{counted(len(names), what)} {why}: {examples(names)}.")
    for what, groups in (("features", check.equal_features), ("samples", check.equal_samples)):
        if groups:
            first = " = ".join(groups[0][:3])
            told.append(f"{counted(len(groups), 'group')} of {what} with the same values: {first}.")
    if check.alike_samples:
        first = " = ".join(check.alike_samples[0])
        told.append(
            f"{counted(len(check.alike_samples), 'pair')} of samples with nearly the same "
            f"genotypes: {first}. One person twice, or twins?"
        )
    if check.ambiguous_variants:
        told.append(
            f"{counted(check.ambiguous_variants, 'variant')} of alleles A/T or C/G: the strand "
            "can not be told, all sites must use one."
        )
    if check.variants and not check.builds:
        told.append(
            "Positions lie beyond the ends of chromosomes in every genome build known here."
        )
    if not check.variants and _unlogged(check.measures.quantiles):
        told.append("The values look as if no logarithm had been taken (GEO2R's rule).")
    if check.classes and min(check.classes.values()) < 10:
        told.append("A class has fewer than 10 samples.")
    if check.labels and check.labels["variance"] < _LEAST_VARIANCE:
        told.append(
            f"The labels have a variance of {check.labels['variance']:.2g}: R² needs "
            f"{_LEAST_VARIANCE:g} or more in every fold. A smaller unit makes it larger."
        )
    return told


def _unlogged(quantiles: tuple[float, ...] | None) -> bool:
    if quantiles is None:
        return False
    smallest, quarter, _, _, most, largest = quantiles
    return bool(most > 100 or (largest - smallest > 50 and quarter > 0))


def builds_in_words(check: DataCheck) -> str:
    """Return which genome builds the positions allow, "" where none of them is ruled out."""
    if not check.variants or len(check.builds) == 3:
        return ""
    if not check.builds:
        return "none that is known here: positions lie beyond the ends of chromosomes"
    return f"positions allow {some(check.builds)}; chromosomes of other builds are too short"
