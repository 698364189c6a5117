"""Pooled standardisation with secret moments, against scikit-learn on the pooled table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mpc_parties import run_parties
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from cohortium.learn import DualParameters, plan_dual
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


@pytest.mark.parametrize("computing", [2, 3])
def test_weights_for_raw_values_are_those_of_scikit_learn(computing: int) -> None:
    owned = sites()
    sizes = {name: len(labels) for name, (_, labels) in owned.items()}
    plan = plan_dual(100, 30, 10.0, DualParameters(l2=(0.1,), iterations=300))

    def program(protocol: Any, me: str) -> Any:
        mine = {me: owned[me]} if me in owned else {}
        rows = pooled_rows(protocol, plan, sizes, mine, BOUND)
        rounds = protocol.counters.rounds
        kernel = pooled_gram(rows, plan).prepare()
        fit = fit_dual(kernel, rows.labels, None, plan)
        weights = raw_weights(rows, fit.dual, fit.intercept, plan)
        return weights.reveal("model", ["p0"]), rounds

    secure, rounds = run_parties(program, computing, deadline=60.0)["p0"]
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
    assert rounds == ROUNDS


ROUNDS = 23
