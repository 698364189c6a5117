"""Secure training against its cleartext twin, in float64 with the exact sigmoid."""

from __future__ import annotations

import numpy as np
import pytest
from learn_trainings import (
    DISCLOSURES,
    Samples,
    made_up,
    real_samples,
    scores,
    train_clear,
    train_secure,
)
from mpc_tensorflow_party import fix_randomness, fix_session

from cohortium.errors import EncodingError, FixedPointOverflowError, ParameterError
from cohortium.learn import DualParameters, auc, plan_dual
from cohortium.ring import TensorFlowEngine

REAL = {
    "alon1999": ("label", "t", {}),
    "golub1999": ("label", "AML", {}),
    "gravier2010": ("label", "poor", {}),
}


def relative_difference(got, expected):
    return np.abs(got - expected).max() / np.abs(expected).max()


@pytest.fixture(scope="module", params=list(REAL))
def real(request, shared) -> Samples:
    label, positive, further = REAL[request.param]
    return real_samples(shared(request.param), label, positive, **further)


def test_real_data_give_the_weights_of_the_cleartext_twin(real):
    plan = real.plan(iterations=60, l2=(0.1, 1.0))
    expected = train_clear(plan, real.divided(2))
    expected_auc = auc(real.test_labels, scores(expected, real.test_values)[:, 0])
    results = {}
    for computing in (2, 3, 4):
        weights = results[computing] = train_secure(plan, real.divided(computing), computing)
        assert weights.shape == (real.values.shape[1] + 1, 2)
        for column in range(2):
            assert relative_difference(weights[:, column], expected[:, column]) <= 0.005
            got = auc(real.test_labels, scores(weights, real.test_values)[:, column])
            want = auc(real.test_labels, scores(expected, real.test_values)[:, column])
            assert abs(got - want) <= 0.005
    assert expected_auc > 0.6
    for weights in results.values():
        assert relative_difference(weights, results[2]) <= 0.002


def test_who_owns_the_samples_does_not_matter():
    samples = made_up(24, 50)
    plan = samples.plan(iterations=20)
    expected = train_clear(plan, samples.divided(1))
    divisions = [samples.divided(1), samples.divided(2), samples.divided(3), samples.divided(5)]
    for owned in divisions:
        np.testing.assert_allclose(train_clear(plan, owned), expected, atol=1e-12)
        assert relative_difference(train_secure(plan, owned, 3), expected) <= 0.005
    by_outsiders = {"north": divisions[1]["p0"], "dealer": divisions[1]["p1"]}
    assert relative_difference(train_secure(plan, by_outsiders), expected) <= 0.005


def test_columns_trained_together_are_those_trained_alone():
    samples = made_up(30, 40, seed=1)
    l2 = (0.0, 0.05, 1.0, 10.0)
    together = train_secure(samples.plan(iterations=25, l2=l2), samples.divided(2))
    for column, value in enumerate(l2):
        plan = samples.plan(iterations=25, l2=(value,))
        alone = train_secure(plan, samples.divided(2))
        assert relative_difference(together[:, column], alone[:, 0]) <= 0.005
        assert relative_difference(alone, train_clear(plan, samples.divided(2))) <= 0.005


@pytest.mark.parametrize("iterations", [1, 2])
def test_the_fewest_iterations(iterations):
    samples = made_up(8, 5)
    plan = samples.plan(iterations=iterations)
    expected = train_clear(plan, samples.divided(2))
    assert relative_difference(train_secure(plan, samples.divided(2)), expected) <= 0.005


@pytest.mark.parametrize(
    ("count", "features", "parameters"),
    [
        (4, 1, {}),
        (6, 3, {"l2": (0.0,)}),
        (40, 3, {"mean_square": None}),
        (20, 300, {"l2": (100.0,), "iterations": 40}),
        (12, 2000, {"sigmoid_error": 5e-4}),
        (16, 30, {"logit_bound": 4.0, "l2": (1.0,)}),
        (16, 30, {"logit_bound": 1.0, "l2": (5.0,)}),
        (16, 30, {"logit_bound": 200.0, "sigmoid_error": 0.02}),
    ],
)
def test_odd_shapes_and_parameters(count, features, parameters):
    samples = made_up(count, features, seed=count)
    plan = samples.plan(**{"iterations": 15, **parameters})
    expected = train_clear(plan, samples.divided(2))
    allowed = max(0.005, 5 * plan.loss.error)
    assert relative_difference(train_secure(plan, samples.divided(2)), expected) <= allowed


