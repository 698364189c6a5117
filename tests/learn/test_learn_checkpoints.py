"""A training that is gone on with gives what an uninterrupted one gives, in fewer rounds."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from learn_trainings import made_up
from mpc_parties import DEALER, names_of, run_parties

from cohortium.learn import Adjustment, DualParameters, plan_dual, train
from cohortium.mpc import Ledger, SecretTensor
from cohortium.mpc.clear import EXACT, ClearProtocol
from cohortium.mpc.protocol import Kept

EVERY = 20
ITERATIONS = 70


class Stop(Exception):  # noqa: N818 - no error: a party that is killed
    pass


class InMemory:
    """What one party keeps, without files; ``stop_at``: the process ends after that state."""

    def __init__(self, protocol: Any, before: InMemory | None = None, done: int | None = None):
        self.every = EVERY
        self.done = done
        self.parts: dict[int, Kept | None] = {} if before is None else dict(before.parts)
        self.bounds: dict[int, list[float]] = {}
        self.stop_at: int | None = None
        self.ended = 0
        self._protocol = protocol

    def keep(self, done: int, tensors: Any) -> None:
        self.parts[done] = self._protocol.keep([tensor.value for tensor in tensors])
        self.bounds[done] = [tensor.bound for tensor in tensors]
        if done == self.stop_at:
            raise Stop

    def kept(self, protocol: Any, done: int, facts: Any) -> list[SecretTensor]:
        values = protocol.take_up(
            self.parts[done], [each.shape for each in facts], [each.fraction_bits for each in facts]
        )
        return [
            SecretTensor(protocol, value, each.shape, each.fraction_bits, each.bound)
            for value, each in zip(values, facts, strict=True)
        ]

    def end(self) -> None:
        self.ended += 1


# Parameters that the kept tensors' bounds depend on, beside those of the cases.
MORE: dict[str, dict[str, Any]] = {
    "by class": {"class_weight": (1.0, 3.7)},
    "balanced": {"class_weight": "balanced"},
    "by sample": {"sample_weights": True, "weight_bound": 10.0},
    "by both": {"class_weight": "balanced", "sample_weights": True, "weight_bound": 10.0},
    "not standardised": {"mean_square": None},
    "raw values": {"value_bound": 64.0},
    "pieces": {"sigmoid": "hong5"},
    "large logits": {"logit_bound": 64.0},
}


def case(name: str) -> tuple[Any, dict[str, Any], dict[str, int]]:
    """Return a plan, all owners' rows, and the rounds between sharing and the first iteration."""
    samples = made_up(24, 40, seed=3)
    random = np.random.default_rng(4)
    parameters: dict[str, Any] = {"iterations": ITERATIONS, "l2": (0.1, 1.0)}
    adjustment, columns = None, [samples.values, samples.labels]
    assignment = np.arange(24) % 3
    if name == "weights":
        parameters |= {"class_weight": "balanced", "sample_weights": True, "weight_bound": 4.0}
        columns.append(random.uniform(0.5, 1.5, 24))
    if name == "covariates":
        adjustment = Adjustment(2, 2.0, 1)
        columns.append(random.uniform(-1, 1, (24, 2)))
    if name == "secretly pooled":
        parameters |= {"value_bound": 8.0}
    if name == "allele counts":
        parameters |= {"value_bound": 2.0, "allele_counts": True, "mean_square": 2.0}
        columns[0] = random.binomial(2, random.uniform(0.2, 0.8, 40), (24, 40)).astype(float)
    if name == "linear":
        parameters |= {"kind": "linear"}
        columns[1] = samples.values[:, :3].sum(1) / 2
    parameters |= MORE.get(name, {})
    if parameters.get("sample_weights") and len(columns) == 2:
        columns.append(random.uniform(0.5, 1.5, 24))
    plan = plan_dual(24, 40, 8.0, DualParameters(**parameters), assignment, adjustment)
    cut = {"p0": slice(0, 10), "p1": slice(10, 24)}
    owned = {owner: tuple(column[rows] for column in columns) for owner, rows in cut.items()}
    return plan, owned, {"p0": 10, "p1": 14}


