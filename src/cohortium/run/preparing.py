"""A site's own rows made ready for a run: read, named as the study says, prepared, by fold."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cohortium.data import (
    Cohort,
    FeatureCounts,
    NamingReport,
    Preparation,
    by_fold,
    check_allele_counts,
    check_raw_values,
    common_names,
    count_features,
    prepare,
    read_argument,
)
from cohortium.data.builds import check_build
from cohortium.data.cohort import Labels
from cohortium.data.wording import counted
from cohortium.errors import LabelError, StudyError
from cohortium.run.agreeing import ToldBuild
from cohortium.run.filtering import filter_plan
from cohortium.run.timeline import Event
from cohortium.study import Study


def read_site_data(argument: str, study: Study) -> Cohort:
    """Return the cohort in the file or files that a ``--data`` argument names."""
    return read_argument(argument, **study.reading)


def preparation_of(study: Study) -> Preparation:
    """Return what a site does to its own values, or to new samples, as the data layer's settings.

    Where all are standardised by secret pooled moments that is imputation alone.
    """
    bound = study.preparation.largest_value
    if study.secretly_pooled and bound is not None:
        return Preparation(standardise="none", clip=bound)
    return Preparation(**study.preparation.model_dump(exclude={"value_bound"}))


def prepare_alone(study: Study, cohort: Cohort) -> tuple[Cohort, list[str]]:
    """Return a cohort after what a site does to its values by itself, and that in words.

    Where values are to be standardised by pooled statistics they are left as they are; missing
    ones too if they will become the pooled mean. DataValueError where one is beyond the bound, or
    no allele count where it must be. Errors otherwise: as ``prepare``.
    """
    settings = study.preparation
    if settings.by_frequency:
        check_allele_counts(cohort)
    if settings.largest_value is not None and (study.secretly_pooled or not settings.by_frequency):
        check_raw_values(cohort, settings.largest_value)
    if study.preparation.impute == "pooled-mean":
        return cohort, []
    prepared, report = prepare(cohort, preparation_of(study))
    return prepared, report.lines()


class Site(NamedTuple):
    """A site's prepared cohort, what was done to its features' names, its folds' sizes, its counts.

    ``raw`` are its values before they were prepared. None each of a party without data; no sizes
    without cross-validation, no counts without a filter. ``build`` is what all are told of its
    genome build, None where features are no variants.
    """

    cohort: Cohort | None = None
    naming: NamingReport | None = None
    folds: list[int] | None = None
    counts: FeatureCounts | None = None
    raw: Cohort | None = None
    build: ToldBuild | None = None


def prepare_site(
    study: Study,
    name: str,
    cohort: Cohort | None,
    tell: Callable[[Event], None],
    fold_seed: int | None = None,
) -> Site:
    """Return party ``name``'s prepared cohort, and what all are told of it.

    ``fold_seed`` makes the same folds of the same samples as once before.

    All errors about its data come before it connects: their texts may quote the data, so they must
    not reach the other parties. StudyError where data and the party's roles do not fit, LabelError
    where there are no labels, or a label or a weight is beyond the study's bound, and what
    ``common_names``, ``check_build``, ``count_features``, ``prepare`` and ``by_fold`` raise.
    """
    owns = name in study.with_role("data")
    if not owns:
        if cohort is not None:
            raise StudyError(
                f"{name!r} does not have the role 'data', but data were given for it.",
                remedy="Leave the data out, or change the study at every site.",
            )
        return Site()
    if cohort is None:
        raise StudyError(
            f"{name!r} has the role 'data', but no data were given.",
            remedy="Name this site's file with --data.",
        )
    if cohort.labels is None:
        raise LabelError(
            f"{cohort.source} has no labels.",
            remedy="Name the label's column in the study file ([data] label), or give a label "
            "file: --data FILE,labels=LABELFILE.",
        )
    _check_bounds(study, cohort)
    named, naming = common_names(cohort, study.features.names, study.features.aliases)
    if study.features.list is not None:
        named = named.select_features(study.features.list)
    counts, folds = None, None
    build = _build(study, named)
    rules = filter_plan(study, len(named.samples), len(named.features))
    if rules is not None:
        counts = count_features(named, rules.counted)
    if study.validation is not None:
        random = None if fold_seed is None else np.random.default_rng(fold_seed)
        named, folds = by_fold(named, study.validation.folds, random)
    prepared, done = prepare_alone(study, named)
    for line in (*prepared.notes, *naming.lines(), *done):
        tell({"event": "note", "text": line})
    return Site(prepared, naming, folds, counts, named, build)


def _build(study: Study, cohort: Cohort) -> ToldBuild | None:
    """Return a site's genome build, the study's if that states one; FeatureError if they differ."""
    stated = study.features.build
    if study.features.names != "variant":
        return None
    if stated is not None:
        check_build(cohort, stated)
    return stated or cohort.build or "unknown"


def _check_bounds(study: Study, cohort: Cohort) -> None:
    """Raise LabelError where a number that the site brings exceeds what the study states."""
    model = study.model
    checked: list[tuple[str, str, float, Labels | None]] = [
        ("weight", "model.weight_bound", model.weight_bound, cohort.weights)
    ]
    if cohort.numeric:
        checked.append(("label", "model.logit_bound", model.logit_bound, cohort.labels))
    for what, key, bound, values in checked:
        if values is None or not (beyond := np.flatnonzero(np.abs(values) > bound)).size:
            continue
        largest = float(np.abs(values).max())
        raise LabelError(
            f"{cohort.source}: the {what} of {counted(len(beyond), 'sample')} exceeds the study's "
            f"{key} = {bound:g}, of {cohort.samples[beyond[0]]!r} for one; the largest is "
            f"{largest:g}.",
            remedy=f"State a larger {key.removeprefix('model.')} in the study file, or give the "
            f"{what}s in a larger unit at every site.",
        )
