"""Trainings on secretly selected features: against scikit-learn on the features that are chosen."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from mpc_parties import Recorder, assert_uniform, run_parties, uniform_bytes
from selection_sites import Sites, pooled_scores, run_selection, sites
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from cohortium.errors import BoundError, DisclosureError, ParameterError
from cohortium.learn import DualParameters, SelectionRule, plan_dual, revealed_shapes, train
from cohortium.learn.form import dual_cost
from cohortium.study import DisclosureLedger

BOUND, TOP = 16.0, 12
L2 = (0.1, 1.0)
TOLD = {"bounds": ["p0", "p1"], "model": ["p0"], "selected_features": ["p0"], "auc": ["p0"]}


def overlapping(owners: list[str], folds: int = 4, count: int = 120) -> Sites:
    """Sites on different levels; 15 of 80 features of unequal scales tell something."""
    rng = np.random.default_rng(11)
    labels = (np.arange(count) % 3 < 1).astype(np.int64)
    scales = rng.permutation(np.geomspace(0.2, 2, 80))
    values = rng.normal(size=(count, 80))
    values[:, :15] += 0.6 * labels[:, None]
    return sites(owners, np.clip(values * scales + 6, -BOUND, BOUND), labels, folds)


def chosen(given: Sites, by: str, kept: Any) -> Any:
    """Return the places that a selection in the clear finds by these samples."""
    scores = pooled_scores(given.values[kept], given.labels[kept], by)
    return np.sort(np.argsort(-scores, kind="stable")[:TOP])


def cross_validated(given: Sites, by: str, l2: float) -> float:
    """Return scikit-learn's held-out AUC, features selected within each fold."""
    values = np.concatenate([rows for rows, _ in given.prepared.values()])
    found = []
    for kept in given.parts[:-1]:
        places = chosen(given, by, kept)
        model = LogisticRegression(C=1 / (kept.sum() * l2), max_iter=10_000)
        model.fit(values[kept][:, places], given.labels[kept])
        score = model.decision_function(values[~kept][:, places])
        found.append(roc_auc_score(given.labels[~kept], score))
    return float(np.mean(found))


@pytest.mark.parametrize(("by", "computing"), [("variance", 3), ("welch-t", 2), ("welch-t", 4)])
def test_the_model_is_that_of_the_chosen_features(by: Any, computing: int) -> None:
    given = overlapping(["p0", "p1", "guest"])
    plan = given.plan(SelectionRule(by, TOP, BOUND), l2=L2, iterations=200)
    found, _ = run_selection(given, plan, TOLD, computing)
    places = chosen(given, by, given.parts[-1])
    np.testing.assert_array_equal(np.flatnonzero(found["selected_features"]), places)
    values = np.concatenate([rows for rows, _ in given.prepared.values()])[:, places]
    for column, l2 in enumerate(L2):
        model = LogisticRegression(C=1 / (len(values) * l2), max_iter=10_000, tol=1e-10)
        model.fit(values, given.labels)
        weights = found["model"][:-1, column]
        assert np.count_nonzero(weights) == TOP
        expected = np.zeros(80)
        expected[places] = model.coef_[0]
        assert np.abs(weights - expected).max() <= 0.01 * np.abs(expected).max()
        assert abs(found["auc"][column] - cross_validated(given, by, l2)) <= 0.005


def test_weights_of_classes_and_a_chosen_strength() -> None:
    """Beside balanced classes, features in several blocks and a λ that is chosen in secret."""
    given = overlapping(["p0", "p1"])
    rule = SelectionRule("welch-t", TOP, BOUND)
    plan = given.plan(rule, l2=L2, iterations=60, class_weight="balanced")
    told = {name: TOLD[name] for name in ("bounds", "model")}
    expected, _ = run_selection(given, plan, told, 0, choose="auc")
    for size in (80, 30, 11):
        blocks = replace(plan, block_features=size)
        found, _ = run_selection(given, blocks, told, 2, choose="auc")
        assert found["model"].shape == (81, 1)
        apart = np.abs(found["model"] - expected["model"]).max()
        assert apart <= 0.005 * np.abs(expected["model"]).max()
        assert np.count_nonzero(found["model"][:-1]) == TOP
        assert found["bounds"].tolist() == [1.0] * 4


