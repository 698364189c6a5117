"""Weights, sigmoids and linear regression in the dual, against scikit-learn on the pooled data."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from learn_trainings import DISCLOSURES, Samples, made_up, real_samples, train_clear, train_secure
from mpc_parties import DEALER, names_of, run_parties
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, roc_auc_score

from cohortium.errors import BoundError, ParameterError, PeerAbortedError
from cohortium.learn import DualParameters, plan_dual, revealed_shapes, train, weighting
from cohortium.learn.losses import SIGMOIDS
from cohortium.mpc import Ledger
from cohortium.mpc.clear import EXACT, ClearProtocol


def difference(got, expected):
    return np.abs(got - expected).max() / np.abs(expected).max()


def scikit_learn(samples, l2, **options):
    strength = 1 / (len(samples.labels) * l2)
    model = LogisticRegression(C=strength, max_iter=20_000, tol=1e-10, **options)
    model.fit(samples.values, samples.labels, options.pop("sample_weight", None))
    return np.append(model.coef_[0], model.intercept_[0])


@pytest.fixture(scope="module")
def mesothelioma(shared) -> Samples:
    return real_samples(shared("gordon2002"), "label", "mesothelioma")


@pytest.mark.parametrize("computing", [2, 3])
@pytest.mark.parametrize(
    ("weights", "theirs"),
    [(None, None), ("balanced", "balanced"), ((1.0, 3.5), {0: 1.0, 1: 3.5})],
)
def test_class_weights_on_real_data(mesothelioma, weights, theirs, computing):
    """17 % of one class; coefficients and intercept are scikit-learn's to 1 %."""
    plan = mesothelioma.plan(iterations=200, l2=(10.0,), class_weight=weights)
    got = train_secure(plan, mesothelioma.divided(2), computing)
    assert difference(got[:, 0], scikit_learn(mesothelioma, 10.0, class_weight=theirs)) <= 0.01
    assert difference(got, train_clear(plan, mesothelioma.divided(2))) <= 0.005


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_sample_weights(class_weight, computing):
    samples = made_up(60, 30, seed=2)
    given = np.random.default_rng(0).uniform(0, 3, 60)
    plan = samples.plan(
        iterations=300,
        l2=(0.1,),
        class_weight=class_weight,
        sample_weights=True,
        weight_bound=4.0,
    )
    owned = {
        name: (values, labels, given[:20] if name == "p0" else given[20:])
        for name, (values, labels) in samples.divided(2).items()
    }
    got = train_secure(plan, owned, computing)
    if class_weight is not None:
        given = given * (60 / 2 / np.bincount(samples.labels))[samples.labels]
    model = LogisticRegression(C=1 / (60 * 0.1), max_iter=20_000, tol=1e-10)
    model.fit(samples.values, samples.labels, given)
    assert difference(got[:, 0], np.append(model.coef_[0], model.intercept_[0])) <= 0.01


def test_weights_of_many_samples_take_no_table(monkeypatch):
    """From 4,096 samples on the weights are computed; here from 16 on."""
    monkeypatch.setattr(weighting, "MOST_PLACES", 16)
    samples = made_up(70, 40, seed=3)
    samples.labels[:40] = 0
    plan = samples.plan(iterations=60, l2=(1.0,), class_weight="balanced")
    got = train_secure(plan, samples.divided(2))
    assert difference(got, train_clear(plan, samples.divided(2))) <= 0.005


@pytest.mark.parametrize("kind", SIGMOIDS)
def test_sigmoids_by_name(kind):
    """The secure training is its twin's with the same pieces, or for the periodic one exact."""
    samples = made_up(40, 60, seed=4)
    plan = samples.plan(iterations=40, l2=(0.5, 2.0), sigmoid=kind)
    expected = train_clear(plan, samples.divided(2))
    for computing in (2, 3):
        assert difference(train_secure(plan, samples.divided(2), computing), expected) <= 0.005
    exact = train_clear(samples.plan(iterations=40, l2=(0.5, 2.0)), samples.divided(2))
    assert (difference(expected, exact) > 0.01) == (kind != "periodic")