def run(
    name: str,
    computing: int,
    stores: dict[str, InMemory],
    before: dict[str, InMemory],
    done: int | None = None,
    stop_at: int | None = None,
    ledger: Ledger | None = None,
    kept: bool = True,
) -> Any:
    plan, owned, sizes = case(name)
    metric = "mse" if name == "linear" else "log_loss"
    told = {"bounds": list(names_of(computing)), metric: ["p0"], "model": ["p0"]}

    def program(protocol: Any, me: str) -> Any:
        stores[me] = InMemory(protocol, before.get(me), done)
        mine = {me: owned[me]} if me in owned else {}
        return train(protocol, plan, sizes, mine, told, checkpoints=stores[me] if kept else None)

    if computing == 0:
        stores["clear"] = InMemory(clear := ClearProtocol(exact=EXACT), before.get("clear"), done)
        stores["clear"].stop_at = stop_at
        return train(clear, plan, sizes, owned, told, checkpoints=stores["clear"])
    return run_parties(program, computing, deadline=60.0, ledger=ledger)


CASES = ("plain", "weights", "covariates", "secretly pooled", "allele counts", "linear")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("done", [0, 20, 60])
def test_in_the_clear_nothing_differs(name, done):
    whole = run(name, 0, {}, {})
    first: dict[str, InMemory] = {}
    with pytest.raises(Stop):
        run(name, 0, first, {}, stop_at=done)
    again = run(name, 0, {}, first, done=done)
    for what in whole:
        np.testing.assert_allclose(again[what], whole[what], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "computing"), [*((name, 2) for name in CASES), ("plain", 3), ("plain", 4)]
)
def test_on_shares_the_result_is_that_of_an_uninterrupted_training(name, computing):
    whole = run(name, 0, {}, {})
    first: dict[str, InMemory] = {}
    uninterrupted = run(name, computing, first, {}).protocols["p0"].counters.rounds
    # To keep costs no round.
    assert uninterrupted == run(name, computing, {}, {}, kept=False).protocols["p0"].counters.rounds
    assert set(first[DEALER].parts.values()) == {None}
    again: dict[str, InMemory] = {}
    out = run(name, computing, again, first, done=40)
    scale = np.abs(whole["model"]).max()
    assert np.abs(out["p0"]["model"] - whole["model"]).max() / scale < 0.005
    metric = "mse" if name == "linear" else "log_loss"
    np.testing.assert_allclose(out["p0"][metric], whole[metric], atol=0.005)
    assert all(again[party].ended == 1 for party in names_of(computing))
    # What was done is not done again: the Gram matrix, and two rounds an iteration.
    rounds = out.protocols["p0"].counters.rounds
    gram = 3 if name == "weights" else 1
    assert uninterrupted - rounds == gram + 2 * 39
    # Only what is new is kept.
    plan = case(name)[0]
    shapes = [part.shape for part in again["p0"].parts[60].parts]
    assert shapes == [(24, plan.columns)] * (EVERY + 2)


@pytest.mark.parametrize("name", [*CASES, *MORE])
def test_the_plan_bounds_what_is_kept(name):
    stores: dict[str, InMemory] = {}
    run(name, 0, stores, {})
    plan = case(name)[0]
    assert stores["clear"].bounds[0][0] <= plan.kernel_bound * (1 + 1e-12)
    assert max(stores["clear"].bounds[20][:EVERY]) <= plan.loss.residual_bound
    assert max(stores["clear"].bounds[20][EVERY:]) <= plan.loss.bound


def test_what_is_kept_ends_after_the_bounds_and_before_anything_else_is_revealed():
    stores: dict[str, InMemory] = {}
    seen: dict[str, list[tuple[str, int]]] = {}

    class Watching(Ledger):
        def authorise(self, name: str, receivers: Any, shape: Any) -> None:
            me = threading.current_thread().name
            seen.setdefault(me, []).append((name, stores[me].ended))

    run("plain", 2, stores, {}, ledger=Watching())
    for party in names_of(2):
        assert seen[party] == [("bounds", 0), ("log_loss", 1), ("model", 1)]
