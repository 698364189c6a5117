"""Covariates without penalty on real patients: how many iterations they take, and what they add.

Asthma cases and controls of ten countries at four sites (asthma.py). Trained is with the protocol's
program in the clear, so the numbers are the method's and not the fixed point's. Compared are

- the weights after some iterations with the optimum of Newton's method on the pooled data: the
  largest difference of a feature's weight, and of a covariate's, each relative to the largest;
- the AUC of 5-fold cross-validation without and with covariates, and of Newton's method on the same
  folds.

    python benchmarks/covariates.py                      # the table of docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asthma import DATA, REGIONS, source, write_sites
from cohortium.data import fold_assignment, scaled
from cohortium.learn import Adjustment, DualParameters, auc, plan_dual, train
from cohortium.mpc.clear import EXACT, ClearProtocol
from cohortium.run.adjusting import adjustment_of
from cohortium.run.preparing import prepare_site, read_site_data
from cohortium.study import Study, parse_study

FOLDS = 5
STUDY = """
[study]
name = "asthma"
{parties}
[[party]]
name = "uni"
roles = ["deal"]
[data]
{data}
[validation]
folds = {folds}
[[reveal]]
what = "auc"
to = ["north"]
"""
PARTY = '[[party]]\nname = "{name}"\nroles = ["data", "compute", "receive"]'
Arrays = tuple[NDArray[np.float64], ...]


def main() -> None:
    """Print both tables."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--iterations", default="25,50,100,200,400")
    arguments.add_argument("--l2", default="0.01,0.05,0.2")
    options = arguments.parse_args()
    if not source().is_dir():
        print(f"skipped: no data at {source()} (set COHORTIUM_DATA)")
        return
    counts = [int(count) for count in options.iterations.split(",")]
    strengths = [float(value) for value in options.l2.split(",")]
    parties = "\n".join(PARTY.format(name=name) for name in REGIONS)
    study = parse_study(STUDY.format(parties=parties, data=DATA, folds=FOLDS)).study
    owned = read_sites(study)
    adjustment = adjustment_of(study)
    sizes = ", ".join(f"{name} {len(rows[1])}" for name, rows in owned.items())
    print(f"{sizes}; {adjustment}\n\n    λ iterations  features covariates")
    optima = np.column_stack([newton(*pooled(owned), l2) for l2 in strengths])
    count = optima.shape[0] - next(iter(owned.values()))[2].shape[1] - 1
    for iterations in counts:
        found = fitted(owned, adjustment, strengths, iterations)["model"]
        for column, l2 in enumerate(strengths):
            off, best = np.abs(found - optima)[:, column], np.abs(optima[:, column])
            parts = (slice(count), slice(count, None))
            first, second = (off[part].max() / best[part].max() for part in parts)
            print(f"{l2:5g} {iterations:10} {first:9.2%} {second:10.2%}")
    print("\n    λ  AUC of variants  adjusted  Newton's, adjusted")
    assignment = fold_assignment([len(rows[1]) for rows in owned.values()], FOLDS)
    iterations = max(counts)
    without = fitted(owned, None, strengths, iterations, assignment)["auc"]
    adjusted = fitted(owned, adjustment, strengths, iterations, assignment)["auc"]
    for column, l2 in enumerate(strengths):
        theirs = held_out_auc(*pooled(owned), l2, assignment)
        print(f"{l2:5g} {without[column]:16.3f} {adjusted[column]:9.3f} {theirs:19.3f}")


def read_sites(study: Study) -> dict[str, Arrays]:
    """Return each site's prepared values, labels and scaled covariates, fold after fold."""
    owned = {}
    with tempfile.TemporaryDirectory() as folder:
        for site, argument in write_sites(Path(folder)).items():
            ready = prepare_site(study, site, read_site_data(argument, study), lambda _: None)
            cohort = ready.cohort
            if cohort is None or cohort.labels is None or cohort.covariates is None:
                raise TypeError(site)
            covariates = scaled(cohort.covariates, study.covariates)
            owned[site] = (cohort.values[:, :], cohort.labels, covariates)
    return owned


def fitted(
    owned: dict[str, Arrays],
    adjustment: Adjustment | None,
    l2: list[float],
    iterations: int,
    assignment: NDArray[np.int64] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Return what the training reveals, over the protocol's reference in the clear."""
    sizes = {name: len(rows[1]) for name, rows in owned.items()}
    features = next(iter(owned.values()))[0].shape[1]
    parameters = DualParameters(l2=tuple(l2), iterations=iterations)
    plan = plan_dual(sum(sizes.values()), features, 8.0, parameters, assignment, adjustment)
    rows = {name: own[: 2 if adjustment is None else 3] for name, own in owned.items()}
    told = {name: ["north"] for name in ("bounds", "model", *(["auc"] if plan.folds else []))}
    return train(ClearProtocol(exact=EXACT), plan, sizes, rows, told)


def pooled(owned: dict[str, Arrays]) -> Arrays:
    """Return all values, labels and covariates with the constant."""
    values, labels, covariates = (
        np.concatenate(part) for part in zip(*owned.values(), strict=True)
    )
    return values, labels, np.column_stack([covariates, np.ones(len(labels))])


def newton(
    values: NDArray[np.float64], labels: NDArray[np.float64], free: NDArray[np.float64], l2: float
) -> NDArray[np.float64]:
    """Return the optimum of the mean log-loss + λ/2·‖w‖², w the weights of ``values`` alone."""
    design = np.hstack([values, free])
    penalty = np.append(np.full(values.shape[1], l2), np.zeros(free.shape[1]))
    w = np.zeros(design.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-design @ w))
        slope = design.T @ (p - labels) / len(labels) + penalty * w
        curve = (design * (p * (1 - p))[:, None]).T @ design / len(labels) + np.diag(penalty)
        w = w - np.linalg.solve(curve, slope)
    return w


def held_out_auc(
    values: NDArray[np.float64],
    labels: NDArray[np.float64],
    free: NDArray[np.float64],
    l2: float,
    assignment: NDArray[np.int64],
) -> float:
    """Return the mean of the folds' AUC by Newton's method."""
    found = []
    for fold in range(FOLDS):
        out = assignment == fold
        w = newton(values[~out], labels[~out], free[~out], l2)
        found.append(auc(labels[out], np.hstack([values, free])[out] @ w))
    return float(np.mean(found))


if __name__ == "__main__":
    main()