@pytest.mark.parametrize("kind", ["periodic", "hong5"])
def test_rounds_of_an_iteration(kind, computing):
    samples = made_up(12, 8)
    sizes = {name: len(labels) for name, (_, labels) in samples.divided(2).items()}
    rounds = []
    for iterations in (4, 7):
        plan = samples.plan(iterations=iterations, sigmoid=kind, class_weight="balanced")

        def program(protocol, me, plan=plan):
            owned = samples.divided(2)
            mine = {me: owned[me]} if me in owned else {}
            train(protocol, plan, sizes, mine, DISCLOSURES)
            return protocol.counters.rounds

        rounds.append(run_parties(program, computing)["p0"])
    assert rounds[1] - rounds[0] == 3 * (2 if kind == "periodic" else 6)


@pytest.mark.parametrize("computing", [2, 3, 4])
def test_ridge_regression(computing):
    samples = made_up(50, 80, seed=5)
    values = samples.values
    target = 0.3 * values[:, :5].sum(1) + 2.0 + np.random.default_rng(1).normal(0, 0.1, 50)
    samples = Samples(values, target, values, target)
    plan = samples.plan(kind="linear", iterations=250, l2=(0.5, 5.0), logit_bound=16.0)
    got = train_secure(plan, samples.divided(2), computing)
    for column, l2 in enumerate((0.5, 5.0)):
        model = Ridge(alpha=50 * l2).fit(values, target)
        expected = np.append(model.coef_, model.intercept_)
        assert difference(got[:, column], expected) <= 0.005


def test_a_logit_beyond_the_stated_bound_is_an_error_and_no_model():
    samples = made_up(16, 30)
    plan = samples.plan(iterations=30, l2=(0.001,), logit_bound=1.0)
    sizes = {name: len(labels) for name, (_, labels) in samples.divided(2).items()}
    got = {}

    def program(protocol, me):
        owned = samples.divided(2)
        mine = {me: owned[me]} if me in owned else {}
        told = DISCLOSURES | {"model": [*names_of(2), "guest"]}
        got[me] = train(protocol, plan, sizes, mine, told)

    out = run_parties(program, 2, outsiders=["guest"], fail=True)
    assert not any(got.values())
    # Who is told first stops the run; the others hear of it, perhaps before they see it themselves.
    assert isinstance(out.first_error(), BoundError)
    for name in names_of(2):
        assert "COH-303" in str(out.errors[name])
        assert "logit_bound = 1" in str(out.errors[name])
    assert isinstance(out.errors["guest"], PeerAbortedError)


def test_labels_that_hardly_vary_in_a_fold_are_an_error_and_no_metric():
    """R² of five folds, one of them with a variance of 0.01: nothing but the bits is revealed."""
    samples = made_up(50, 10, seed=5)
    target = samples.values[:, :4].sum(1)
    assignment = np.arange(50) % 5
    target[assignment == 3] = 0.1 * (np.arange(10) % 2) + 1
    samples = Samples(samples.values, target, samples.values, target)
    parameters = DualParameters(kind="linear", iterations=20, l2=(1.0, 9.0), logit_bound=16.0)
    plan = plan_dual(50, 10, 8.0, parameters, assignment)
    asked = []

    class Noting(Ledger):
        def authorise(self, name, receivers, shape):
            asked.append((threading.current_thread().name, name))

    owned = samples.divided(2)
    sizes = {name: len(labels) for name, (_, labels) in owned.items()}
    told = {**DISCLOSURES, "r2": EVERYBODY, "mse": EVERYBODY}
    shapes = revealed_shapes(plan, list(told), choose="mse")
    assert shapes["bounds"] == (2,)

    def program(protocol, me):
        return train(protocol, plan, sizes, {me: owned[me]} if me in owned else {}, told)

    out = run_parties(program, 2, ledger=Noting(), fail=True)
    error = out.first_error()
    assert isinstance(error, BoundError)
    assert "labels of every fold have a variance of 0.015625 or more" in error.what
    assert "logit_bound" not in error.what
    # A dealer runs ahead, but has no share to send.
    assert {name for party, name in asked if party != DEALER} == {"bounds"}
    target[assignment == 3] *= 10
    out = run_parties(program, 2)
    assert set(out["p0"]) == {"bounds", "model", "r2", "mse"}
    assert out["p0"]["bounds"].tolist() == [1, 1]


