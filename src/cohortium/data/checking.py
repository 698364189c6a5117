"""What is odd about a site's cohort, before it goes into a study: for the site's own eyes only."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cohortium.data.cohort import Cohort
from cohortium.data.variants import canonical_variant
from cohortium.data.wording import counted, examples

# Leys et al. 2013 (J Exp Soc Psychol 49:764): a cautious number of median absolute deviations.
_MOST_DEVIATIONS = 3.5
# A normal distribution's standard deviation, in median absolute deviations.
_NORMAL = 1.4826
_MUCH_MISSING = 0.2
_LARGEST_DOSAGE = 2.0


@dataclass(frozen=True)
class DataCheck:
    """Facts about a cohort, and ``warnings`` in words. Lists hold names of samples and features."""

    source: str
    samples: int
    features: int
    classes: dict[str, int]
    missing: int
    incomplete_features: int
    mostly_missing_samples: tuple[str, ...]
    mostly_missing_features: tuple[str, ...]
    smallest: float | None
    median: float | None
    largest: float | None
    constant_features: tuple[str, ...]
    equal_features: tuple[tuple[str, ...], ...]
    outlying_samples: tuple[str, ...]
    variants: int
    ambiguous_variants: int
    swapped_variants: int
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """Return everything as JSON has it."""
        return asdict(self)


def check_cohort(cohort: Cohort) -> DataCheck:
    """Return what is to be known of a cohort before a study.

    Outlying: the mean of a sample's standardised values is more than 3.5 (robust) deviations from
    the samples' median. Unlogged: GEO2R's rule (99th percentile above 100, or a range above 50 with
    a first quartile above 0). Constant and equal features are those of all samples.
    """
    values = cohort.values[:, :]
    missing = np.isnan(values)
    known = values[~missing]
    features = np.array(cohort.features, dtype=object)
    samples = np.array(cohort.samples, dtype=object)
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        # A feature without any value has no mean: that is told on its own.
        warnings.simplefilter("ignore", RuntimeWarning)
        constant = np.nanmax(values, axis=0) == np.nanmin(values, axis=0)
        outlying = _outlying(values)
    variants = [found for name in cohort.features if (found := canonical_variant(name))]
    genotypes = len(variants) > len(features) / 2
    check = DataCheck(
        source=cohort.source,
        samples=len(samples),
        features=len(features),
        classes=_classes(cohort),
        missing=int(missing.sum()),
        incomplete_features=int(missing.any(axis=0).sum()),
        mostly_missing_samples=tuple(samples[missing.mean(axis=1) > _MUCH_MISSING]),
        mostly_missing_features=tuple(features[missing.mean(axis=0) > _MUCH_MISSING]),
        smallest=float(known.min()) if known.size else None,
        median=float(np.median(known)) if known.size else None,
        largest=float(known.max()) if known.size else None,
        constant_features=tuple(features[constant]),
        equal_features=_equal(values, cohort.features, constant),
        outlying_samples=tuple(samples[outlying]),
        variants=len(variants) if genotypes else 0,
        ambiguous_variants=sum(each.ambiguous for each in variants) if genotypes else 0,
        swapped_variants=sum(each.swapped for each in variants) if genotypes else 0,
        warnings=(),
        notes=cohort.notes,
    )
    told = _warnings(check, known, genotypes=genotypes)
    return DataCheck(**{**asdict(check), "warnings": tuple(told)})


def _classes(cohort: Cohort) -> dict[str, int]:
    if cohort.labels is None or cohort.positive is None or cohort.negative is None:
        return {}
    positives = int(cohort.labels.sum())
    return {cohort.positive: positives, cohort.negative: len(cohort.labels) - positives}


def _outlying(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    spread = np.nanstd(values, axis=0)
    told = spread > 0
    if not told.any():
        return np.zeros(len(values), bool)
    scaled = (values[:, told] - np.nanmean(values[:, told], axis=0)) / spread[told]
    level = np.nanmean(scaled, axis=1)
    distance = np.abs(level - np.nanmedian(level))
    deviation = _NORMAL * np.nanmedian(distance)
    return distance > _MOST_DEVIATIONS * deviation if deviation > 0 else np.zeros(len(level), bool)


def _equal(
    values: npt.NDArray[np.float64], names: tuple[str, ...], constant: npt.NDArray[np.bool_]
) -> tuple[tuple[str, ...], ...]:
    """Return groups of features whose values are the same in every sample, constant ones aside."""
    groups: dict[bytes, list[str]] = {}
    columns = np.ascontiguousarray(values.T)
    for name, column, flat in zip(names, columns, constant, strict=True):
        if not flat and not np.isnan(column).all():
            groups.setdefault(hashlib.sha256(column.tobytes()).digest(), []).append(name)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _warnings(check: DataCheck, known: npt.NDArray[np.float64], *, genotypes: bool) -> list[str]:
    told = []
    for what, names, why in (
        ("sample", check.mostly_missing_samples, "with more than 20 % of the values missing"),
        ("feature", check.mostly_missing_features, "with more than 20 % of the values missing"),
        ("feature", check.constant_features, "with one value only: they tell nothing"),
        ("sample", check.outlying_samples, "far from the others on average"),
    ):
        if names:
            told.append(f"{counted(len(names), what)} {why}: {examples(names)}.")
    if check.equal_features:
        first = " = ".join(check.equal_features[0][:3])
        told.append(
            f"{counted(len(check.equal_features), 'group')} of features with the same values: "
            f"{first}."
        )
    if genotypes:
        if known.size and (known.min() < 0 or known.max() > _LARGEST_DOSAGE):
            told.append("There are genotypes outside 0 to 2: they are to be dosages of alt.")
        if check.ambiguous_variants:
            told.append(
                f"{counted(check.ambiguous_variants, 'variant')} of alleles A/T or C/G: the strand "
                "can not be told, all sites must use one."
            )
    elif _unlogged(known):
        told.append("The values look as if no logarithm had been taken (GEO2R's rule).")
    if check.classes and min(check.classes.values()) < 10:
        told.append("A class has fewer than 10 samples.")
    return told


def _unlogged(known: npt.NDArray[np.float64]) -> bool:
    if not known.size:
        return False
    smallest, quarter, most, largest = np.quantile(known, [0.0, 0.25, 0.99, 1.0])
    return bool(most > 100 or (largest - smallest > 50 and quarter > 0))
