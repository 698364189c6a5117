"""The whole of a training in the dual, from the owners' rows to what is revealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cohortium.learn import evaluation, feature_scores
from cohortium.learn.adjusting import project
from cohortium.learn.checkpoints import Checkpoints, kept_kernel
from cohortium.learn.dual import (
    AdjustedCohort,
    Cohort,
    Fit,
    SharedRows,
    WeightedCohort,
    fit_dual,
    gram_matrix,
    held_out_logits,
    model_weights,
    share_cohorts,
)
from cohortium.learn.dual_plan import DualPlan
from cohortium.learn.evaluation import SMALLER_IS_BETTER, Evaluation
from cohortium.learn.feature_selection import (
    SELECTED_FEATURES,
    select_features,
    selected_gram,
)
from cohortium.learn.guard import BOUNDS, check
from cohortium.learn.pooling import pooled_gram, pooled_rows, raw_weights
from cohortium.learn.ranking import TENTHS, calibration
from cohortium.learn.selection import best
from cohortium.learn.selection_rule import ClassSums
from cohortium.learn.watching import Watcher
from cohortium.learn.weighting import class_balance, sample_weights, trace, weighted_kernel
from cohortium.mpc import Protocol as SecureProtocol
from cohortium.mpc import SecretTensor, concatenate, prepare

MODEL = "model"
CALIBRATION = "calibration"
_REMEDIES = evaluation.REMEDIES | feature_scores.REMEDIES


def train(
    protocol: SecureProtocol,
    plan: DualPlan,
    sizes: Mapping[str, int],
    owned: Mapping[str, Cohort | WeightedCohort | AdjustedCohort],
    disclosures: Mapping[str, Sequence[str]],
    watcher: Watcher | None = None,
    *,
    choose: str | None = None,
    minimum_count: int | None = None,
    checkpoints: Checkpoints | None = None,
    sums: Mapping[str, ClassSums] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Return what is revealed to this party, by name.

    ``disclosures`` names what is computed and revealed, and to whom; the ledger must list it too:
    "bounds" (1 for each statement that held), "model" ((features + covariates' columns + site
    indicators + 1) × λ's, intercept last; with
    ``choose`` × 1, the model of the λ with the best held-out value of that metric, which itself
    stays secret), and with folds any metric's name (one value for each λ) and "calibration" (2 × 10
    × λ's: held-out negatives and positives by tenths of the predicted probability, all folds
    together; counts below ``minimum_count`` suppressed). Where the plan has a selection,
    "selected_features" (a bit for each feature; the model's other weights are 0), and ``sums`` are
    those of the owners at this party. ``checkpoints`` keep the state now and then, until something
    is revealed beside "bounds", and are gone on from; not where the plan has a selection. The
    protocol's parties all call this with the same arguments, ``owned``, ``sums`` and what is kept
    apart. Raises BoundError at those who are told of a statement that did not hold, before anything
    else is revealed.
    """
    enter = watcher.phase if watcher is not None else lambda _name: None
    enter("share")
    bound, pooled, selected = plan.parameters.value_bound, None, None
    if bound is None:
        rows = share_cohorts(protocol, plan, sizes, owned)
        if plan.selection is not None:
            enter("select features")
            selected = select_features(protocol, plan, plan.selection, sizes, sums or {})
    else:
        pooled = pooled_rows(protocol, plan, sizes, owned, bound)
        rows = SharedRows((), pooled.labels, None)
    enter("Gram matrix")
    if checkpoints is not None and checkpoints.done is not None:
        weights = sample_weights(rows.labels, rows.weights, plan)
        kernel = kept_kernel(checkpoints, protocol, plan)
    else:
        if pooled is not None:
            kernel = pooled_gram(pooled, plan)
        elif selected is not None and plan.selection is not None:
            kernel = selected_gram(rows.blocks, selected.masks, plan, plan.selection)
        else:
            kernel = gram_matrix(rows.blocks, plan)
        weights = sample_weights(rows.labels, rows.weights, plan)
        if weights is not None:
            kernel = weighted_kernel(kernel, weights, plan)
        if checkpoints is not None:
            checkpoints.keep(0, [kernel])
    prepare([kernel] if weights is None else [kernel, weights])
    projection = None
    if plan.adjustment is not None:
        enter("covariates")
        projection = project(
            protocol, rows.covariates, weights, sizes, plan.adjustment, plan.gram_bits
        )
    enter("iterations")
    on_iteration = watcher.iteration if watcher is not None else None
    fit = fit_dual(kernel, rows.labels, weights, plan, on_iteration, projection, checkpoints)
    statements = _statements(kernel, rows, fit, plan)
    if selected is not None:
        statements |= selected.statements
    received: dict[str, NDArray[np.float64] | None] = {}
    metrics: dict[str, SecretTensor] = {}
    others = (BOUNDS, MODEL, SELECTED_FEATURES)
    names = [name for name in disclosures if name not in others] if plan.folds else []
    if plan.folds:
        enter("evaluate")
        wanted = [*names, choose] if choose and choose not in names else names
        metrics, assumed = _evaluate(rows, fit, plan, wanted, minimum_count)
        statements |= assumed
    dual, intercept = _revealed_columns(fit, metrics, choose, plan)
    result = None
    if MODEL in disclosures and pooled is not None:
        result, assumed = raw_weights(pooled, dual, intercept, plan)
        statements |= assumed
    enter("check")
    received[BOUNDS] = check(statements, disclosures[BOUNDS], _REMEDIES)
    enter("reveal")
    mask = None if selected is None else selected.masks[-1]
    if MODEL in disclosures and result is None:
        result = model_weights(rows.blocks, dual, intercept, weights, plan, mask)
    if checkpoints is not None:
        # At the last moment: a large model's weights take as long as its Gram matrix. All have done
        # so when a share of the first reveal leaves, as transcripts are compared before.
        checkpoints.end()
    for name in names:
        received[name] = metrics[name].reveal(name, disclosures[name])
    if SELECTED_FEATURES in disclosures and mask is not None:
        received[SELECTED_FEATURES] = mask.reveal(SELECTED_FEATURES, disclosures[SELECTED_FEATURES])
    if result is not None:
        received[MODEL] = result.reveal(MODEL, disclosures[MODEL])
    return {name: values for name, values in received.items() if values is not None}