def test_a_class_weight_beyond_the_stated_bound_is_an_error():
    samples = made_up(40, 10)
    samples.labels[:] = 0
    samples.labels[:2] = 1
    plan = samples.plan(iterations=5, class_weight="balanced", weight_bound=5.0)
    with pytest.raises(BoundError, match="weight_bound = 5"):
        train_secure(plan, samples.divided(2))
    with pytest.raises(BoundError, match="weight_bound = 5"):
        train_clear(plan, samples.divided(2))
    samples.labels[:6] = 1
    train_secure(plan, samples.divided(2))


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "poisson"},
        {"sigmoid": "tanh"},
        {"class_weight": (1.0, 20.0)},
        {"class_weight": (-1.0, 1.0)},
        {"kind": "linear", "class_weight": "balanced"},
    ],
)
def test_parameters_that_contradict_each_other(wrong):
    with pytest.raises(ParameterError) as caught:
        plan_dual(10, 5, 8.0, DualParameters(**wrong))
    assert caught.value.remedy


# -- cross-validation ----------------------------------------------------------------------------

EVERYBODY = ["p0", "p1"]
CV_L2 = (1.0, 10.0, 100.0)


def validate(samples, plan, computing, choose=None, metrics=("accuracy", "auc"), **options):
    """Return what p0 learns of a cross-validation, and each party's rounds in the iterations."""
    owned = samples.divided(2)
    sizes = {name: len(labels) for name, (_, labels) in owned.items()}
    told = {**DISCLOSURES, **dict.fromkeys(metrics, EVERYBODY)}
    if not computing:
        clear = ClearProtocol(exact=EXACT)
        return train(clear, plan, sizes, owned, told, choose=choose, **options), {}
    rounds = {}

    def program(protocol, me):
        class Rounds:
            def phase(self, name):
                rounds.setdefault(me, {})[name] = protocol.counters.rounds

            def iteration(self, done):
                pass

        mine = {me: owned[me]} if me in owned else {}
        return train(protocol, plan, sizes, mine, told, Rounds(), choose=choose, **options)

    return run_parties(program, computing, deadline=60.0)["p0"], rounds["p0"]


@pytest.fixture(scope="module")
def metastasis(shared) -> Samples:
    return real_samples(shared("gravier2010"), "label", "poor")


def check_cross_validation(samples, computing):
    """Every λ and fold in one pass; held-out accuracy, AUC and log-loss are scikit-learn's."""
    assignment = np.arange(len(samples.labels)) % 5
    parameters = DualParameters(l2=CV_L2, iterations=150)
    plan = plan_dual(*samples.values.shape, 8.0, parameters, assignment)
    assert plan.columns == 18
    found, _ = validate(samples, plan, computing, metrics=["accuracy", "auc", "log_loss"])
    for place, l2 in enumerate(CV_L2):
        scored = []
        for fold in range(5):
            held, kept = assignment == fold, assignment != fold
            model = LogisticRegression(C=1 / (kept.sum() * l2), max_iter=10_000)
            model.fit(samples.values[kept], samples.labels[kept])
            z, y = model.decision_function(samples.values[held]), samples.labels[held]
            chance = 1 / (1 + np.exp(-z))
            scored.append([((z > 0) == y).mean(), roc_auc_score(y, z), log_loss(y, chance)])
        accuracy, auc, loss = np.mean(scored, 0)
        assert abs(found["accuracy"][place] - accuracy) <= 0.01
        assert abs(found["auc"][place] - auc) <= 0.005
        assert abs(found["log_loss"][place] - loss) <= 0.01


