"""Metrics on secret scores against scikit-learn's on the same numbers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from mpc_parties import (
    DEALER,
    assert_uniform,
    bring,
    run_for_values,
    run_parties,
    uniform_bytes,
)
from sklearn import metrics as reference

from cohortium.errors import BoundError, ParameterError
from cohortium.learn.evaluation import LINEAR_METRICS, METRICS, REMEDIES, Evaluation, evaluate
from cohortium.learn.guard import all_within, between, check, within
from cohortium.learn.ranking import calibration
from cohortium.learn.selection import best
from cohortium.mpc.clear import ClearProtocol

SIZES = (45, 45, 44)
MODELS = 4
CLASS_METRICS = [name for name in METRICS if name not in LINEAR_METRICS]
BITS = 30


def scores(seed=0, sizes=SIZES, models=MODELS):
    """Scores with ties, zeros among them, and labels that go with them."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((sum(sizes), 1)) < 0.35).astype(float)
    logits = np.rint(8 * (rng.normal(0, 2, (sum(sizes), models)) + labels)) / 8
    return logits, labels


def by_fold(function, logits, labels, sizes=SIZES):
    """The mean over folds of a function of labels and scores, for each model."""
    ends = np.cumsum((0, *sizes))
    return np.array(
        [
            np.mean([function(labels[a:b, 0], column[a:b]) for a, b in pairwise(ends)])
            for column in logits.T
        ]
    )


def probability(z):
    return 1 / (1 + np.exp(-z))


EXPECTED = {
    "accuracy": lambda y, z: reference.accuracy_score(y, z > 0),
    "balanced_accuracy": lambda y, z: reference.balanced_accuracy_score(y, z > 0),
    "sensitivity": lambda y, z: reference.recall_score(y, z > 0),
    "specificity": lambda y, z: reference.recall_score(1 - y, z <= 0),
    "log_loss": lambda y, z: reference.log_loss(y, probability(z)),
    "brier": lambda y, z: reference.brier_score_loss(y, probability(z)),
    "auc": reference.roc_auc_score,
}


def shared(protocol, me, logits, labels, bits=BITS, bound=32.0):
    (z,) = bring(protocol, me, {"z": ("p0", logits)}, bits=bits, bound=bound)
    whole = bool(np.all(labels == np.rint(labels)))
    (y,) = bring(protocol, me, {"y": ("p1", labels)}, bits=0 if whole else 20, bound=16.0)
    return z, y.with_bound(1.0) if whole else y


@pytest.mark.parametrize("parties", [0, 2, 3, 4])
def test_metrics_are_scikit_learns(parties):
    logits, labels = scores()

    def build(protocol, me):
        z, y = shared(protocol, me, logits, labels)
        found = evaluate(z, y, SIZES, CLASS_METRICS)
        return [found[name] for name in CLASS_METRICS]

    found = dict(zip(CLASS_METRICS, run_for_values(build, parties, outsiders=()), strict=True))
    for name, function in EXPECTED.items():
        allowed = {"log_loss": 2e-3 + 2e-5, "brier": 4e-3 + 2e-5}.get(name, 3e-5)
        assert np.abs(found[name] - by_fold(function, logits, labels)).max() <= allowed, name
    lower, upper = found["auc_bounds"]
    exact = by_fold(reference.roc_auc_score, logits, labels)
    assert (lower - 3e-5 <= exact).all()
    assert (exact <= upper + 3e-5).all()
    assert (upper - lower).max() < 0.05


def test_logits_of_all_the_bits_that_a_training_gives():
    """56 fraction bits and scores near the bound on both sides: differences need the ring's 64."""
    logits, labels = scores(1)
    logits = logits / np.abs(logits).max() * 31.999

    def build(protocol, me):
        z, y = shared(protocol, me, np.rint(logits * 2**20) / 2**20, labels, bits=20)
        return [evaluate(z.lift(36), y, SIZES, ["auc", "accuracy"])["auc"]]

    (auc,) = run_for_values(build, 2, outsiders=())
    assert np.abs(auc - by_fold(reference.roc_auc_score, logits, labels)).max() <= 3e-5


