"""From a study and the sites' sizes to the plan of its training, and the training by that plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cohortium.data import assignment_of, fold_assignment
from cohortium.learn import (
    FEATURE_STATISTICS,
    KEPT_FEATURES,
    AdjustedCohort,
    ClassSums,
    Cohort,
    DualParameters,
    DualPlan,
    PrimalParameters,
    PrimalPlan,
    SelectionRule,
    Watcher,
    plan_dual,
    plan_primal,
    revealed_shapes,
    train,
    train_primal,
)
from cohortium.learn.checkpoints import Checkpoints
from cohortium.learn.form import as_primal, cheaper, dual_cost, largest_weight, primal_cost
from cohortium.mpc import Protocol
from cohortium.run.adjusting import adjustment_of
from cohortium.study import DisclosureLedger, Study

Plan: TypeAlias = DualPlan | PrimalPlan
# What is revealed before the training, by programs of their own.
_BEFORE = (FEATURE_STATISTICS, KEPT_FEATURES)


def dual_parameters(study: Study) -> DualParameters:
    """Return the study's model section as parameters of a training in the dual."""
    model = study.model
    weight = model.class_weight
    return DualParameters(
        kind=model.kind,
        l2=tuple(model.l2),
        iterations=model.iterations,
        logit_bound=model.logit_bound,
        sigmoid=model.sigmoid,
        sigmoid_error=model.sigmoid_error,
        class_weight=(weight[0], weight[1]) if isinstance(weight, list) else weight,
        sample_weights=study.data.weight is not None,
        weight_bound=model.weight_bound,
        mean_square=_mean_square(study),
        value_bound=study.preparation.largest_value if study.secretly_pooled else None,
        allele_counts=study.preparation.by_frequency,
    )


def _mean_square(study: Study) -> float | None:
    """Return the most that a standardised feature's mean square can be, None where none is."""
    if study.preparation.standardise == "none":
        return None
    # Of counts from 0 to 2 with mean m it is at most m(2 − m), where all are 0 or 2.
    return 2.0 if study.preparation.by_frequency else 1.0


def selection_rule(study: Study) -> SelectionRule | None:
    """Return by what the study's features are selected, None where all are trained on."""
    selection, bound = study.selection, study.preparation.largest_value
    if selection is None or bound is None:
        return None
    return SelectionRule(selection.by, selection.top, bound)


def make_plan(
    study: Study,
    sizes: Mapping[str, int],
    features: int,
    fold_sizes: Mapping[str, Sequence[int]] | None = None,
) -> tuple[Plan, str]:
    """Return the plan of the study's training, and which form it has and why.

    ``fold_sizes`` are each owner's; without, folds are as large as those of no groups. Everybody
    comes to the same from the study and the agreed sizes. Raises FixedPointOverflowError where it
    does not fit.
    """
    adjustment = adjustment_of(study)
    samples, clip, model = sum(sizes.values()), study.preparation.clip, study.model
    if model.batch or model.learning_rate or model.momentum:
        plan = plan_primal(samples, features, clip, _stepwise(study, samples, features))
        return plan, f"primal, as the steps are given ({primal_cost(plan)} predicted)"
    folds = None
    if study.validation is not None:
        folds = fold_assignment(list(sizes.values()), study.validation.folds)
        if fold_sizes is not None:
            folds = assignment_of([fold_sizes[name] for name in sizes])
    parameters = dual_parameters(study)
    if model.form == "primal":
        plan = plan_primal(samples, features, clip, as_primal(features, clip, parameters))
        return plan, f"primal, as the study asks ({primal_cost(plan)} predicted)"
    selection = selection_rule(study)
    if model.form == "dual" or study.secretly_pooled or selection is not None:
        dual = plan_dual(samples, features, clip, parameters, folds, adjustment, selection)
        why = "as the study asks" if model.form == "dual" else "for pooled moments that stay secret"
        if selection is not None:
            why = "for features that are selected in secret"
        return dual, f"dual, {why} ({dual_cost(dual)} predicted)"
    return cheaper(samples, features, clip, parameters, folds, adjustment)


def fix_shapes(ledger: DisclosureLedger, study: Study, plan: Plan) -> None:
    """State in the ledger the shape of all that follows from the plan of the training."""
    choose = study.validation.choose if study.validation is not None else None
    names = [name for name in ledger.allowed if name != KEPT_FEATURES]
    by_frequency = study.preparation.by_frequency
    ledger.fix_shapes(revealed_shapes(plan, names, choose=choose, frequencies=by_frequency))


def _stepwise(study: Study, samples: int, features: int) -> PrimalParameters:
    model = study.model
    # Where no learning rate is given: 1/L for standardised features, as in the dual.
    curvature = 0.25 if model.kind == "logistic" else 1.0
    squares = features * (_mean_square(study) or 1.0)
    rate = model.learning_rate or min(1.0, 1.0 / (curvature * (squares + 1.0)))
    return PrimalParameters(
        kind=model.kind,
        l2=model.l2[0],
        steps=model.iterations,
        batch=None if model.batch is None else min(model.batch, samples),
        learning_rate=rate,
        momentum=model.momentum or 0.0,
        logit_bound=model.logit_bound,
        weight_bound=largest_weight(model.kind, model.logit_bound),
        sigmoid_error=model.sigmoid_error,
    )


def run_training(
    protocol: Protocol,
    study: Study,
    plan: Plan,
    sizes: Mapping[str, int],
    owned: Mapping[str, Cohort | AdjustedCohort],
    disclosures: Mapping[str, Sequence[str]],
    watcher: Watcher | None = None,
    sums: Mapping[str, ClassSums] | None = None,
    checkpoints: Checkpoints | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Return what the training reveals to this party, by name.

    ``owned`` has weights where the study's samples have; such a study is trained in the dual.
    ``sums`` are what the owners at this party bring to select features by. What the sites prepare
    together is revealed before it (``together.run_preparation``), and what they keep
    (``filtering.run_filter``). ``checkpoints`` are of a training in the dual.
    """
    disclosures = {name: to for name, to in disclosures.items() if name not in _BEFORE}
    if isinstance(plan, PrimalPlan):
        rows = {name: (own[0], own[1]) for name, own in owned.items()}
        return train_primal(protocol, plan, sizes, rows, disclosures, watcher)
    return train(
        protocol,
        plan,
        sizes,
        owned,
        disclosures,
        watcher,
        choose=study.validation.choose if study.validation is not None else None,
        minimum_count=study.minimum_counts.get("calibration"),
        checkpoints=checkpoints,
        sums=sums,
    )