@pytest.mark.parametrize("minimum", [None, 5])
def test_calibration_counts_are_those_of_held_out_samples(minimum):
    """By tenths of scikit-learn's held-out probabilities, all folds together."""
    samples = made_up(150, 40, seed=6)
    # Not in order: rows, scores and labels must be taken alike.
    assignment = np.random.default_rng(1).permutation(np.arange(150) % 5)
    parameters = DualParameters(l2=(1.0, 3.0), iterations=150)
    plan = plan_dual(*samples.values.shape, 8.0, parameters, assignment)
    found, _ = validate(samples, plan, 2, metrics=["calibration"], minimum_count=minimum)
    assert found["calibration"].shape == (2, 10, 2)
    for place, l2 in enumerate(parameters.l2):
        expected = np.zeros((2, 10), int)
        for fold in range(5):
            held, kept = assignment == fold, assignment != fold
            model = LogisticRegression(C=1 / (kept.sum() * l2), max_iter=10_000)
            model.fit(samples.values[kept], samples.labels[kept])
            tenths = (model.predict_proba(samples.values[held])[:, 1] * 10).astype(int)
            np.add.at(expected, (samples.labels[held], tenths), 1)
        if minimum is not None:
            small = ((expected > 0) & (expected < minimum)).any(0)
            assert small.any()
            expected[:, small] = 0
        np.testing.assert_array_equal(found["calibration"][:, :, place], expected)


def test_cross_validation_of_real_samples(metastasis):
    check_cross_validation(metastasis, 2)


def test_cross_validation_of_made_up_samples(computing):
    # folds of 30: a pair of nearly equal scores in the other order moves the AUC by 0.001
    check_cross_validation(made_up(150, 40, seed=6), computing)


def test_the_final_model_is_that_of_the_best(metastasis):
    """λ is chosen in secret: only its model is revealed, as alone it would be."""
    assignment = np.arange(len(metastasis.labels)) % 5
    parameters = DualParameters(l2=CV_L2, iterations=60)
    plan = plan_dual(*metastasis.values.shape, 8.0, parameters, assignment)
    found, _ = validate(metastasis, plan, 2, "log_loss", metrics=())
    assert set(found) == {"bounds", "model"}
    losses = validate(metastasis, plan, 0, metrics=["log_loss"])[0]["log_loss"]
    best = CV_L2[int(losses.argmin())]
    alone = train_clear(metastasis.plan(iterations=60, l2=(best,)), metastasis.divided(2))
    assert found["model"].shape == alone.shape
    assert difference(found["model"], alone) <= 0.005


def test_folds_and_columns_cost_no_rounds_in_training():
    """5 folds × 10 λ train in the rounds of one model."""
    samples = made_up(25, 10)
    one = samples.plan(iterations=12)
    many = plan_dual(
        25,
        10,
        8.0,
        DualParameters(l2=tuple(np.geomspace(0.1, 10, 10)), iterations=12),
        np.arange(25) % 5,
    )
    assert many.columns == 60
    for plan in (one, many):
        _, rounds = validate(samples, plan, 2, metrics=() if plan is one else ("accuracy",))
        after = rounds["check" if plan is one else "evaluate"]
        assert after - rounds["iterations"] == 2 * 11 + 1


@pytest.mark.parametrize("wrong", [[0] * 10, [0, 2] * 5, [0, 1] * 4])
def test_folds_that_can_not_be(wrong):
    with pytest.raises(ParameterError, match="folds"):
        plan_dual(10, 5, 8.0, DualParameters(), np.array(wrong))