def test_a_fold_without_one_of_the_classes():
    logits, labels = scores(2, (6, 7), 2)
    labels[:6], labels[6:] = 0, 1

    def build(protocol, me):
        z, y = shared(protocol, me, logits, labels)
        names = ["sensitivity", "specificity", "auc", "accuracy"]
        found = evaluate(z, y, (6, 7), names)
        return [found[name] for name in names]

    for parties in (0, 2):
        sensitivity, specificity, auc, accuracy = run_for_values(build, parties, outsiders=())
        assert np.allclose(sensitivity, (logits[6:] > 0).mean(0) / 2, atol=3e-5)
        assert np.allclose(specificity, (logits[:6] <= 0).mean(0) / 2, atol=3e-5)
        assert np.allclose(auc, 0.5, atol=3e-5)
        assert np.allclose(
            accuracy, by_fold(EXPECTED["accuracy"], logits, labels, (6, 7)), atol=3e-5
        )


def test_the_largest_folds_for_an_exact_auc():
    """A thousand rows in one fold and a few in another, each with one sample of a class."""
    sizes = (1000, 40)
    logits, labels = scores(8, sizes, 1)
    labels[:] = 0
    labels[[17, 1003]] = 1
    names = ["auc", "sensitivity", "specificity", "auc_bounds"]

    def build(protocol, me):
        z, y = shared(protocol, me, logits, labels)
        found = evaluate(z, y, sizes, names)
        return [found[name] for name in names]

    for parties in (0, 2):
        *found, bounds = run_for_values(build, parties, outsiders=())
        for name, value in zip(names, found, strict=False):
            assert abs(value - by_fold(EXPECTED[name], logits, labels, sizes)) <= 3e-5
        assert bounds[0] - 3e-5 <= found[0] <= bounds[1] + 3e-5


def test_large_folds_need_no_table():
    logits, labels = scores(3, (4200,), 1)
    names = ["accuracy", "sensitivity", "auc_bounds"]

    def build(protocol, me):
        z, y = shared(protocol, me, logits, labels)
        found = evaluate(z, y, (4200,), names)
        return [found[name] for name in names]

    accuracy, sensitivity, bounds = run_for_values(build, 2, outsiders=())
    one = {name: by_fold(EXPECTED[name], logits, labels, (4200,)) for name in EXPECTED}
    assert abs(accuracy - one["accuracy"]) <= 3e-5
    assert abs(sensitivity - one["sensitivity"]) <= 3e-5
    assert bounds[0] - 3e-5 <= one["auc"] <= bounds[1] + 3e-5


@pytest.mark.parametrize("parties", [0, 2, 3])
def test_linear_metrics(parties):
    rng = np.random.default_rng(4)
    labels = rng.normal(1, 2, (134, 1))
    logits = labels + rng.normal(0, 1, (134, MODELS)) * np.arange(1, MODELS + 1)

    def build(protocol, me):
        z, y = shared(protocol, me, logits, labels)
        found = evaluate(z, y, SIZES, LINEAR_METRICS)
        return [found[name] for name in LINEAR_METRICS]

    mse, r2 = run_for_values(build, parties, outsiders=())
    assert np.allclose(mse, by_fold(reference.mean_squared_error, logits, labels), rtol=1e-3)
    assert np.allclose(r2, by_fold(reference.r2_score, logits, labels), atol=2e-3)


def test_rounds_depend_on_neither_folds_nor_models():
    def rounds(sizes, models, names):
        logits, labels = scores(5, sizes, models)

        def program(protocol, me):
            z, y = shared(protocol, me, logits, labels)
            before = protocol.counters.rounds
            evaluate(z, y, sizes, names)
            return protocol.counters.rounds - before

        return run_parties(program, 2)["p0"]

    for name in CLASS_METRICS:
        assert rounds((20, 21), 1, [name]) == rounds((12, 13, 10, 14), 3, [name])
    # Sensitivity, specificity and accuracy share their comparison and their table.
    together = rounds((20, 21), 2, ["accuracy", "sensitivity", "specificity"])
    assert together < sum(rounds((20, 21), 2, [name]) for name in CLASS_METRICS[1:4])


