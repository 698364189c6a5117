"""Covariates without penalty: weights against Newton's method, rounds, and the projection."""

from __future__ import annotations

import numpy as np
import pytest
from learn_trainings import DISCLOSURES, train_clear, train_secure
from mpc_parties import names_of, run_parties

from cohortium.learn import Adjustment, DualParameters, plan_dual, revealed_shapes, train
from cohortium.learn.adjusting import project
from cohortium.mpc import InputRequest, secret_inputs
from cohortium.mpc.clear import EXACT, ClearProtocol

SIZES = {"p0": 40, "p1": 60, "p2": 50}


def newton(values, free, labels, l2, weights=None):
    """Return the optimum of the mean log-loss + λ/2·‖w‖², w the weights of ``values`` alone."""
    design = np.hstack([values, free])
    penalty = np.append(np.full(values.shape[1], l2), np.zeros(free.shape[1]))
    v = np.ones(len(labels)) if weights is None else weights
    w = np.zeros(design.shape[1])
    for _ in range(60):
        p = 1 / (1 + np.exp(-design @ w))
        slope = design.T @ (v * (p - labels)) / len(labels) + penalty * w
        curve = (design * (v * p * (1 - p))[:, None]).T @ design / len(labels) + np.diag(penalty)
        w = w - np.linalg.solve(curve, slope)
    return w


