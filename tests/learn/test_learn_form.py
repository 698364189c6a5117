"""Dual or primal by predicted cost; the prediction's rounds are those that are counted."""

from __future__ import annotations

import numpy as np
import pytest
from learn_trainings import DISCLOSURES, made_up, train_primal_clear
from mpc_parties import run_parties

from cohortium.errors import FixedPointOverflowError
from cohortium.learn import (
    DualParameters,
    DualPlan,
    PrimalParameters,
    PrimalPlan,
    plan_primal,
    train,
    train_primal,
)
from cohortium.learn.form import as_primal, cheaper, dual_cost, primal_cost
from cohortium.mpc.clear import EXACT, ClearProtocol


@pytest.mark.parametrize(
    ("samples", "features", "form"),
    [
        (225, 12_634, DualPlan),
        (470, 17_814, DualPlan),
        (5000, 50, PrimalPlan),
        (20_000, 20, PrimalPlan),
    ],
)
def test_many_samples_go_to_the_primal(samples, features, form):
    plan, words = cheaper(samples, features, 8.0, DualParameters(l2=(0.1,)))
    assert isinstance(plan, form)
    assert words.startswith("dual" if form is DualPlan else "primal")


def test_more_values_than_can_be_held_go_to_the_dual():
    parameters = DualParameters(l2=(100.0,))
    assert isinstance(cheaper(1000, 33_554, 8.0, parameters)[0], PrimalPlan)
    plan, _ = cheaper(1000, 33_555, 8.0, parameters)
    assert isinstance(plan, DualPlan)
    assert len(plan.blocks) == 3


@pytest.mark.parametrize("only", [{"l2": (0.1, 1.0)}, {"class_weight": "balanced"}, {}])
def test_what_the_dual_alone_can_stays_there(only):
    parameters = DualParameters(**{"sigmoid_error": 1e-2, "l2": (0.1,), **only})
    folds = None if only else np.arange(1000) % 5
    plan, _ = cheaper(1000, 20, 8.0, parameters, folds)
    assert isinstance(plan, DualPlan)
    assert isinstance(cheaper(1000, 20, 8.0, DualParameters(l2=(0.1,)))[0], PrimalPlan)


def test_where_neither_fits_the_reason_is_told():
    with pytest.raises(FixedPointOverflowError, match="Gram matrix"):
        cheaper(100_000, 50, 8.0, DualParameters(l2=(0.1, 1.0), sigmoid_error=1e-5))


def test_the_predicted_rounds_are_those_that_are_counted():
    """Or two fewer: in a dual this small the coefficients need no rescale before the reveal."""
    samples = made_up(20, 6)
    dual = samples.plan(iterations=9)
    primal = plan_primal(20, 6, 8.0, PrimalParameters(steps=9))
    owned = samples.divided(2)
    sizes = {name: len(labels) for name, (_, labels) in owned.items()}
    for plan, function, cost in (
        (dual, train, dual_cost(dual)),
        (primal, train_primal, primal_cost(primal)),
    ):

        def program(protocol, me, plan=plan, function=function):
            function(protocol, plan, sizes, {me: owned[me]} if me in owned else {}, DISCLOSURES)
            return protocol.counters.rounds

        assert abs(run_parties(program, 2)["p0"] - cost.rounds) <= 2


def test_both_forms_come_to_the_same_model():
    samples = made_up(60, 8)
    owned = samples.divided(2)
    sizes = {name: len(labels) for name, (_, labels) in owned.items()}
    plan = samples.plan(iterations=400, l2=(0.05,))
    dual = train(ClearProtocol(exact=EXACT), plan, sizes, owned, DISCLOSURES)["model"][:, 0]
    primal = train_primal_clear(plan_primal(60, 8, 8.0, as_primal(8, 8.0, plan.parameters)), owned)
    np.testing.assert_allclose(dual, primal, atol=2e-3)
