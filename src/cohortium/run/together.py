"""What the sites prepare together before the training, and each site's rows prepared by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cohortium.data import Cohort, PooledStatistics, class_sums, site_moments, with_features
from cohortium.data.values import Matrix
from cohortium.learn import FEATURE_STATISTICS, ClassSums, Moments, Watcher, pooled_moments
from cohortium.mpc import Protocol
from cohortium.ring import Engine
from cohortium.run.agreeing import Agreed
from cohortium.run.timeline import Event
from cohortium.study import Study


def run_preparation(
    protocol: Protocol,
    study: Study,
    sizes: Mapping[str, int],
    features: int,
    moments: Mapping[str, Moments],
    disclosures: Mapping[str, Sequence[str]],
    watcher: Watcher | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Return what is revealed to this party before the training, by name; often nothing.

    "feature_statistics", 2 × features: pooled means and variances, where the study lists them.
    Four rounds. ``moments`` are those of the owners at this party.
    """
    bound = study.preparation.value_bound
    if FEATURE_STATISTICS not in disclosures or bound is None:
        return {}
    if watcher is not None:
        watcher.phase("prepare together")
    pooled = pooled_moments(protocol, sizes, features, moments, bound)
    received = pooled.reveal(FEATURE_STATISTICS, disclosures[FEATURE_STATISTICS])
    return {} if received is None else {FEATURE_STATISTICS: received}


def statistics_of(
    study: Study, features: tuple[str, ...], received: Mapping[str, NDArray[np.float64]]
) -> PooledStatistics | None:
    """Return the pooled statistics that were revealed to this party, None if none were."""
    bound = study.preparation.value_bound
    if FEATURE_STATISTICS not in received or bound is None:
        return None
    mean, variance = received[FEATURE_STATISTICS]
    # Rounding may leave a variance of 0 one unit below it.
    return PooledStatistics(features, mean, np.maximum(variance, 0.0), bound)


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
    moments = {} if aligned is None else {name: site_moments(aligned)}
    # A program of its own, since what it reveals is needed to make the training's inputs.
    received: dict[str, NDArray[np.float64]] = engine.run(
        lambda: run_preparation(
            protocol, study, agreed.sizes, agreed.feature_count, moments, disclosures, watcher
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
