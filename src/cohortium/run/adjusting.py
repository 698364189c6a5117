"""What a study adjusts for, in the forms that readers, training and model each need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohortium.data import Covariate, scale
from cohortium.learn import Adjustment, Model, ModelCovariate
from cohortium.study import Study


def covariates_of(study: Study) -> tuple[Covariate, ...]:
    """Return the study's covariates, as readers need them."""
    data = study.data
    return tuple(
        Covariate(
            name,
            (data.ranges[name][0], data.ranges[name][1]) if name in data.ranges else None,
            tuple(data.levels.get(name, ())),
            data.fill.get(name),
        )
        for name in data.covariates
    )


def adjustment_of(study: Study) -> Adjustment | None:
    """Return what the training needs of covariates and site indicators, None without both."""
    covariates = covariates_of(study)
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
    covariates = covariates_of(study)
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