def test_without_a_cross_validation() -> None:
    given = overlapping(["p0", "p1"], folds=1)
    plan = given.plan(SelectionRule("welch-t", TOP, BOUND), iterations=20)
    told = {name: TOLD[name] for name in ("bounds", "selected_features")}
    found, _ = run_selection(given, plan, told, 2)
    places = chosen(given, "welch-t", given.parts[-1])
    np.testing.assert_array_equal(np.flatnonzero(found["selected_features"]), places)


def test_labels_of_noise_are_not_predicted() -> None:
    """Features are selected without a fold's samples: with them, noise would seem to tell."""
    rule, told = SelectionRule("welch-t", TOP, BOUND), {"bounds": ["p0", "p1"], "auc": ["p0"]}
    honest, mistaken = [], []
    for seed in range(6):
        values = np.random.default_rng(seed).normal(size=(100, 600))
        given = sites(["p0", "p1"], values, np.arange(100) % 2, folds=5)
        plan = given.plan(rule, iterations=40)
        honest.append(run_selection(given, plan, told, 0)[0]["auc"][0])
        # The mistake: the best features of all samples, and a cross-validation of these.
        best = np.argsort(-pooled_scores(given.values, given.labels, rule.by))[:TOP]
        cohorts = {name: cohort.at(best) for name, cohort in given.cohorts.items()}
        wrong = Sites(cohorts, given.folds)
        found, _ = run_selection(wrong, wrong.plan(None, iterations=40), told, 0)
        mistaken.append(found["auc"][0])
    assert abs(np.mean(honest) - 0.5) < 0.08
    assert np.mean(mistaken) > 0.8
    secure, _ = run_selection(given, plan, told, 2)
    assert abs(secure["auc"][0] - honest[-1]) < 0.01


def test_a_class_of_one_sample_is_told() -> None:
    """Of two samples of a class one is in a fold: without it Welch's t has no variance."""
    rng = np.random.default_rng(4)
    labels = np.zeros(24, np.int64)
    labels[[3, 17]] = 1
    given = sites(["p0", "p1"], rng.normal(size=(24, 20)), labels, folds=2)
    plan = given.plan(SelectionRule("welch-t", 4, BOUND), iterations=5)
    told = {"bounds": ["p0", "p1"], "model": ["p0"], "selected_features": ["p0"]}
    with pytest.raises(BoundError, match="each class has two samples or more") as refusal:
        run_selection(given, plan, told, 2)
    assert "by = 'variance'" in refusal.value.remedy
    variance = given.plan(SelectionRule("variance", 4, BOUND), iterations=5)
    assert run_selection(given, variance, told, 2)[0]["selected_features"].sum() == 4


def test_the_plan_counts_the_selected_features_alone() -> None:
    """So steps are those of a model of as many features, not of all from which they are chosen."""
    shape, parameters = (100, 5000), DualParameters(iterations=10)
    selected = plan_dual(*shape, 8.0, parameters, None, None, SelectionRule("variance", 50, BOUND))
    alone = plan_dual(100, 50, 8.0, parameters)
    np.testing.assert_array_equal(selected.schedule.final, alone.schedule.final)
    for name in ("kappa_exponent", "gram_bits", "most_trace", "weight_bits"):
        assert getattr(selected, name) == getattr(alone, name)
    shapes = revealed_shapes(selected, ["model", "selected_features", "bounds"])
    assert shapes == {"model": (5001, 1), "selected_features": (5000,), "bounds": (1,)}
    assert any("the 50 features of largest variance" in line for line in selected.lines())


