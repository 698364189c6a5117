"""What the sites prepare together before the training, and each site's rows prepared by it.

What they reveal for it are sums over their samples, of which each must bring enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cohortium.data import (
    Cohort,
    PooledStatistics,
    class_sums,
    count_features,
    site_moments,
    with_features,
)
from cohortium.data.counts import ALLELES, MISSING
from cohortium.data.values import Matrix
from cohortium.errors import AgreementError
from cohortium.learn import (
    FEATURE_STATISTICS,
    KEPT_FEATURES,
    AlleleCounts,
    ClassSums,
    Moments,
    Watcher,
    allele_frequencies,
    pooled_moments,
)
from cohortium.mpc import Protocol
from cohortium.ring import Engine
from cohortium.run.agreeing import Agreed
from cohortium.run.timeline import Event
from cohortium.study import Study


def check_samples(study: Study, sizes: Mapping[str, int], party: str) -> None:
    """Raise AgreementError where an owner brings too few samples for what is to be revealed."""
    few = [f"{name} ({count})" for name, count in sizes.items() if count < study.least_samples]
    if few:
        told = [
            what
            for what in (FEATURE_STATISTICS, KEPT_FEATURES)
            if any(entry.what == what for entry in study.reveal)
        ]
        out = f"the [[reveal]] of {' and '.join(told)}"
        if study.filter is not None:
            # There is none without its reveal.
            out = f"[filter] and {out}"
        raise AgreementError(
            f"Too few samples of {', '.join(few)}: where feature_statistics or kept_features are "
            f"revealed each data owner must bring {study.least_samples} or more, as sums over a "
            "few samples tell of each.",
            remedy="Leave the site out, let it join its samples with another's, or take "
            f"{out} out of the study.",
            party=party,
        )


def run_preparation(
    protocol: Protocol,
    study: Study,
    sizes: Mapping[str, int],
    features: int,
    parts: Mapping[str, Moments | AlleleCounts],
    disclosures: Mapping[str, Sequence[str]],
    watcher: Watcher | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Return what is revealed to this party before the training, by name; often nothing.

    "feature_statistics", where the study lists them: pooled means and variances, 2 × features, in
    four rounds; or allele frequencies, 1 × features, in two more than ``allele_frequencies`` takes.
    ``parts`` are moments or allele counts of the owners at this party.
    """
    settings = study.preparation
    if FEATURE_STATISTICS not in disclosures or settings.largest_value is None:
        return {}
    if watcher is not None:
        watcher.phase("prepare together")
    if settings.by_frequency:
        pooled = allele_frequencies(protocol, sizes, features, parts)
    else:
        pooled = pooled_moments(protocol, sizes, features, parts, settings.largest_value)
    received = pooled.reveal(FEATURE_STATISTICS, disclosures[FEATURE_STATISTICS])
    return {} if received is None else {FEATURE_STATISTICS: received}


def statistics_of(
    study: Study, features: tuple[str, ...], received: Mapping[str, NDArray[np.float64]]
) -> PooledStatistics | None:
    """Return the pooled statistics that were revealed to this party, None if none were."""
    bound = study.preparation.largest_value
    if FEATURE_STATISTICS not in received or bound is None:
        return None
    if study.preparation.by_frequency:
        # Rounding may leave a frequency of 1 one unit above it.
        frequency = np.clip(received[FEATURE_STATISTICS][0], 0.0, 1.0)
        return PooledStatistics.of_frequencies(features, frequency)
    mean, variance = received[FEATURE_STATISTICS]
    # Rounding may leave a variance of 0 one unit below it.
    return PooledStatistics.of_moments(features, mean, np.maximum(variance, 0.0), bound)


def statistics_as_json(study: Study, statistics: PooledStatistics) -> dict[str, list[float]]:
    """Return what a model's file keeps of statistics that were revealed."""
    if study.preparation.by_frequency:
        return {"frequency": (statistics.mean / 2).tolist()}
    return {"mean": statistics.mean.tolist(), "variance": statistics.variance.tolist()}


def prepare_together(
    protocol: Protocol,
    engine: Engine,
    study: Study,
    agreed: Agreed,
    name: str,
    aligned: Cohort | None,
    disclosures: Mapping[str, Sequence[str]],
    watcher: Watcher | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Return what is revealed to party ``name`` before the training; as ``run_preparation``.

    ``aligned`` are its own rows in the common features, where it has such.
    """
    if FEATURE_STATISTICS not in disclosures:
        return {}
    parts: dict[str, Moments | AlleleCounts] = {}
    if aligned is not None and study.preparation.by_frequency:
        missing, alleles = count_features(aligned, (MISSING, ALLELES)).numbers
        parts[name] = (missing, alleles)
    elif aligned is not None:
        parts[name] = site_moments(aligned)
    # A program of its own, since what it reveals is needed to make the training's inputs.
    received: dict[str, NDArray[np.float64]] = engine.run(
        lambda: run_preparation(
            protocol, study, agreed.sizes, agreed.feature_count, parts, disclosures, watcher
        )
    )
    return received


def prepare_by_all(
    study: Study,
    aligned: Cohort,
    received: Mapping[str, NDArray[np.float64]],
    tell: Callable[[Event], None],
) -> Matrix:
    """Return a site's values, prepared by what was revealed to it; as they are if nothing was."""
    statistics = statistics_of(study, aligned.features, received)
    if statistics is None:
        return aligned.values
    prepared, report = statistics.prepare(aligned, study.preparation.clip)
    for line in report.lines():
        tell({"event": "note", "text": line})
    return prepared.values


def sums_to_select_by(
    study: Study,
    agreed: Agreed,
    name: str,
    raw: Cohort | None,
    received: Mapping[str, NDArray[np.float64]],
) -> dict[str, ClassSums]:
    """Return party ``name``'s part of the scores by which features are selected, if they are.

    ``raw`` are its values as they were measured, its samples fold after fold. A missing value
    counts as in the training: as the mean of the site, or of all.
    """
    if study.selection is None or raw is None or agreed.features is None:
        return {}
    aligned, pooled = with_features(raw, agreed.features), None
    if study.preparation.impute == "pooled-mean":
        pooled = statistics_of(study, agreed.features, received)
    folds = [len(raw.samples)] if agreed.folds is None else agreed.folds[name]
    fill = None if pooled is None else pooled.mean
    by_class = study.selection.by == "welch-t"
    return {name: ClassSums(*class_sums(aligned, folds, by_class=by_class, fill=fill))}