def test_nothing_is_opened_but_what_is_masked(recorder):
    """Constant scores and labels: whatever is sent is uniform all the same."""

    def program(protocol, me):
        z, y = shared(protocol, me, np.ones((134, MODELS)), np.ones((134, 1)))
        evaluate(z, y, SIZES, CLASS_METRICS)

    run_parties(program, 2, on_mesh=recorder.watch)
    for party in ("p0", "p1"):
        gates = {}
        for item in recorder.arrays(party):
            if item.sender != DEALER:
                gates.setdefault(item.gate, []).append(item)
        assert {"open", "compare", "rescale", "table", "periodic"} <= set(gates)
        assert not any(gate.startswith("reveal") for gate in gates)
        for name, items in gates.items():
            # Of the last byte of a packed opening some bits are of no element: they are masks.
            if sum(item.data.nbytes for item in items) >= 256 * 20 and name != "periodic":
                assert_uniform(uniform_bytes(items))
    assert not [item for item in recorder.of(DEALER) if item.gate == "compare"]


@pytest.mark.parametrize("parties", [0, 2, 3])
def test_calibration_counts_hide_small_cells(parties):
    logits, labels = scores(6, (134,), 2)
    cuts = np.array([-4.0, -2.0, 0.0, 2.0, 4.0])

    def build(protocol, me):
        z, y = shared(protocol, me, logits, labels)
        return [calibration(z, y, cuts, minimum=5)]

    (found,) = run_for_values(build, parties, outsiders=())
    hidden = 0
    for model in range(2):
        places = np.searchsorted(cuts, logits[:, model], "right")
        for interval in range(6):
            inside = labels[places == interval, 0]
            expected = np.array([(inside == 0).sum(), (inside == 1).sum()])
            if ((expected > 0) & (expected < 5)).any():
                hidden += 1
                expected[:] = 0
            assert np.array_equal(found[:, interval, model], expected)
    assert hidden


@pytest.mark.parametrize("minimum", [None, 134, 135, 10**6])
def test_calibration_counts_without_a_minimum_or_with_a_large_one(minimum):
    """All 134 rows are of one class and in one interval: a minimum of 134 lets them pass."""
    logits, labels = np.full((134, 1), 3.0), np.ones((134, 1))

    def build(protocol, me):
        z, y = shared(protocol, me, logits, labels)
        return [calibration(z, y, [0.0], minimum)]

    (found,) = run_for_values(build, 2, outsiders=())
    assert found[1, 1, 0] == (134 if minimum in (None, 134) else 0)
    assert found.sum() == found[1, 1, 0]


def test_the_best_is_found_and_ties_go_by_preference():
    cases = [
        ([0.1, 0.9, 0.3, 0.9], [0, 1, 2, 3], 1),
        ([0.1, 0.9, 0.3, 0.9], [3, 2, 1, 0], 3),
        ([0.5, 0.5, 0.5], [2, 0, 1], 2),
        ([-3.0, -2.0], [0, 1], 1),
    ]
    for values, preference, expected in cases:

        def build(protocol, me, values=values, preference=preference):
            (x,) = bring(protocol, me, {"x": ("p0", np.array(values))}, bits=16)
            return [best(x, preference)]

        for parties in (0, 2, 3):
            (found,) = run_for_values(build, parties, outsiders=())
            assert np.array_equal(found, np.arange(len(values)) == expected)


@pytest.mark.parametrize("value", [1.0, 1.0 + 2.0**-40, -1.0 - 2.0**-40, -1.0, 300.0, 4e5])
def test_the_guard_sees_one_unit_too_many_and_what_wraps_far_off(value):
    values = np.linspace(-1, 1, 500)
    values[137] = value

    def build(protocol, me):
        (x,) = bring(protocol, me, {"x": ("p0", values)}, bits=40, bound=2.0**20)
        return [within(x.with_bound(1.0), 1.0)]

    for parties in (0, 2, 3):
        (bit,) = run_for_values(build, parties, outsiders=())
        assert bit == (abs(value) <= 1)


