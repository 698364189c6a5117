"""The task of iDASH 2019 Track IV on real sets of its kind: accuracy, AUC, seconds, rounds, bytes.

Three sites own a third of the samples each; two of them compute, the third deals. Each is a
process, TLS 1.3 on 127.0.0.1. Accuracy and AUC are the means over stratified 5-fold
cross-validation, computed under MPC; "pooled" is scikit-learn's LogisticRegression on all sites'
rows, at the same λ and in the same folds. Seconds, rounds and bytes are those of one model trained
on all samples, from prepared arrays to revealed weights.

    python benchmarks/idash2019                 # all sets; writes table and plot into docs/
    python benchmarks/idash2019 --sets gordon2002,nki295 --sigmoids periodic,hong5 --print-only
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pages import Line, write_page
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from cohortium.data import Cohort
from cohortium.learn import DualParameters, plan_dual, train
from cohortium.learn.losses import SIGMOIDS
from cohortium.mpc.dealer import Roles, start
from data import CLIP, SETS, SITES, divided, folder
from parties import in_processes, ledger, meshes

# λ of the mean log-loss + λ/2·‖w‖², and Nesterov's iterations: the same for all sets.
L2, ITERATIONS, LOGIT_BOUND = 10.0, 150, 32.0
WEIGHTS = (None, "balanced")
ROLES = Roles(SITES[:2], SITES[2])
TOLD = {name: list(SITES[:2]) for name in ("bounds", "model", "accuracy", "auc")}
METRICS = ("accuracy", "auc")
BAR = 0.01


def main() -> int:
    """Run the benchmark, or be one of its parties; return 1 where the bar is missed."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--sets", default=",".join(SETS))
    arguments.add_argument("--sigmoids", default=",".join(SIGMOIDS))
    arguments.add_argument("--repeats", type=int, default=2, help="of the cross-validation")
    arguments.add_argument("--print-only", action="store_true", help="leave docs/ as it is")
    arguments.add_argument("--party", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.party:
        run_party(json.loads(options.party))
        return 0
    if not folder().is_dir():
        print(f"skipped: no folder of data sets at {folder()} (set COHORTIUM_DATA)")
        return 0
    lines: list[Line] = []
    for name in options.sets.split(","):
        with tempfile.TemporaryDirectory() as scratch:
            of_set = measure(name, Path(scratch), options)
        for line in of_set:
            print(line, flush=True)
        lines += of_set
    if not options.print_only:
        write_page(lines, L2, ITERATIONS, options.repeats)
    missed = [line for line in lines if line.sigmoid == "periodic" and line.off() > BAR]
    for line in missed:
        print(f"more than {BAR} from the pooled model: {line}")
    return 1 if missed else 0


def measure(name: str, scratch: Path, options: argparse.Namespace) -> list[Line]:
    """Return a line for each sigmoid, with and without class weights."""
    sites = divided(name, scratch)
    rows = sites.together
    assignments = [sites.folds(seed) for seed in range(options.repeats)]
    np.savez(scratch / "rows.npz", values=rows.values, labels=rows.labels, folds=assignments)
    runs = [
        {"sigmoid": sigmoid, "class_weight": weight, "repeat": repeat}
        for sigmoid in options.sigmoids.split(",")
        for weight in WEIGHTS
        for repeat in (None, *range(options.repeats))
    ]
    parties = in_processes(
        __file__,
        len(runs),
        names=SITES,
        rows=str(scratch / "rows.npz"),
        sizes=sites.sizes,
        runs=runs,
    )
    lines = []
    for weight in WEIGHTS:
        pooled = np.mean([pooled_scores(rows, folds, weight) for folds in assignments], axis=0)
        for sigmoid in options.sigmoids.split(","):
            found = [
                [own for run, own in zip(runs, results, strict=True) if _is(run, sigmoid, weight)]
                for results in parties
            ]
            single, *repeats = found[0]
            lines.append(
                Line(
                    name,
                    *rows.values.shape,
                    sigmoid,
                    weight or "none",
                    float(np.mean([run["accuracy"] for run in repeats])),
                    float(pooled[0]),
                    float(np.mean([run["auc"] for run in repeats])),
                    float(pooled[1]),
                    max(own[0]["seconds"] for own in found),
                    single["rounds"],
                    sum(own[0]["sent"] for own in found) / 1e6,
                )
            )
    return lines


def _is(run: dict[str, Any], sigmoid: str, weight: str | None) -> bool:
    return run["sigmoid"] == sigmoid and run["class_weight"] == weight


def pooled_scores(rows: Cohort, folds: np.ndarray, weight: str | None) -> tuple[float, float]:
    """Return scikit-learn's mean accuracy and AUC over the folds."""
    scores = []
    for fold in range(int(folds.max()) + 1):
        kept, held = folds != fold, folds == fold
        strength = 1 / (kept.sum() * L2)
        model = LogisticRegression(C=strength, max_iter=20_000, class_weight=weight)
        logits = model.fit(rows.values[kept], rows.labels[kept]).decision_function(
            rows.values[held]
        )
        right = (logits > 0) == rows.labels[held]
        scores.append((right.mean(), roc_auc_score(rows.labels[held], logits)))
    accuracy, auc = np.mean(scores, axis=0)
    return float(accuracy), float(auc)


def run_party(settings: dict[str, Any]) -> None:
    """Be one site in every run; print what it found as one line of JSON."""
    me, sizes = settings["name"], settings["sizes"]
    with np.load(settings["rows"]) as stored:
        values, labels, assignments = stored["values"], stored["labels"], stored["folds"]
    first = sum(size for site, size in sizes.items() if SITES.index(site) < SITES.index(me))
    own = slice(first, first + sizes[me])
    # All in this process may read the file; only this site's rows enter its program.
    owned = {me: (values[own], labels[own])}
    results = []
    for run, mesh in zip(settings["runs"], meshes(settings), strict=True):
        parameters = DualParameters(
            l2=(L2,),
            iterations=ITERATIONS,
            logit_bound=LOGIT_BOUND,
            sigmoid=run["sigmoid"],
            class_weight=run["class_weight"],
            weight_bound=20.0,
        )
        folds = None if run["repeat"] is None else assignments[run["repeat"]]
        told = TOLD if folds is not None else {name: TOLD[name] for name in ("bounds", "model")}
        with mesh:
            began = time.perf_counter()
            plan = plan_dual(*values.shape, CLIP, parameters, folds)
            protocol = start(mesh, ROLES, ledger(plan, told))
            with np.errstate(over="ignore"):
                found = train(protocol, plan, sizes, owned, told)
            results.append(
                {
                    "seconds": time.perf_counter() - began,
                    "rounds": protocol.counters.rounds,
                    "sent": mesh.bytes_sent,
                    **{
                        kind: float(found[kind][0]) for kind in ("accuracy", "auc") if kind in found
                    },
                }
            )
    print(json.dumps(results))


if __name__ == "__main__":
    sys.exit(main())
