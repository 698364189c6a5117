"""Training in the primal against float64 with the exact sigmoid, and against its clear twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from learn_trainings import (
    made_up,
    train_primal_clear,
    train_primal_float64,
    train_primal_secure,
)

from cohortium.errors import (
    BoundError,
    EncodingError,
    FixedPointOverflowError,
    ParameterError,
)
from cohortium.learn import PrimalParameters, plan_primal
from cohortium.learn.parameters import PRIMAL_RULES
from cohortium.learn.primal_plan import row_order

TOLERANCE = 2e-4
SCHEDULES = {
    "full batch": {"steps": 40},
    "batches": {"steps": 60, "batch": 32, "learning_rate": 0.3},
    "momentum and decay": {"steps": 60, "batch": 50, "momentum": 0.9, "l2": 0.05},
    "decay": {"steps": 30, "l2": 0.3, "learning_rate": 0.25},
}


def division(kind, owners, count=130, features=6, seed=3):
    """Return the owners' rows, and what they should be trained to."""
    samples = made_up(count, features, seed)
    if kind == "linear":
        rng = np.random.default_rng(seed)
        labels = samples.values[:, :2].sum(1) - 1.5 + rng.normal(size=count) / 4
        samples = type(samples)(samples.values, labels, samples.test_values, labels)
    return samples.divided(owners)


def planned(kind, count=130, features=6, **parameters):
    return plan_primal(count, features, 8.0, PrimalParameters(kind=kind, **parameters))


@pytest.mark.parametrize("computing", [2, 3, 4])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("kind", ["logistic", "linear"])
def test_the_weights_are_those_of_float64(kind, schedule, computing):
    plan, owned = planned(kind, **SCHEDULES[schedule]), division(kind, computing)
    expected = train_primal_float64(plan, owned)
    assert 0.4 < np.abs(expected).max() < 3
    weights, counters = train_primal_secure(plan, owned, computing)
    assert np.abs(weights - expected).max() <= TOLERANCE
    # The twin rounds nothing but the constant feature, and so the intercept's learning rate.
    twin = train_primal_clear(plan, owned)
    assert np.abs(twin - expected).max() <= TOLERANCE / 4
    assert np.abs(weights - twin).max() <= TOLERANCE
    assert counters.rounds == plan.rounds + 13


