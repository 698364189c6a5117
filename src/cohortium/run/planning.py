"""From a study and the sites' sizes to the plan of its training, and the training by that plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cohortium.data import fold_assignment
from cohortium.learn import (
    FEATURE_STATISTICS,
    Cohort,
    DualParameters,
    DualPlan,
    PrimalParameters,
    PrimalPlan,
    Watcher,
    plan_dual,
    plan_primal,
    train,
    train_primal,
)
from cohortium.learn.form import as_primal, cheaper, dual_cost, primal_cost
from cohortium.mpc import Protocol
from cohortium.study import Study

Plan: TypeAlias = DualPlan | PrimalPlan


def dual_parameters(study: Study) -> DualParameters:
    """Return the study's model section as parameters of a training in the dual."""
    model = study.model
    weight = model.class_weight
    return DualParameters(
        l2=tuple(model.l2),
        iterations=model.iterations,
        logit_bound=model.logit_bound,
        sigmoid=model.sigmoid,
        sigmoid_error=model.sigmoid_error,
        class_weight=(weight[0], weight[1]) if isinstance(weight, list) else weight,
        weight_bound=model.weight_bound,
        standardised=study.preparation.standardise != "none",
        value_bound=study.preparation.value_bound if study.secretly_pooled else None,
    )


def make_plan(study: Study, sizes: Mapping[str, int], features: int) -> tuple[Plan, str]:
    """Return the plan of the study's training, and which form it has and why.

    Everybody comes to the same from the study and the agreed sizes. Raises
    FixedPointOverflowError where it does not fit.
    """
    samples, clip, model = sum(sizes.values()), study.preparation.clip, study.model
    if model.batch or model.learning_rate or model.momentum:
        plan = plan_primal(samples, features, clip, _stepwise(study, samples, features))
        return plan, f"primal, as the steps are given ({primal_cost(plan)} predicted)"
    folds = None
    if study.validation is not None:
        folds = fold_assignment(list(sizes.values()), study.validation.folds)
    parameters = dual_parameters(study)
    if model.form == "primal":
        plan = plan_primal(samples, features, clip, as_primal(features, clip, parameters))
        return plan, f"primal, as the study asks ({primal_cost(plan)} predicted)"
    if model.form == "dual" or study.secretly_pooled:
        dual = plan_dual(samples, features, clip, parameters, folds)
        why = "as the study asks" if model.form == "dual" else "for pooled moments that stay secret"
        return dual, f"dual, {why} ({dual_cost(dual)} predicted)"
    return cheaper(samples, features, clip, parameters, folds)


def _stepwise(study: Study, samples: int, features: int) -> PrimalParameters:
    model = study.model
    # Where no learning rate is given: 1/L for standardised features, as in the dual.
    rate = model.learning_rate or min(1.0, 4.0 / (features + 1.0))
    return PrimalParameters(
        l2=model.l2[0],
        steps=model.iterations,
        batch=None if model.batch is None else min(model.batch, samples),
        learning_rate=rate,
        momentum=model.momentum or 0.0,
        logit_bound=model.logit_bound,
        sigmoid_error=model.sigmoid_error,
    )


def run_training(
    protocol: Protocol,
    study: Study,
    plan: Plan,
    sizes: Mapping[str, int],
    owned: Mapping[str, Cohort],
    disclosures: Mapping[str, Sequence[str]],
    watcher: Watcher | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Return what the training reveals to this party, by name.

    What the sites prepare together is revealed before it (``together.run_preparation``).
    """
    disclosures = {name: to for name, to in disclosures.items() if name != FEATURE_STATISTICS}
    if isinstance(plan, PrimalPlan):
        return train_primal(protocol, plan, sizes, owned, disclosures, watcher)
    return train(
        protocol,
        plan,
        sizes,
        owned,
        disclosures,
        watcher,
        choose=study.validation.choose if study.validation is not None else None,
        minimum_count=study.minimum_counts.get("calibration"),
    )
