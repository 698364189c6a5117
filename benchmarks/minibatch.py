"""Times secure logistic regression on mini-batches, all parties on this machine.

Two computing parties, which own half of the rows each, and a dealer: three processes, TLS 1.3 on
127.0.0.1. Timed are the steps, from shared rows to the last step's weights. The weights are
compared with float64 and the exact sigmoid on the same batches.

    python benchmarks/minibatch.py                     # the table of docs/benchmarks.md
    python benchmarks/minibatch.py --features 10 --repeats 1 --profile north
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import statistics
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohortium.learn import PrimalParameters, PrimalPlan, plan_primal
from cohortium.learn.primal import fit_primal, share_rows
from cohortium.learn.primal_plan import row_order
from cohortium.mpc.clear import logistic
from cohortium.mpc.dealer import start
from cohortium.ring import NumpyEngine
from parties import NAMES, ROLES, in_processes, ledger, meshes

SAMPLES, CLIP = 1024, 8.0


def main() -> None:
    """Print the table, or be one of its parties."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--features", default="10,1000")
    arguments.add_argument("--batch", type=int, default=128)
    arguments.add_argument("--steps", type=int, default=500)
    arguments.add_argument("--logit-bound", type=float, default=16.0)
    arguments.add_argument("--sigmoid-error", type=float, default=2e-3)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--profile", choices=NAMES, help="print a profile of one party")
    arguments.add_argument("--party", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.party:
        run_party(json.loads(options.party))
        return
    print(
        " features  batch  steps a second    (all runs)  rounds  harmonics  largest weight  differs"
        "   processor µs a step, by party"
    )
    for features in options.features.split(","):
        show(
            in_processes(
                __file__,
                options.repeats,
                features=int(features),
                parameters={
                    "batch": options.batch,
                    "steps": options.steps,
                    "logit_bound": options.logit_bound,
                    "sigmoid_error": options.sigmoid_error,
                },
                profile=options.profile,
            )
        )


def samples(features: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return standard normal values, and labels drawn from a logistic model of them."""
    random = np.random.default_rng(0)
    values = np.clip(random.standard_normal((SAMPLES, features)), -CLIP, CLIP)
    weights = random.standard_normal(features) * 3 / np.sqrt(features)
    labels = random.random(SAMPLES) < logistic(values @ weights + 0.5)
    return values, labels.astype(np.int64)


def in_float64(
    plan: PrimalPlan, values: NDArray[np.float64], labels: NDArray[np.int64], sizes: list[int]
) -> NDArray[np.float64]:
    """Return the weights of the same steps in float64, with the exact sigmoid."""
    order = row_order(sizes)
    X, y = np.column_stack([values, np.ones(len(values))])[order], labels[order]
    weights = np.zeros(X.shape[1])
    for step in range(plan.parameters.steps):
        rows = np.arange(plan.start(step), plan.start(step) + plan.batch) % plan.samples
        residual = logistic(X[rows] @ weights) - y[rows]
        weights = weights - plan.parameters.learning_rate * (X[rows].T @ residual) / plan.batch
    return weights


def run_party(settings: dict[str, Any]) -> None:
    """Run one party's side of every repeat; print what it measured as one line of JSON."""
    name, features = settings["name"], settings["features"]
    values, labels = samples(features)
    half = SAMPLES // 2
    sizes = {"north": half, "south": half}
    rows = {"north": slice(half), "south": slice(half, None)}
    owned = {name: (values[rows[name]], labels[rows[name]])} if name in sizes else {}
    plan = plan_primal(SAMPLES, features, CLIP, PrimalParameters(**settings["parameters"]))
    expected = in_float64(plan, values, labels, [half, half])
    results = []
    profile = cProfile.Profile()

    def program() -> None:
        protocol = start(mesh, ROLES, ledger(plan, {"model": NAMES[:2]}))
        batches = share_rows(protocol, plan, sizes, owned)
        before, began, used = protocol.counters.rounds, time.perf_counter(), time.process_time()
        if settings["profile"] == name:
            profile.enable()
        weights = fit_primal(batches, plan)
        profile.disable()
        seconds, used = time.perf_counter() - began, time.process_time() - used
        rounds = protocol.counters.rounds - before
        revealed = weights.reveal("model", NAMES[:2])
        difference = 0.0
        if revealed is not None:
            difference = float(np.abs(plan.unscaled(revealed)[:, 0] - expected).max())
        results.append(
            {"seconds": seconds, "used": used, "rounds": rounds, "difference": difference}
        )

    for mesh in meshes(settings):
        with mesh:
            NumpyEngine().run(program)
    if settings["profile"] == name:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(45)
    harmonics = plan.series.harmonics if plan.series else 0
    print(
        json.dumps(
            {
                "features": features,
                "batch": plan.batch,
                "steps": plan.parameters.steps,
                "harmonics": harmonics,
                "largest": float(np.abs(expected).max()),
                "runs": results,
            }
        )
    )


def show(parties: list[Any]) -> None:
    """Print the median of the slower computing party's speed, and the largest difference."""
    facts = parties[0]
    runs = [
        facts["steps"] / max(run["seconds"] for run in pair)
        for pair in zip(*(party["runs"] for party in parties[:2]), strict=True)
    ]
    used = [
        statistics.median(run["used"] for run in party["runs"]) / facts["steps"] * 1e6
        for party in parties
    ]
    difference = max(run["difference"] for party in parties[:2] for run in party["runs"])
    print(
        f"{facts['features']:>9} {facts['batch']:>6} {statistics.median(runs):>15.0f} "
        f"{min(runs):>7.0f}–{max(runs):<6.0f} {facts['runs'][0]['rounds']:>6} "
        f"{facts['harmonics']:>10} {facts['largest']:>15.2f}  {difference:.1e} ",
        " / ".join(f"{each:.0f}" for each in used),
        flush=True,
    )


if __name__ == "__main__":
    main()
