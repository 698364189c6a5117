"""The shape of everything that a training may reveal, known before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence

from cohortium.learn.dual_plan import DualPlan
from cohortium.learn.feature_selection import SELECTED_FEATURES
from cohortium.learn.guard import BOUNDS
from cohortium.learn.moments import FEATURE_STATISTICS
from cohortium.learn.primal_plan import PrimalPlan
from cohortium.learn.ranking import TENTHS
from cohortium.learn.selection_rule import WELCH
from cohortium.learn.training import CALIBRATION, MODEL
from cohortium.mpc.protocol import Shape


def revealed_shapes(
    plan: DualPlan | PrimalPlan,
    names: Sequence[str],
    *,
    choose: str | None = None,
    frequencies: bool = False,
) -> dict[str, Shape]:
    """Return the shape of each named reveal of a training by this plan.

    A model is (features + what is not penalised, the intercept or more) × λ's, one column if the λ
    is chosen in secret, by the metric ``choose``; metrics have a value for each λ, "auc_bounds"
    two, "calibration" two for each tenth; "bounds" has a bit for each statement that is checked;
    "feature_statistics" has a mean and a variance for each feature, or its allele frequency alone,
    "selected_features" a bit.
    """
    if isinstance(plan, PrimalPlan):
        statements, models, unpenalised = 2, 1, 1
    else:
        statements = 3 if plan.parameters.class_weight == "balanced" else 1
        models, unpenalised = plan.models, plan.unpenalised
        statements += plan.parameters.value_bound is not None and MODEL in names
        statements += plan.selection is not None and plan.selection.by == WELCH
    statements += "r2" in (*names, choose)
    shapes: dict[str, Shape] = {}
    for name in names:
        if name == BOUNDS:
            shapes[name] = (statements,)
        elif name == MODEL:
            shapes[name] = (plan.features + unpenalised, 1 if choose else models)
        elif name == FEATURE_STATISTICS:
            shapes[name] = (1 if frequencies else 2, plan.features)
        elif name == SELECTED_FEATURES:
            shapes[name] = (plan.features,)
        elif name == CALIBRATION:
            shapes[name] = (2, len(TENTHS) + 1, models)
        else:
            shapes[name] = (2, models) if name == "auc_bounds" else (models,)
    return shapes