def _revealed_columns(
    fit: Fit, metrics: Mapping[str, SecretTensor], choose: str | None, plan: DualPlan
) -> tuple[SecretTensor, SecretTensor]:
    """Return dual coefficients and intercepts of the models on all samples, or of the best one."""
    on_all = slice(len(plan.folds) * plan.models, None)
    dual, intercept = fit.dual[:, on_all], fit.intercept[:, on_all]
    if choose is None or not plan.folds:
        return dual, intercept
    signed = -metrics[choose] if choose in SMALLER_IS_BETTER else metrics[choose]
    # Of equals the strongest regularisation.
    preference = np.argsort(plan.parameters.l2)[::-1]
    chosen = best(signed, [int(place) for place in preference])
    column = chosen.reshape(plan.models, 1)
    prepare([dual, intercept, column])
    # One of the column's bits is 1, so nothing becomes larger.
    return dual.matmul(column, bound=dual.bound), intercept.matmul(column, bound=intercept.bound)


def _statements(
    kernel: SecretTensor, rows: SharedRows, fit: Fit, plan: DualPlan
) -> dict[str, tuple[SecretTensor, float]]:
    """Return what was taken for granted, in words: a tensor, and what it must not exceed."""
    parameters = plan.parameters
    logits = concatenate([fit.logits, *fit.earlier_logits])
    score = "prediction" if parameters.kind == "linear" else "logit"
    statements = {
        f"no {score} exceeds logit_bound = {plan.logit_bound:g}": (logits, plan.logit_bound)
    }
    if parameters.class_weight == "balanced":
        bound = parameters.weight_bound
        statements[f"no class weight exceeds weight_bound = {bound:g}"] = (
            class_balance(rows.labels),
            plan.samples * (1 - 1 / bound),
        )
        statements["the rows of both classes are about as long"] = (trace(kernel), plan.most_trace)
    return statements


def _evaluate(
    rows: SharedRows,
    fit: Fit,
    plan: DualPlan,
    names: Sequence[str],
    minimum_count: int | None,
) -> tuple[dict[str, SecretTensor], dict[str, tuple[SecretTensor, float]]]:
    """Return the metrics by name, and what they take for granted."""
    labels = rows.labels[np.concatenate(plan.folds)]
    logits = held_out_logits(fit.logits, plan)
    evaluation = Evaluation(logits, labels, [len(fold) for fold in plan.folds])
    found = evaluation.metrics([name for name in names if name != CALIBRATION])
    if CALIBRATION in names:
        cuts = np.log(TENTHS / (1 - TENTHS))
        found[CALIBRATION] = calibration(logits, labels, cuts, minimum_count)
    return found, evaluation.statements(names)
