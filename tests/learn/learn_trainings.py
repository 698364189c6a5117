"""Trainings over the clear and the secure protocol on the same samples, divided among owners."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from mpc_parties import DEALER, names_of, run_parties

from cohortium.data import Preparation, prepare, read_cohort
from cohortium.learn import (
    DualParameters,
    DualPlan,
    PrimalPlan,
    plan_dual,
    train,
    train_primal,
)
from cohortium.learn.primal_plan import row_order
from cohortium.mpc import Counters
from cohortium.mpc.clear import EXACT, ClearProtocol
from cohortium.ring import NumpyEngine

DISCLOSURES = {"bounds": ["p0", "p1"], "model": ["p0", "p1"]}


@dataclass(frozen=True)
class Samples:
    """Prepared values and labels, to train on and to test with."""

    values: np.ndarray[Any, Any]
    labels: np.ndarray[Any, Any]
    test_values: np.ndarray[Any, Any]
    test_labels: np.ndarray[Any, Any]

    def divided(self, owners: int) -> dict[str, tuple[Any, Any]]:
        """Return consecutive parts of unequal size, by owner."""
        ends = np.cumsum(np.arange(1, owners + 1) / (owners * (owners + 1) / 2))
        cuts = [0, *np.rint(ends * len(self.labels)).astype(int)]
        return {
            f"p{i}": (self.values[a:b], self.labels[a:b]) for i, (a, b) in enumerate(pairwise(cuts))
        }

    def plan(self, clip: float = 8.0, **parameters: Any) -> DualPlan:
        return plan_dual(*self.values.shape, clip, DualParameters(**parameters))


def real_samples(folder: Path, label: str, positive: str, **further: Any) -> Samples:
    """Return a real data set, prepared, every fourth sample of each class kept aside."""
    cohort = read_cohort(
        folder / "X.csv.gz",
        label=label,
        label_file=folder / "labels.tsv",
        positive=positive,
        **further,
    )
    prepared, _ = prepare(cohort, Preparation())
    aside = np.zeros(len(prepared.labels), bool)
    for kind in (0, 1):
        aside[np.flatnonzero(prepared.labels == kind)[::4]] = True
    order = np.random.default_rng(0).permutation(np.flatnonzero(~aside))
    return Samples(
        prepared.values[order, :],
        prepared.labels[order],
        prepared.values[aside, :],
        prepared.labels[aside],
    )


def made_up(samples: int, features: int, seed: int = 0) -> Samples:
    """Return samples of two classes that overlap."""
    rng = np.random.default_rng(seed)
    values = np.clip(rng.normal(size=(2 * samples, features)), -8, 8)
    score = values[:, :4].sum(1) + rng.normal(size=2 * samples)
    labels = (score > np.median(score)).astype(np.int64)
    return Samples(values[:samples], labels[:samples], values[samples:], labels[samples:])


def train_clear(plan: DualPlan, owned: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    sizes = {name: len(rows[1]) for name, rows in owned.items()}
    return train(ClearProtocol(exact=EXACT), plan, sizes, owned, DISCLOSURES)["model"]


def train_secure(
    plan: DualPlan,
    owned: Mapping[str, Any],
    computing: int = 2,
    engine: Callable[[], Any] = NumpyEngine,
    **options: Any,
) -> np.ndarray[Any, Any]:
    sizes = {name: len(rows[1]) for name, rows in owned.items()}
    outsiders = [name for name in owned if name not in (*names_of(computing), DEALER)]

    def program(protocol: Any, me: str) -> Any:
        mine = {me: owned[me]} if me in owned else {}
        return train(protocol, plan, sizes, mine, DISCLOSURES).get("model")

    out = run_parties(
        program, computing, outsiders=outsiders, engine=engine, deadline=60.0, **options
    )
    np.testing.assert_array_equal(out["p0"], out["p1"])
    assert all(result is None for name, result in out.items() if name not in ("p0", "p1"))
    return out["p0"]


def scores(weights: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the logits of each column's model; the last row is the intercept."""
    return values @ weights[:-1] + weights[-1]


def train_primal_clear(plan: PrimalPlan, owned: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    sizes = {name: len(labels) for name, (_, labels) in owned.items()}
    clear = ClearProtocol(exact=EXACT)
    return train_primal(clear, plan, sizes, owned, DISCLOSURES)["model"][:, 0]


def train_primal_secure(
    plan: PrimalPlan, owned: Mapping[str, Any], computing: int = 2, **options: Any
) -> tuple[np.ndarray[Any, Any], Counters]:
    """Return the weights, and the counters of a computing party."""
    sizes = {name: len(labels) for name, (_, labels) in owned.items()}
    outsiders = [name for name in owned if name not in (*names_of(computing), DEALER)]

    def program(protocol: Any, me: str) -> Any:
        mine = {me: owned[me]} if me in owned else {}
        return train_primal(protocol, plan, sizes, mine, DISCLOSURES).get("model")

    out = run_parties(program, computing, outsiders=outsiders, deadline=60.0, **options)
    np.testing.assert_array_equal(out["p0"], out["p1"])
    assert all(result is None for name, result in out.items() if name not in ("p0", "p1"))
    return out["p0"][:, 0], out.protocols["p0"].counters


def train_primal_float64(plan: PrimalPlan, owned: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """Return the weights of the textbook method on the same batches, with the exact sigmoid."""
    asked = plan.parameters
    values = np.concatenate([values for values, _ in owned.values()])
    order = row_order([len(labels) for _, labels in owned.values()])
    X = np.column_stack([values, np.ones(len(values))])[order]
    y = np.concatenate([labels for _, labels in owned.values()])[order]
    penalised = np.append(np.ones(X.shape[1] - 1), 0.0)
    w, velocity = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for step in range(asked.steps):
        rows = (step * plan.batch + np.arange(plan.batch)) % len(X)
        z = X[rows] @ w
        residual = (1 / (1 + np.exp(-z)) if asked.kind == "logistic" else z) - y[rows]
        gradient = X[rows].T @ residual / plan.batch + asked.l2 * penalised * w
        velocity = asked.momentum * velocity - asked.learning_rate * gradient
        w = w + velocity
    return w
