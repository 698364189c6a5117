"""Times a secure logistic regression of the iDASH 2019 shapes, all parties on this machine.

Two computing parties, which own half of the rows each, and a dealer: three processes, TLS 1.3 on
127.0.0.1. Timed from prepared arrays in memory to revealed weights; starting processes and
connecting are apart. Values are standard normal: the time does not depend on them.

    python benchmarks/training.py                     # the table of docs/benchmarks.md
    python benchmarks/training.py --shape 225x12634 --columns 1 --engine numpy --repeats 5
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import numpy as np

from cohortium.learn import DualParameters, plan_dual, train
from cohortium.mpc.dealer import start
from cohortium.run.setup import make_engine
from cohortium.run.timeline import Timeline
from parties import NAMES, ROLES, in_processes, ledger, meshes

PHASES = ("share", "Gram matrix", "iterations", "check", "evaluate", "reveal")
CLIP = 8.0


def main() -> None:
    """Print the table, or be one of its parties."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--shape", default="225x12634,470x17814")
    arguments.add_argument("--columns", default="1,50")
    arguments.add_argument("--folds", type=int, default=0, help="cross-validate, with the AUC")
    arguments.add_argument("--engine", default="numpy")
    arguments.add_argument("--iterations", type=int, default=100)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--party", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.party:
        run_party(json.loads(options.party))
        return
    print(
        f"{'shape':>12} {'columns':>7} {'engine':>10} ",
        *(f"{name:>11}" for name in PHASES),
        f"{'total':>7}",
        f"{'(all runs)':>12} rounds  MB sent by each party",
    )
    for shape in options.shape.split(","):
        for columns in options.columns.split(","):
            for engine in options.engine.split(","):
                show(shape, int(columns), engine, measure(shape, int(columns), engine, options))


def measure(shape: str, columns: int, engine: str, options: argparse.Namespace) -> list[Any]:
    """Return what each party measured, by party, after starting all three."""
    return in_processes(
        __file__,
        options.repeats,
        shape=[int(size) for size in shape.split("x")],
        columns=columns,
        engine=engine,
        iterations=options.iterations,
        folds=options.folds,
    )


def run_party(settings: dict) -> None:
    """Run one party's side of every repeat; print what it measured as one line of JSON."""
    name = settings["name"]
    samples, features = settings["shape"]
    sizes = {"north": samples - samples // 2, "south": samples // 2}
    random = np.random.default_rng(NAMES.index(name))
    owned = {}
    if name in sizes:
        values = np.clip(random.standard_normal((sizes[name], features)), -CLIP, CLIP)
        owned[name] = (values, random.integers(0, 2, sizes[name]))
    parameters = DualParameters(
        l2=tuple(np.geomspace(1, 1000, settings["columns"])), iterations=settings["iterations"]
    )
    if settings["engine"] == "tensorflow":
        import tensorflow  # noqa: F401 - its start is the process's, not the training's
    told = {"bounds": NAMES[:2], "model": NAMES[:2]}
    folds = None
    if settings["folds"]:
        folds = np.arange(samples) % settings["folds"]
        told["auc"] = NAMES[:2]
    results = []
    for mesh in meshes(settings):
        engine = make_engine(settings["engine"])
        timeline = Timeline(lambda _event: None, settings["iterations"])
        with mesh:
            began = time.perf_counter()
            plan = plan_dual(samples, features, CLIP, parameters, folds)
            protocol = start(mesh, ROLES, ledger(plan, told), engine)
            watcher = timeline if settings["engine"] == "numpy" else None
            engine.run(
                lambda: train(protocol, plan, sizes, owned, told, watcher)  # noqa: B023
            )
            timeline.finish()
            results.append(
                {
                    "total": time.perf_counter() - began,
                    "phases": timeline.seconds,
                    "rounds": protocol.counters.rounds,
                    "sent": mesh.bytes_sent,
                }
            )
    print(json.dumps(results))


def show(shape: str, columns: int, engine: str, parties: list[dict]) -> None:
    """Print the medians of the slower computing party, run by run, and the bytes of all."""
    runs = [max(pair, key=lambda run: run["total"]) for pair in zip(*parties[:2], strict=True)]
    phases = [
        statistics.median(run["phases"].get(phase, float("nan")) for run in runs)
        for phase in PHASES
    ]
    totals = sorted(run["total"] for run in runs)
    print(
        f"{shape:>12} {columns:>7} {engine:>10} ",
        *(f"{seconds:>11.3f}" for seconds in phases),
        f"{statistics.median(totals):>7.3f}",
        f"{totals[0]:>5.2f}–{totals[-1]:<5.2f}",
        f"{runs[0]['rounds']:>6} ",
        " / ".join(f"{party[0]['sent'] / 1e6:.1f}" for party in parties),
        flush=True,
    )


if __name__ == "__main__":
    main()