@pytest.mark.parametrize(("momentum", "rounds", "rest"), [(0.0, 3, 13), (0.5, 4, 12)])
@pytest.mark.parametrize("kind", ["logistic", "linear"])
def test_a_step_takes_three_rounds_or_with_momentum_four(kind, momentum, rounds, rest):
    def counted(steps, features, batch):
        parameters = {"steps": steps, "batch": batch, "momentum": momentum}
        plan = planned(kind, 40, features, **parameters, sigmoid_error=4e-3)
        return plan, train_primal_secure(plan, division(kind, 2, 40, features))[1]

    for features, batch in [(5, 40), (5, 7), (30, 20)]:
        (plan, more), (_, fewer) = counted(5, features, batch), counted(4, features, batch)
        assert plan.adds == (momentum == 0)
        assert more.rounds - fewer.rounds == rounds
        assert fewer.rounds == rounds * 4 + rest
        sent = {
            gate: count.bytes_sent - fewer.gates[gate].bytes_sent
            for gate, count in more.gates.items()
            if count.bytes_sent != fewer.gates[gate].bytes_sent
        }
        if kind == "logistic":
            width = -(-(plan.logit_bits + plan.series.period_bits) // 8)
            rescaled, series = 0, {"periodic": width * batch}
        else:
            rescaled, series = batch, {}
        if momentum:
            rescaled += features + 1
        rescales = {"rescale": 8 * rescaled} if rescaled else {}
        assert sent == {"open": 8 * (features + 1 + batch), **rescales, **series}


def test_what_does_not_fit_unrounded_is_rescaled_at_each_step():
    wide, narrow = planned("logistic", sigmoid_error=0.01), planned("logistic", sigmoid_error=1e-4)
    assert wide.adds
    assert not narrow.adds
    assert (wide.rounds, narrow.rounds) == (300, 399)
    assert "without a rescale" in "\n".join(wide.lines())


def test_who_owns_the_rows_matters_to_their_order_only():
    plan = planned("logistic", steps=30)
    expected = train_primal_float64(plan, division("logistic", 1))
    by_outsiders = dict(zip(["north", "dealer"], division("logistic", 2).values(), strict=True))
    for owned in (division("logistic", 1), division("logistic", 5), by_outsiders):
        weights, _ = train_primal_secure(plan, owned)
        assert np.abs(weights - expected).max() <= TOLERANCE


@pytest.mark.parametrize(
    ("parameters", "tolerance"),
    [
        # One sample a step: its residual's rounding is not averaged, and moves by three times it.
        (
            {
                "learning_rate": 3.0,
                "batch": 1,
                "weight_bound": 64.0,
                "logit_bound": 128.0,
                "steps": 5,
            },
            4e-3,
        ),
        ({"learning_rate": 1e-4, "steps": 5}, 2e-6),
        ({"learning_rate": 1.0, "logit_bound": 16.0, "steps": 8}, TOLERANCE),
        ({"sigmoid_error": 1e-4, "steps": 10}, TOLERANCE / 10),
    ],
)
def test_a_wide_range_of_steps_and_errors(parameters, tolerance):
    plan, owned = planned("logistic", 60, **parameters), division("logistic", 2, 60)
    weights, _ = train_primal_secure(plan, owned)
    assert np.abs(weights - train_primal_float64(plan, owned)).max() <= tolerance


def test_the_intercept_is_not_penalised():
    owned = division("logistic", 2)
    labels = np.concatenate([labels for _, labels in owned.values()])
    labels[:] = 0
    labels[: len(labels) // 5] = 1
    for _, own in owned.values():
        own[:] = 0
        own[: len(own) // 5] = 1
    share = np.mean(np.concatenate([own for _, own in owned.values()]))
    plan = planned("logistic", steps=400, l2=9.0)
    weights = train_primal_clear(plan, owned)
    assert np.abs(weights[:-1]).max() < 0.02
    assert weights[-1] == pytest.approx(np.log(share / (1 - share)), abs=0.02)


def test_it_converges_to_the_ridge_solution():
    owned = division("linear", 2)
    plan = planned("linear", steps=150, l2=0.5, learning_rate=0.4)
    X = np.concatenate([values for values, _ in owned.values()])
    X = np.column_stack([X, np.ones(len(X))])
    y = np.concatenate([labels for _, labels in owned.values()])
    penalty = 0.5 * len(X) * np.diag([1.0] * 6 + [0.0])
    solution = np.linalg.solve(X.T @ X + penalty, X.T @ y)
    weights, _ = train_primal_secure(plan, owned)
    np.testing.assert_allclose(weights, solution, atol=TOLERANCE)


@pytest.mark.parametrize("bad", [np.nan, 9.0])
def test_values_that_were_not_prepared_are_refused(bad):
    owned = division("logistic", 2, 20)
    owned["p1"][0][4, 2] = bad
    with pytest.raises(EncodingError, match="column 3"):
        train_primal_secure(planned("logistic", 20, steps=2), owned)


def test_labels_beyond_the_bound_are_refused():
    owned = division("linear", 2, 20)
    owned["p0"][1][3] = 33.0
    with pytest.raises(EncodingError, match="bound 32"):
        train_primal_secure(planned("linear", 20, steps=2), owned)


# -- plans -------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 60), min_size=1, max_size=5), st.integers(0, 2**32))
def test_every_stretch_of_the_order_mixes_the_sites(counts, seed):
    order, total = row_order(counts), sum(counts)
    np.testing.assert_array_equal(np.sort(order), np.arange(total))
    site = np.repeat(np.arange(len(counts)), counts)
    first, last = np.sort(np.random.default_rng(seed).integers(0, total, 2, endpoint=True))
    for index, count in enumerate(counts):
        own = order[site[order] == index]
        assert (np.diff(own) > 0).all(), "a site's rows keep their order"
        taken = (site[order[first:last]] == index).sum()
        assert abs(taken - (last - first) * count / total) <= len(counts)


@given(
    st.sampled_from(["logistic", "linear"]),
    st.integers(1, 200_000),
    st.sampled_from([1e-4, 0.01, 0.1, 0.7, 1.0, 20.0]),
    st.sampled_from([0.0, 0.5, 0.99]),
    st.sampled_from([0.0, 0.04]),
    st.sampled_from([1.0, 8.0, 20.0]),
    st.sampled_from([1.0, 32.0, 200.0]),
    st.sampled_from([0.5, 16.0, 1000.0]),
)
def test_a_plan_fits_the_ring_or_is_refused(kind, count, rate, momentum, l2, clip, logit, weight):
    parameters = PrimalParameters(
        kind=kind,
        l2=l2,
        steps=3,
        learning_rate=rate,
        momentum=momentum,
        logit_bound=logit,
        weight_bound=weight,
        sigmoid_error=5e-3,
    )
    try:
        plan = plan_primal(count, 1, clip, parameters)
    except FixedPointOverflowError:
        assert count > 2000 or max(logit, weight) > 100 or momentum > 0.9 or rate in (1e-4, 20.0)
        return
    assert 0.5 < plan.scale**2 <= 1
    assert rate / count / plan.scale**2 == pytest.approx(2.0**-plan.step_exponent, rel=1e-12)
    assert plan.data_bits >= 8
    # Every operation checks that its result fits; over the clear protocol too.
    rows = np.zeros((count, 1)), np.zeros(count)
    try:
        np.testing.assert_allclose(train_primal_clear(plan, {"p0": rows})[:1], 0.0)
    except BoundError:
        # The intercept moves by half the rate in the first of three steps.
        assert 1.5 * rate * (1 + momentum + momentum**2) >= min(weight, logit)


def test_what_does_not_fit_is_refused_with_a_remedy():
    with pytest.raises(FixedPointOverflowError, match="left for the data") as caught:
        planned("logistic", 100_000, learning_rate=1e-3, sigmoid_error=1e-5)
    assert "sigmoid_error" in caught.value.remedy
    with pytest.raises(ParameterError, match="more than the 10 samples"):
        planned("logistic", 10, batch=11)


def test_a_plan_says_what_it_is():
    text = "\n".join(planned("logistic", batch=13).lines() + planned("linear").lines())
    for words in ("harmonics", "by a rescale", "batches of 13 of 130", "weights revealed at 20"):
        assert words in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", "poisson"),
        ("l2", -1.0),
        ("steps", 0),
        ("batch", 0),
        ("batch", 2.5),
        ("learning_rate", 0.0),
        ("momentum", 1.0),
        ("logit_bound", float("nan")),
        ("weight_bound", 0.0),
        ("sigmoid_error", 0.5),
    ],
)
def test_parameters_outside_their_range(name, value):
    with pytest.raises(ParameterError, match=name) as caught:
        PrimalParameters(**{name: value})
    assert caught.value.remedy


def test_the_ends_of_the_ranges_are_allowed():
    for name, rule in PRIMAL_RULES.items():
        further = {"learning_rate": 1e-9} if name == "l2" else {}
        PrimalParameters(**{name: rule.low, **further})
        if name != "l2":
            PrimalParameters(**{name: rule.high})
    with pytest.raises(ParameterError, match="not below 1"):
        PrimalParameters(l2=10.0)
