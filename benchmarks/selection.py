"""Selecting genes in secret on real patients: what it takes, and what selecting outside the folds
would pretend.

Breast cancers of the NKI (nki295 of COHORTIUM_DATA) at two sites, a process for each party, TLS on
127.0.0.1. Trained is on all genes; on those that are selected in secret, in each fold anew; and, as
it must not be done, on those that all samples together selected beforehand, cross-validated as if
they had been given. All of it with the patients' labels, and with labels drawn at random, of which
nothing can be learned: their AUC is ½.

    python benchmarks/selection.py                     # the table of docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cohortium as co
from cohortium.data import read_cohort

OWNER = '[[party]]\nname = "{}"\nroles = ["data", "compute", "receive"]\n'
STUDY = f"""
[study]
name = "selection"
{OWNER.format("north")}{OWNER.format("south")}
[[party]]
name = "uni"
roles = ["deal"]
[data]
label = "label"
positive = "1"
negative = "0"
[model]
l2 = 0.1
[validation]
folds = 5
[[reveal]]
what = "auc"
to = ["north"]
"""
SELECTION = '[preparation]\nvalue_bound = {bound}\n[selection]\nby = "{by}"\ntop = {top}\n'


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--genes", type=int, default=4919, help="the first so many")
    arguments.add_argument("--top", type=int, default=50)
    arguments.add_argument("--labels", default="real,random")
    arguments.add_argument("--rows", default="all,variance,welch-t,beforehand")
    options = arguments.parse_args()
    folder = Path(os.environ.get("COHORTIUM_DATA", "../shared/data")) / "nki295"
    if not folder.is_dir():
        print(f"skipped: no data at {folder} (set COHORTIUM_DATA)")
        return
    values, labels = patients(folder, options.genes)
    print(f"{values.shape[0]} samples × {values.shape[1]} genes, {options.top} selected\n")
    print("  labels trained on                      AUC rounds  MB sent  MB dealt")
    bound = float(np.ceil(np.abs(values).max()))
    for kind in options.labels.split(","):
        if kind == "random":
            labels = np.random.default_rng(1).permutation(labels)
        best = np.argsort(-welch(values, labels))[: options.top]
        for row in options.rows.split(","):
            genes, rule = values[:, best] if row == "beforehand" else values, ""
            if row in ("variance", "welch-t"):
                rule = SELECTION.format(bound=bound, by=row, top=options.top)
            print(f"{kind:>8} {row:<18} {line(STUDY + rule, genes, labels)}")


def patients(folder: Path, genes: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return values and labels, in an order drawn at random."""
    cohort = read_cohort(
        folder / "X.csv.gz", label="label", label_file=folder / "labels.tsv", positive="1"
    )
    order = np.random.default_rng(0).permutation(len(cohort.samples))
    return np.asarray(cohort.values)[order, :genes], np.asarray(cohort.labels)[order]


def welch(values: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return |t| of the two classes."""
    groups = [values[labels == label] for label in (0, 1)]
    spread = sum(group.var(0, ddof=1) / len(group) for group in groups)
    found: NDArray[np.float64] = np.abs(groups[1].mean(0) - groups[0].mean(0)) / np.sqrt(spread)
    return found


def line(study: str, values: NDArray[np.float64], labels: NDArray[np.int64]) -> str:
    """Return a run's AUC, its rounds, what a site sends the other and the dealer to all."""
    half = len(labels) // 2
    data: dict[str, Any] = {
        "north": (values[:half], labels[:half]),
        "south": (values[half:], labels[half:]),
    }
    with tempfile.TemporaryDirectory() as out:
        found = co.simulate(study, data, Path(out) / "run")
    auc = found.metrics["north"]["metrics"]["auc"][0]
    site, dealer = found.records["north"], found.records["uni"]
    sent = site["link_bytes"]["sent"]["south"] / 1e6
    dealt = sum(dealer["link_bytes"]["sent"].values()) / 1e6
    return f"{auc:8.3f} {site['rounds']:6} {sent:8.1f} {dealt:9.1f}"


if __name__ == "__main__":
    main()