@pytest.mark.parametrize("value", [33.0, 97.0, 100.0, 128.0, 200.0, 225.0, 250.0, 255.5, -97.0])
@pytest.mark.parametrize("bits", [55, 56])
@pytest.mark.parametrize("count", [1, 126, 530])
def test_the_guard_at_the_scale_of_logits(value, bits, count):
    """Values that the ring no longer holds: at 55 bits it wraps at 512, at 56 at 256."""
    wrapped = (value + 2.0 ** (63 - bits)) % 2.0 ** (64 - bits) - 2.0 ** (63 - bits)

    def build(protocol, me):
        (x,) = bring(protocol, me, {"x": ("p0", np.full(530, value))}, bits=20, bound=256.0)
        y = np.zeros(530)
        y[:count] = 1
        spread = (x * y).with_bound(1.0).lift(bits - 20)
        return [within(spread, 32.0)]

    (bit,) = run_for_values(build, 2, outsiders=())
    assert bit == (abs(wrapped) <= 32)


@pytest.mark.parametrize("parties", [0, 2, 3])
def test_statements_of_any_scale_are_checked_together(parties):
    """A bit each, in the rounds of one: six for numbers that are masked already."""
    values = np.linspace(-1, 1, 50)
    expected = [1, 0, 1, 0, 1, 0, 0]

    def build(protocol, me):
        (fine,) = bring(protocol, me, {"x": ("p0", values)}, bits=50, bound=2.0)
        given = {"y": ("p1", 300 * values), "z": ("p1", np.array([4.0]))}
        coarse, one = bring(protocol, me, given, bits=8, bound=512.0)
        before = protocol.counters.rounds
        bits = all_within(
            [
                (fine.with_bound(1.0), 1.0),
                (fine, 1.0 - 2.0**-40),
                (coarse, 300.0),
                (coarse, 299.0),
                between(one, 4.0, 9.0),
                between(one, 4.0 + 2.0**-7, 9.0),
                between(one, -2.0, 3.75),
            ]
        )
        assert not parties or me != "p0" or protocol.counters.rounds - before == 6
        return [bits]

    (found,) = run_for_values(build, parties, outsiders=())
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("parties", [0, 2, 3])
def test_r2_of_labels_far_from_zero(parties):
    """Of a mean of 200 and a deviation of 2: the variance is no difference of large numbers."""
    rng = np.random.default_rng(4)
    labels = rng.normal(200, 2, (134, 1))
    logits = labels + rng.normal(0, 1, (134, 2))

    def build(protocol, me):
        (z,) = bring(protocol, me, {"z": ("p0", logits)}, bits=20, bound=256.0)
        (y,) = bring(protocol, me, {"y": ("p1", labels)}, bits=20, bound=256.0)
        return [evaluate(z, y, SIZES, ["r2"])["r2"]]

    (r2,) = run_for_values(build, parties, outsiders=())
    assert np.allclose(r2, by_fold(reference.r2_score, logits, labels), atol=2e-3)


@pytest.mark.parametrize("parties", [0, 2])
@pytest.mark.parametrize(("deviation", "held"), [(0.16, True), (0.08, False)])
def test_r2_says_where_labels_hardly_vary(parties, deviation, held):
    """The second fold's labels have a variance of 0.0256, or of 0.0064: 1/64 is needed."""
    labels = np.tile([-1.0, 1.0], 67).reshape(-1, 1)
    labels[45:90] = 3 + deviation * labels[45:90]
    told = []

    def program(protocol, me):
        z, y = shared(protocol, me, labels, labels)
        evaluation = Evaluation(z, y, SIZES)
        evaluation.metrics(["mse", "r2"])
        before = protocol.counters.rounds
        statements = evaluation.statements(["mse", "r2"])
        assert evaluation.statements(["mse"]) == {}
        assert set(statements) == set(REMEDIES)
        assert protocol.counters.rounds == before
        try:
            check(statements, ["p0", "p1"], REMEDIES)
        except BoundError as error:
            told.append(error)

    if parties:
        run_parties(program, parties, outsiders=(), fail=True)
    else:
        program(ClearProtocol(), "clear")
    assert bool(told) is not held
    assert all("smaller unit" in error.remedy and "1/64" not in error.what for error in told)


def test_refusals():
    logits, labels = scores(7, (1001,), 1)

    def program(protocol, me):
        z, y = shared(protocol, me, logits, labels)
        with pytest.raises(ParameterError, match="auc_bounds"):
            evaluate(z, y, (1001,), ["auc"])
        with pytest.raises(ParameterError, match="no metric 'f1'"):
            evaluate(z, y, (1001,), ["f1"])

    run_parties(program)