class Rows:
    """Three owners' samples whose outcome depends on the owner, on age, and on a level of three.

    Age lies in a tenth of its range, far from the middle: nearly the constant times a number.
    """

    def __init__(self, features: int = 30, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        n = sum(SIZES.values())
        self.owner = np.repeat(np.arange(3), list(SIZES.values()))
        self.values = np.clip(rng.normal(size=(n, features)), -8, 8)
        age = 0.6 + 0.05 * np.clip(rng.normal(size=n), -3, 3)
        level = rng.choice(3, n, p=[0.6, 0.3, 0.1])
        self.covariates = np.column_stack([age, level == 1, level == 2]).astype(float)
        score = self.values[:, 0] + 20 * (age - 0.6) + (level == 1) - self.owner
        self.labels = (score + rng.logistic(size=n) > -0.8).astype(np.int64)
        self.free = np.column_stack(
            [self.covariates, self.owner[:, None] == [1, 2], np.ones(n)]
        ).astype(float)

    def divided(self, *further: np.ndarray) -> dict[str, tuple[np.ndarray, ...]]:
        columns = (self.values, self.labels, *further, self.covariates)
        return {
            name: tuple(column[self.owner == place] for column in columns)
            for place, name in enumerate(SIZES)
        }

    def plan(self, assignment=None, **parameters):
        return plan_dual(
            *self.values.shape,
            8.0,
            DualParameters(**parameters),
            assignment,
            Adjustment(covariates=3, row_square=2.0, sites=2),
        )


def apart(got, expected, features):
    """Return the largest difference of the features' weights and of the others, to the largest."""
    off = np.abs(got - expected)
    return [
        off[part].max() / np.abs(expected[part]).max()
        for part in (slice(features), slice(features, None))
    ]


@pytest.mark.parametrize("computing", [2, 3, 4])
def test_weights_are_those_of_a_regression_that_does_not_penalise_covariates(computing):
    rows = Rows()
    plan = rows.plan(iterations=150, l2=(0.1, 1.0))
    got = train_secure(plan, rows.divided(), computing)
    assert got.shape == (30 + 3 + 2 + 1, 2) == revealed_shapes(plan, ["model"])["model"]
    for column, l2 in enumerate(plan.parameters.l2):
        expected = newton(rows.values, rows.free, rows.labels, l2)
        assert max(apart(got[:, column], expected, 30)) <= 0.01
    assert max(apart(got, train_clear(plan, rows.divided()), 30)) <= 0.003


@pytest.mark.parametrize("weights", ["balanced", (1.0, 3.5), "own", "both"])
def test_weights_of_samples(weights):
    rows = Rows(seed=1)
    own = np.random.default_rng(2).uniform(0.2, 3, len(rows.labels))
    class_weight = "balanced" if weights == "both" else None if weights == "own" else weights
    brought = weights in ("own", "both")
    plan = rows.plan(
        iterations=200,
        l2=(0.1,),
        class_weight=class_weight,
        sample_weights=brought,
        weight_bound=4.0,
    )
    owned = rows.divided(own) if brought else rows.divided()
    expected = np.ones(len(rows.labels))
    if class_weight == "balanced":
        expected = (len(rows.labels) / 2 / np.bincount(rows.labels))[rows.labels]
    elif class_weight is not None:
        expected = np.array(class_weight)[rows.labels]
    if brought:
        expected = expected * own
    optimum = newton(rows.values, rows.free, rows.labels, 0.1, expected)
    assert max(apart(train_secure(plan, owned)[:, 0], optimum, 30)) <= 0.01


def test_site_indicators_alone():
    rows = Rows()
    adjustment = Adjustment(sites=2)
    plan = plan_dual(
        *rows.values.shape, 8.0, DualParameters(l2=(0.1,), iterations=150), None, adjustment
    )
    got = train_secure(plan, {name: owned[:2] for name, owned in rows.divided().items()})
    expected = newton(rows.values, rows.free[:, 3:], rows.labels, 0.1)
    assert max(apart(got[:, 0], expected, 30)) <= 0.01


def test_linear_regression():
    rows = Rows(seed=3)
    rows.labels = 0.2 * rows.values[:, 0] + rows.free @ [10.0, 1.0, -0.5, 0.3, -0.3, -6.0]
    plan = rows.plan(kind="linear", iterations=300, l2=(0.1,), logit_bound=16.0)
    got = train_secure(plan, rows.divided())[:, 0]
    design = np.hstack([rows.values, rows.free])
    penalty = np.diag(np.append(np.full(30, 0.1 * len(design)), np.zeros(6)))
    expected = np.linalg.solve(design.T @ design + penalty, design.T @ rows.labels)
    assert max(apart(got, expected, 30)) <= 0.01


def test_a_level_that_nobody_has_and_a_covariate_twice_do_no_harm():
    """The inverse does not exist; predictions are those without the superfluous columns."""
    rows = Rows(seed=4)
    rows.covariates[:, 2] = 0.0
    rows.covariates[:, 1] = rows.covariates[:, 0]
    plan = rows.plan(iterations=200, l2=(0.1,))
    got = train_secure(plan, rows.divided())[:, 0]
    needed = np.delete(rows.free, [1, 2], axis=1)
    needed[:, 0] = rows.covariates[:, 0]
    expected = newton(rows.values, needed, rows.labels, 0.1)
    rows.free[:, :3] = rows.covariates
    logits = np.hstack([rows.values, rows.free]) @ got
    wanted = np.hstack([rows.values, needed]) @ expected
    assert np.abs(logits - wanted).max() <= 0.01 * np.abs(wanted).max()
    assert abs(got[32]) < 0.01


@pytest.mark.parametrize("columns", [1, 50])
def test_two_rounds_an_iteration_however_many_columns(columns):
    """One column, and ten folds by five λ's less those on all samples: 50."""
    rows = Rows(features=12)
    assignment = None if columns == 1 else np.arange(len(rows.labels)) % 9
    l2 = (1.0,) if columns == 1 else (0.1, 0.3, 1.0, 3.0, 10.0)
    rounds = []
    for iterations in (3, 6):
        plan = rows.plan(assignment, iterations=iterations, l2=l2)
        assert plan.columns == columns

        def program(protocol, me, plan=plan):
            owned = rows.divided()
            mine = {me: owned[me]} if me in owned else {}
            train(protocol, plan, SIZES, mine, DISCLOSURES)
            return protocol.counters.rounds

        rounds.append(run_parties(program, 3)["p0"])
    assert rounds[1] - rounds[0] == 3 * 2
    # 2T + 17 without covariates; the projection's 30, and two to make weights of residuals.
    assert rounds[0] == 2 * 3 + 17 + 32


def test_the_projection_is_the_power_series_of_the_inverse(computing):
    """Against float64: eigenvalues are 2^exponent·(1 − (1 − λ)^4096), so never above 2^exponent."""
    rows = Rows(seed=5)
    plan = rows.plan().adjustment
    assert plan is not None

    def program(protocol, me):
        shape = rows.covariates.shape
        given = rows.covariates if me == "p0" else None
        request = InputRequest("covariates", "p0", given, shape, 15, 1.0)
        (covariates,) = secret_inputs(protocol, [request])
        before = protocol.counters.rounds
        found = project(protocol, covariates, None, SIZES, plan, 15)
        rounds = protocol.counters.rounds - before
        told = names_of(2)
        return rounds, found.logits.reveal("F", told), found.solver.reveal("A", told)

    rounds, projection, solver = run_parties(program, computing)["p0"]
    assert rounds == 30
    left, sizes, _ = np.linalg.svd(rows.free * 2.0 ** (-plan.spread_exponent / 2), False)
    assert sizes.max() < 1
    scale = 2.0**plan.exponent
    expected = left * (1 - (1 - sizes**2) ** 4096) @ left.T * scale
    assert np.abs(projection - expected).max() <= 2e-3
    again = rows.free @ solver * 2.0 ** (plan.exponent - plan.spread_exponent)
    assert np.abs(again - projection).max() <= 2e-3
    # A row's length is within what the plan states, or the inputs would have been refused.
    assert (rows.free**2).sum(1).max() <= plan.row_square


def test_choosing_a_penalty_keeps_the_covariates():
    rows = Rows(seed=6)
    plan = rows.plan(np.arange(len(rows.labels)) % 3, iterations=100, l2=(0.1, 1.0))
    told = {**DISCLOSURES, "auc": ["p0", "p1"]}
    clear = ClearProtocol(exact=EXACT)
    every = train(clear, plan, SIZES, rows.divided(), told)
    best = int(np.argmax(every["auc"]))
    (chosen,) = train(clear, plan, SIZES, rows.divided(), told, choose="auc")["model"].T
    np.testing.assert_allclose(chosen, every["model"][:, best], atol=1e-6)