@pytest.mark.parametrize(
    ("samples", "features", "rule", "parameters", "told"),
    [
        (50, 100, ("variance", 100), {}, "100 of 100 features can not be selected"),
        (50, 100, ("variance", 0), {}, "0 of 100"),
        (50, 100, ("variance", 9, 2048.0), {}, "value_bound = 2048 is not a number from 1"),
        (50, 1 << 20, ("variance", 9), {}, "1,048,576 features are too many to select from"),
        (4096, 100, ("welch-t", 9), {}, "of 4,096 samples can not be selected by welch-t"),
        (50, 100, ("welch-t", 9), {"kind": "linear"}, "where labels are numbers"),
        (50, 100, ("variance", 9), {"value_bound": 9.0}, "standardised by secret pooled"),
    ],
)
def test_what_can_not_be_selected(
    samples: int, features: int, rule: Any, parameters: dict[str, Any], told: str
) -> None:
    chosen_by = SelectionRule(*rule) if len(rule) > 2 else SelectionRule(*rule, BOUND)
    with pytest.raises(ParameterError, match=told):
        plan_dual(samples, features, 8.0, DualParameters(**parameters), None, None, chosen_by)


def test_the_set_is_revealed_only_where_it_is_listed() -> None:
    """A program that asks for it is refused, at every party, before anything of it is sent."""
    given = overlapping(["p0", "p1"])
    rule = SelectionRule("variance", TOP, BOUND)
    plan, sums, prepared = given.plan(rule, iterations=3), given.sums(rule), given.prepared
    listed = {name: TOLD[name] for name in ("bounds", "auc")}

    def program(told: Any, protocol: Any, me: str) -> Any:
        mine = {name: prepared[name] for name in prepared if name == me}
        own = {name: sums[name] for name in mine}
        return train(protocol, plan, given.sizes, mine, told, sums=own)

    for others, asked in (({}, ["p0"]), ({"selected_features": ["p0"]}, ["p1"])):
        ledger = DisclosureLedger({**listed, **others})
        ledger.fix_shapes(revealed_shapes(plan, list(ledger.allowed)))
        told = {**listed, "selected_features": asked}
        out = run_parties(partial(program, told), ledger=ledger, fail=True)
        assert isinstance(out.first_error(), DisclosureError)
        assert set(out.errors) == {"p0", "p1", "dealer"}


def test_what_parties_receive_tells_nothing() -> None:
    recorder, given = Recorder(), overlapping(["p0", "p1"])
    rule = SelectionRule("welch-t", TOP, BOUND)
    plan, sums, prepared = given.plan(rule, iterations=2), given.sums(rule), given.prepared

    def program(protocol: Any, me: str) -> Any:
        mine = {name: prepared[name] for name in prepared if name == me}
        own = {name: sums[name] for name in mine}
        told = {"bounds": ["p0", "p1"]}
        return train(protocol, plan, given.sizes, mine, told, sums=own)

    run_parties(program, on_mesh=recorder.watch)
    # The last of those that compute, to whom the dealer sends.
    received = recorder.arrays("p1", "reveal")
    assert {item.sender for item in received} == {"p0", "dealer"}
    assert_uniform(uniform_bytes([item for item in received if item.data.dtype == np.int64]))


def test_what_a_selection_costs(computing: int) -> None:
    """Rounds do not depend on samples and features; of bytes each mask takes all values once."""
    given = overlapping(["p0", "p1"])
    rounds, opened = {}, {}
    for name, rule in (("none", None), ("variance", "variance"), ("welch-t", "welch-t")):
        plan = given.plan(rule and SelectionRule(rule, TOP, BOUND), iterations=5)
        _, counters = run_selection(given, plan, {"bounds": ["p0", "p1"]}, computing)
        rounds[name] = counters.rounds
        opened[name] = counters.gates["open"].bytes_sent
        predicted = dual_cost(plan).rounds
        assert rule is None or 0 <= predicted - rounds[name] <= 40
    masks = 5
    # Scores, digits of two bits, the masks' opening, for each mask its rows and its Gram matrix;
    # less the one that a training without them takes.
    assert rounds["variance"] - rounds["none"] == 7 + 7 * 16 + 6 + 2 + 2 * masks - 1
    assert rounds["welch-t"] - rounds["none"] == 34 + 7 * 13 + 6 + 2 + 2 * masks - 1
    # All values for each mask, its Gram matrix, and a little for scores.
    opened["masks"] = 8 * 120 * (80 * masks + 120 * (masks - 1)) * (computing - 1)
    for name in ("variance", "welch-t"):
        assert 0 < opened[name] - opened["none"] - opened["masks"] < 0.1 * opened["masks"]