def test_the_same_training_twice_differs_by_rounding_only():
    samples = made_up(20, 30)
    plan = samples.plan(iterations=10)
    one, two = (train_secure(plan, samples.divided(2)) for _ in range(2))
    assert 0 < relative_difference(one, two) <= 0.002


def test_tensors_and_numpy_give_equal_weights(monkeypatch):
    """Eagerly here; traced, in a process of its own each, in tests/mpc."""
    pytest.importorskip("tensorflow")
    fix_randomness(monkeypatch)
    samples = made_up(14, 25)
    plan = samples.plan(iterations=8, l2=(0.1, 1.0))
    options = {"on_mesh": fix_session}
    on_numpy = train_secure(plan, samples.divided(2), 3, **options)
    on_tensors = train_secure(
        plan, samples.divided(2), 3, lambda: TensorFlowEngine(traced=False), **options
    )
    np.testing.assert_array_equal(on_numpy, on_tensors)


def test_the_watcher_is_told():
    from mpc_parties import run_parties

    from cohortium.learn import train

    samples = made_up(6, 5)
    plan, owned = samples.plan(iterations=4), samples.divided(2)
    told = {}

    class Watching:
        def __init__(self, name):
            self.seen = told.setdefault(name, [])

        def phase(self, name):
            self.seen.append(name)

        def iteration(self, done):
            self.seen.append(done)

    def program(protocol, me):
        mine = {me: owned[me]} if me in owned else {}
        sizes = {name: len(labels) for name, (_, labels) in owned.items()}
        return train(protocol, plan, sizes, mine, DISCLOSURES, Watching(me))

    run_parties(program, 2)
    expected = ["share", "Gram matrix", "iterations", 1, 2, 3, 4, "check", "reveal"]
    assert told == dict.fromkeys(["p0", "p1", "dealer"], expected)


@pytest.mark.parametrize("bad", [np.nan, 9.0])
def test_values_that_were_not_prepared_are_refused(bad):
    samples = made_up(6, 5)
    samples.values[4, 2] = bad
    with pytest.raises(EncodingError, match="column 3"):
        train_secure(samples.plan(iterations=3), samples.divided(2))


# -- plans -------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [2, 30, 500, 2000])
@pytest.mark.parametrize("features", [1, 2, 100, 20_000, 100_000])
@pytest.mark.parametrize("clip", [1.0, 8.0, 20.0])
def test_a_plan_fits_the_ring_or_is_refused(samples, features, clip):
    refused = planned = 0
    for parameters in ({}, {"l2": (0.0, 1000.0)}, {"logit_bound": 200.0, "sigmoid_error": 1e-3}):
        try:
            plan = plan_dual(samples, features, clip, DualParameters(iterations=20, **parameters))
        except FixedPointOverflowError as error:
            refused += "Gram matrix" in str(error)
            continue
        planned += 1
        logit_bits = plan.gram_bits + plan.coefficient_bits + plan.residual_bits
        assert plan.logit_bound * 2.0**logit_bits < 2.0**62
        assert logit_bits <= plan.loss.most_logit_bits
        assert plan.clip * 2.0**plan.data_bits < 2.0**15.001
        assert plan.gram_bits >= 11
        # The smallest coefficient of the last step is resolved by eight bits or more.
        assert np.abs(plan.schedule.final[-1]).min() * 2.0**plan.coefficient_bits >= 2**8
        assert any(f"error ≤ {plan.loss.error:g}" in line for line in plan.lines())
    assert refused + planned == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("l2", ()),
        ("l2", (0.1, float("nan"))),
        ("l2", ("1",)),
        ("l2", (True,)),
        ("iterations", 2.5),
        ("iterations", None),
        ("sigmoid_error", "small"),
    ],
)
def test_parameters_that_are_no_such_number(name, value):
    with pytest.raises(ParameterError, match=name) as caught:
        DualParameters(**{name: value})
    assert caught.value.remedy


@pytest.mark.parametrize("bound", [1.0, 2.0, 6.0, 100.0, 256.0])
@pytest.mark.parametrize("error", [2e-3, 0.1])
def test_every_allowed_logit_bound_makes_a_plan(bound, error):
    plan_dual(20, 50, 8.0, DualParameters(logit_bound=bound, sigmoid_error=error))
