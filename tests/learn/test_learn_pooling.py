"""Pooled standardisation with secret moments, against scikit-learn on the pooled table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mpc_parties import run_parties
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from cohortium.errors import BoundError, ParameterError
from cohortium.learn import DualParameters, plan_dual, pooling, revealed_shapes, train
from cohortium.learn.dual import fit_dual
from cohortium.learn.pooling import pooled_gram, pooled_rows, raw_weights

BOUND = 64.0


def sites() -> dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Two sites whose features differ in level and in scale."""
    rng = np.random.default_rng(3)
    found = {}
    for name, rows, level in (("p0", 40, 6.0), ("p1", 60, 8.0)):
        values = rng.normal(size=(rows, 30)) * np.geomspace(0.05, 4, 30) + level
        values[:, 7] = 5.0
        score = (values - level)[:, -4:].sum(1) + rng.normal(size=rows)
        found[name] = (values, (score > 0).astype(np.int64))
    return found


@pytest.mark.parametrize(("computing", "unit"), [(2, 1.0), (3, 1.0), (2, 2.0**-5), (2, 16.0)])
def test_weights_for_raw_values_are_those_of_scikit_learn(computing: int, unit: float) -> None:
    owned = {name: (values * unit, labels) for name, (values, labels) in sites().items()}
    value_bound = BOUND * unit
    sizes = {name: len(labels) for name, (_, labels) in owned.items()}
    plan = plan_dual(100, 30, 10.0, DualParameters(l2=(0.1,), iterations=300))

    def program(protocol: Any, me: str) -> Any:
        mine = {me: owned[me]} if me in owned else {}
        rows = pooled_rows(protocol, plan, sizes, mine, value_bound)
        rounds = protocol.counters.rounds
        kernel = pooled_gram(rows, plan).prepare()
        fit = fit_dual(kernel, rows.labels, None, plan)
        before = protocol.counters.rounds
        weights, statements = raw_weights(rows, fit.dual, fit.intercept, plan)
        ((shift, most),) = statements.values()
        assert most == 2.0**12 * value_bound
        total = protocol.counters.rounds - before
        shift = shift.reveal("shift", ["p0"])
        return weights.reveal("model", ["p0"]), rounds, total, shift

    secure, rounds, last, shift = run_parties(program, computing, deadline=60.0)["p0"]
    values = np.concatenate([values for values, _ in owned.values()])
    labels = np.concatenate([labels for _, labels in owned.values()])
    scaler = StandardScaler().fit(values)
    model = LogisticRegression(C=1 / (100 * 0.1), tol=1e-10, max_iter=10_000)
    model.fit(scaler.transform(values), labels)
    expected = model.coef_[0]
    found = secure[:-1, 0] * np.sqrt(values.var(axis=0))
    assert np.abs(found - expected).max() < 0.01 * np.abs(expected).max()
    logits = values @ secure[:-1, 0] + secure[-1, 0]
    reference = model.decision_function(scaler.transform(values))
    assert np.abs(logits - reference).max() < 0.02 * np.abs(reference).max()
    assert rounds == 24
    assert last == 7
    assert secure[7, 0] == 0.0
    moved = (values.mean(0) @ secure[:-1])[0]
    assert shift[0, 0] == pytest.approx(moved, abs=1e-3)


@pytest.mark.parametrize("computing", [2, 3, 4])
def test_allele_counts_are_standardised_by_their_frequency(computing: int) -> None:
    rng = np.random.default_rng(computing)
    frequency = rng.uniform(0.02, 0.98, 30)
    sizes = {f"p{place}": 31 + 10 * place for place in range(computing)}
    owned = {}
    for name, rows in sizes.items():
        values = rng.binomial(2, frequency, (rows, 30)).astype(float)
        values[:, 7], values[:, 8] = 2.0, 0.0
        # No heterozygotes: twice the variance that the frequency tells.
        values[:, 9] = 2.0 * (values[:, 9] > 0.5)
        score = (values - values.mean(0))[:, 9:16].sum(1) + rng.normal(size=rows)
        owned[name] = (values, (score > 0).astype(np.int64))
    total = sum(sizes.values())
    parameters = DualParameters(
        l2=(0.1,), iterations=300, value_bound=2.0, mean_square=2.0, allele_counts=True
    )
    plan = plan_dual(total, 30, 10.0, parameters)

    def program(protocol: Any, me: str) -> Any:
        mine = {me: owned[me]} if me in owned else {}
        rows = pooled_rows(protocol, plan, sizes, mine, 2.0)
        rounds, gates = protocol.counters.rounds, dict(protocol.counters.gates)
        fit = fit_dual(pooled_gram(rows, plan).prepare(), rows.labels, None, plan)
        weights, _ = raw_weights(rows, fit.dual, fit.intercept, plan)
        sent = gates["input"].bytes_sent if me in owned else 0
        return weights.reveal("model", ["p0"]), rounds, sent

    found, rounds, sent = run_parties(program, computing, deadline=60.0)["p0"]
    values = np.concatenate([values for values, _ in owned.values()])
    labels = np.concatenate([labels for _, labels in owned.values()])
    mean = values.mean(0)
    deviation = np.sqrt(mean * (1 - mean / 2))
    rows = (values - mean) / np.where(deviation > 0, deviation, 1.0)
    model = LogisticRegression(C=1 / (total * 0.1), tol=1e-10, max_iter=10_000)
    expected = model.fit(rows, labels).coef_[0]
    weights = found[:-1, 0]
    assert np.abs(weights * deviation - expected).max() < 0.01 * np.abs(expected).max()
    assert weights[7] == weights[8] == 0.0
    # A round less than by variances, and a mean an owner instead of two and a variance.
    assert rounds == 23
    assert sent == 8 * (31 * (30 + 1) + 30) * (computing - 1)


def test_means_that_move_an_intercept_beyond_the_bound_stop_the_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pooling, "SHIFT", 2.0**-12)
    owned = sites()
    sizes = {name: len(labels) for name, (_, labels) in owned.items()}
    parameters = DualParameters(l2=(0.1,), iterations=20, value_bound=BOUND)
    plan = plan_dual(100, 30, 8.0, parameters)
    told = {"bounds": ["p0", "p1"], "model": ["p0"]}

    def program(protocol: Any, me: str) -> Any:
        mine = {me: owned[me]} if me in owned else {}
        return train(protocol, plan, sizes, mine, told)

    error = run_parties(program, fail=True).first_error()
    assert isinstance(error, BoundError)
    assert "the pooled means move no intercept by more than 0.015625" in str(error)
    assert revealed_shapes(plan, list(told))["bounds"] == (2,)


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ParameterError, match="Weights and standardisation"):
        DualParameters(class_weight="balanced", value_bound=BOUND)
    with pytest.raises(ParameterError, match="too many to be standardised by secret"):
        plan_dual(1000, 20_000, 8.0, DualParameters(value_bound=BOUND))
