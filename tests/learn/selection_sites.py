"""Sites whose features are selected: raw values, their sums, and scores of the pooled table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpc_parties import CLEAR, DEALER, names_of, run_parties
from scipy.stats import ttest_ind

from cohortium.data import Cohort, Preparation, class_sums, prepare
from cohortium.data.folds import assignment_of, by_fold
from cohortium.learn import ClassSums, DualParameters, DualPlan, SelectionRule, plan_dual, train

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Sites:
    """Cohorts by owner, their samples fold after fold, ``folds`` of them."""

    cohorts: Mapping[str, Cohort]
    folds: Mapping[str, Sequence[int]]

    @property
    def sizes(self) -> dict[str, int]:
        return {name: len(cohort.samples) for name, cohort in self.cohorts.items()}

    @property
    def assignment(self) -> Array:
        return assignment_of(list(self.folds.values()))

    @property
    def values(self) -> Array:
        return np.concatenate([np.asarray(cohort.values) for cohort in self.cohorts.values()])

    @property
    def prepared(self) -> dict[str, tuple[Array, Array]]:
        prepared = {n: prepare(cohort, Preparation())[0] for n, cohort in self.cohorts.items()}
        return {n: (np.asarray(each.values), each.labels) for n, each in prepared.items()}

    @property
    def labels(self) -> Array:
        return np.concatenate([cohort.labels for cohort in self.cohorts.values()])

    @property
    def parts(self) -> list[Array]:
        """The rows that train: without each fold, then all; one fold is no cross-validation."""
        count = len(next(iter(self.folds.values())))
        kept = [self.assignment != fold for fold in range(count)] if count > 1 else []
        return [*kept, np.full(len(self.labels), True)]

    def sums(self, rule: SelectionRule) -> dict[str, ClassSums]:
        by_class = rule.by == "welch-t"
        return {
            name: ClassSums(*class_sums(cohort, self.folds[name], by_class=by_class))
            for name, cohort in self.cohorts.items()
        }

    def plan(self, rule: SelectionRule | None, **parameters: Any) -> DualPlan:
        folds = self.assignment if len(next(iter(self.folds.values()))) > 1 else None
        shape = self.values.shape
        return plan_dual(*shape, 8.0, DualParameters(**parameters), folds, None, rule)


def sites(
    owners: Sequence[str], values: Array, labels: Array, folds: int = 1, seed: int = 0
) -> Sites:
    """Divide samples among owners, later ones getting more, and each one's among folds."""
    ends = np.cumsum(np.arange(1, len(owners) + 1))
    cuts = np.rint(ends[:-1] / ends[-1] * len(labels)).astype(int)
    cohorts, sizes = {}, {}
    for name, rows in zip(owners, np.split(np.arange(len(labels)), cuts), strict=True):
        cohort = Cohort(
            values[rows],
            [f"{name}-{row}" for row in rows],
            [f"G{place}" for place in range(values.shape[1])],
            labels[rows],
            "yes",
            "no",
            name,
        )
        cohorts[name], sizes[name] = cohort, [len(rows)]
        if folds > 1:
            cohorts[name], sizes[name] = by_fold(cohort, folds, np.random.default_rng(seed))
    return Sites(cohorts, sizes)


def pooled_scores(values: Array, labels: Array, by: str) -> Array:
    """Return NumPy's variances, or t²/(t² + n) of SciPy's t: 0 or 1 without spread."""
    if by == "variance":
        return values.var(0)
    positive, negative = values[labels == 1], values[labels == 0]
    spread = positive.std(0) + negative.std(0) > 1e-9
    scores = (np.abs(positive.mean(0) - negative.mean(0)) > 1e-9).astype(np.float64)
    found = ttest_ind(positive[:, spread], negative[:, spread], equal_var=False).statistic ** 2
    scores[spread] = found / (found + len(labels))
    return scores


def stated_error(given: Sites, rule: SelectionRule, kept: Array) -> Array:
    """Return how far a score may be off, as docs/protocol.md says, for each feature."""
    bound, owners = 2.0 ** np.ceil(np.log2(rule.value_bound)), len(given.sizes)
    values, labels, first = given.values[kept], given.labels[kept], next(iter(given.cohorts))
    apart = np.abs(values.mean(0) - np.asarray(given.cohorts[first].values).mean(0))
    if rule.by == "variance":
        return bound**2 * 2.0**-30 + (owners + 3) * bound * 2.0**-28 * (values.std(0) + apart)
    n, classes = len(labels), [values[labels == label] for label in (0, 1)]
    n0, n1 = map(len, classes)
    means, variances = (np.array([f(each, 0) for each in classes]) for f in (np.mean, np.var))
    spread = n0 * n1 / n**2 * (means[1] - means[0]) ** 2
    spread += n0 * n1 / n * (variances[0] / (n0 - 1) + variances[1] / (n1 - 1))
    deviation = np.sqrt(np.maximum(spread, (bound * 2.0**-14) ** 2))
    relative = 1 + (apart + np.abs(means[1] - means[0])) / deviation
    unit = (owners + 3) * bound * 2.0**-29 * (n / n0 + n / n1) / deviation
    return relative * (unit + 2.0**-18 * max(n0 / n1, n1 / n0))


def run_selection(
    given: Sites, plan: DualPlan, told: Mapping[str, Sequence[str]], computing: int, **options: Any
) -> Any:
    """Return what ``train`` reveals to p0 (0 parties: in the clear), and p0's counters."""
    from mpc_parties import run_clear

    prepared, sums = given.prepared, given.sums(plan.selection) if plan.selection else {}

    def program(protocol: Any, me: str) -> Any:
        mine = [me] if me != CLEAR else list(prepared)
        return train(
            protocol,
            plan,
            given.sizes,
            {name: prepared[name] for name in mine if name in prepared},
            told,
            sums={name: sums[name] for name in mine if name in sums},
            **options,
        )

    if computing == 0:
        return run_clear(program), None
    outsiders = [name for name in given.sizes if name not in (*names_of(computing), DEALER)]
    out = run_parties(program, computing, outsiders=outsiders, deadline=60.0)
    return out["p0"], out.protocols["p0"].counters
