"""What a study adjusts for, in the forms that readers, training and model each need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohortium.data import Covariate, scale
from cohortium.data.cohort import Labels
from cohortium.learn import AdjustedCohort, Adjustment, Model, ModelCovariate
from cohortium.learn import Cohort as TrainingRows
from cohortium.learn.blocks import Columns
from cohortium.study import Study


def training_rows(
    values: Columns,
    labels: Labels,
    weights: NDArray[np.float64] | None,
    covariates: NDArray[np.float64] | None,
) -> TrainingRows | AdjustedCohort:
    """Return what an owner brings to a training: weights and covariates where it has such."""
    if weights is None:
        return (values, labels) if covariates is None else (values, labels, covariates)
    if covariates is None:
        return values, labels, weights
    return values, labels, weights, covariates


def adjustment_of(study: Study) -> Adjustment | None:
    """Return what the training needs of covariates and site indicators, None without both."""
    covariates = study.covariates
    sites = len(study.with_role("data")) - 1 if study.model.site_indicators else 0
    if not covariates and not sites:
        return None
    # Of the levels of a covariate one is 1 at most.
    columns = sum(len(covariate.columns) for covariate in covariates)
    return Adjustment(columns, float(len(covariates)), sites)


def model_parts(study: Study, weights: NDArray[np.float64]) -> dict[str, Any]:
    """Return intercept, covariates and sites of a ``Model``, from weights without penalty.

    ``weights`` are for covariates brought to −1 … 1, then sites, the intercept last. The model's
    are for a covariate's own unit: for a year of age.
    """
    covariates = study.covariates
    middle, half_width = scale(covariates)
    own = weights[: len(middle)] / half_width
    sites: dict[str, float] = {}
    if study.model.site_indicators:
        effects = [0.0, *weights[len(middle) : -1].tolist()]
        sites = dict(zip(study.with_role("data"), effects, strict=True))
    return {
        "intercept": float(weights[-1] - own @ middle),
        "covariates": _model_covariates(covariates, own),
        "sites": sites,
    }


def covariates_of_model(model: Model) -> tuple[Covariate, ...]:
    """Return a model's covariates, as readers need them for new samples."""
    return tuple(
        Covariate(each.name, each.range, each.levels, each.fill) for each in model.covariates
    )


def _model_covariates(
    covariates: Sequence[Covariate], weights: NDArray[np.float64]
) -> tuple[ModelCovariate, ...]:
    parts, start = [], 0
    for covariate in covariates:
        stop = start + len(covariate.columns)
        own = tuple(weights[start:stop].tolist())
        parts.append(
            ModelCovariate(covariate.name, own, covariate.range, covariate.levels, covariate.fill)
        )
        start = stop
    return tuple(parts)
