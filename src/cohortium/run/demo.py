"""The demonstration: bundled leukaemia data, two hospitals and a dealer, against the clear.

Each hospital keeps every third of its samples aside, by class. The rest trains; then the revealed
model, the same training in the clear, and scikit-learn's are compared on the samples kept aside.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cohortium.data import Cohort, Fitted, fit, read_cohort
from cohortium.learn import Model, accuracy, auc, plan_dual, train
from cohortium.mpc.clear import EXACT, ClearProtocol
from cohortium.run.local import LocalRun, simulate
from cohortium.run.planning import dual_parameters
from cohortium.run.preparing import preparation_of
from cohortium.run.timeline import Event
from cohortium.study import StudyFile, parse_study

HOSPITALS = ("north", "south")
DEALER = "university"
LABEL, POSITIVE = "bcrabl_vs_neg", "BCR/ABL"
_HELD_OUT_EVERY = 3

STUDY = f"""\
[study]
name = "BCR/ABL in B-cell leukaemia (demonstration)"

[[party]]
name = "{HOSPITALS[0]}"
roles = ["data", "compute", "receive"]

[[party]]
name = "{HOSPITALS[1]}"
roles = ["data", "compute", "receive"]

[[party]]
name = "{DEALER}"
roles = ["deal"]

[data]
label = "{LABEL}"
positive = "{POSITIVE}"
negative = "NEG"

[preparation]
impute = "site-mean"
standardise = "site"
clip = 8.0

[model]
kind = "logistic"
l2 = 10.0
iterations = 100

[validation]
folds = 5

[[reveal]]
what = "model"
to = ["{HOSPITALS[0]}", "{HOSPITALS[1]}"]

[[reveal]]
what = "auc"
to = ["{HOSPITALS[0]}", "{HOSPITALS[1]}"]

[[reveal]]
what = "accuracy"
to = ["{HOSPITALS[0]}", "{HOSPITALS[1]}"]

[[reveal]]
what = "brier"
to = ["{HOSPITALS[0]}", "{HOSPITALS[1]}"]

[[reveal]]
what = "calibration"
to = ["{HOSPITALS[0]}", "{HOSPITALS[1]}"]
# These data are public. A study of patients states a minimum_count.
"""


@dataclass(frozen=True)
class DemoRow:
    """One model on the held-out samples; the weight difference is against the secure one's."""

    name: str
    accuracy: float
    auc: float
    difference: float | None


@dataclass
class DemoResult:
    """What the demonstration shows."""

    trained: int
    held_out: int
    rows: list[DemoRow]
    run: LocalRun
    notes: list[str] = field(default_factory=list)


def demonstrate(
    output: Path, on_event: Callable[[str, Event], None], *, engine: str = "numpy"
) -> DemoResult:
    """Run the demonstration, its files under ``output``; return what it shows."""
    study = parse_study(STUDY)
    output.mkdir(parents=True, exist_ok=True)
    (output / "study.toml").write_text(STUDY, encoding="utf-8")
    training, held_out, data = {}, {}, {}
    for name in HOSPITALS:
        cohort = _bundled(name)
        aside = _aside(cohort)
        held_out[name] = cohort.take(np.flatnonzero(aside))
        training[name] = cohort.take(np.flatnonzero(~aside))
        data[name] = str(_write(training[name], output / f"{name}-training.csv.gz"))
    run = simulate(study, data, output, on_event, engine=engine)
    secure = Model.load(run.models[HOSPITALS[0]][0])
    return _compare(study, secure, training, held_out, run)


def _compare(
    study: StudyFile,
    secure: Model,
    training: dict[str, Cohort],
    held_out: dict[str, Cohort],
    run: LocalRun,
) -> DemoResult:
    settings = preparation_of(study.study)
    fitted: dict[str, Fitted] = {name: fit(cohort, settings) for name, cohort in training.items()}

    def prepared(cohorts: dict[str, Cohort]) -> dict[str, NDArray[np.float64]]:
        return {
            name: fitted[name].apply(cohort).select_features(secure.features).values[:, :]
            for name, cohort in cohorts.items()
        }

    train_values, test_values = prepared(training), prepared(held_out)
    test = np.concatenate([test_values[name] for name in HOSPITALS])
    truth = np.concatenate([labels_of(held_out[name]) for name in HOSPITALS])
    rows = [
        _row(
            "secure (revealed to both hospitals)",
            secure.weights,
            secure.intercept,
            None,
            test,
            truth,
        )
    ]
    twin = _twin(study, training, train_values)
    rows.append(
        _row("same training in the clear", twin[:-1, 0], twin[-1, 0], secure.weights, test, truth)
    )
    result = DemoResult(
        trained=sum(len(cohort.samples) for cohort in training.values()),
        held_out=len(truth),
        rows=rows,
        run=run,
    )
    reference = _scikit_learn(study, training, train_values)
    if reference is None:
        result.notes.append("Install scikit-learn to see its model beside these.")
    else:
        rows.append(
            _row(
                "scikit-learn, data pooled",
                reference[:-1],
                reference[-1],
                secure.weights,
                test,
                truth,
            )
        )
    return result


def _row(
    name: str,
    weights: NDArray[np.float64],
    intercept: float,
    secure: NDArray[np.float64] | None,
    test: NDArray[np.float64],
    truth: NDArray[np.int64],
) -> DemoRow:
    scores = test @ weights + intercept
    difference = None
    if secure is not None:
        difference = float(np.abs(secure - weights).max() / np.abs(weights).max())
    return DemoRow(name, accuracy(truth, scores), auc(truth, scores), difference)


def _twin(
    study: StudyFile, training: dict[str, Cohort], values: dict[str, NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return the weights, intercept last, of the same program over exact numbers."""
    sizes = {name: len(rows) for name, rows in values.items()}
    features = next(iter(values.values())).shape[1]
    parameters = dual_parameters(study.study)
    plan = plan_dual(sum(sizes.values()), features, study.study.preparation.clip, parameters)
    owned = {name: (values[name], labels_of(training[name])) for name in values}
    told = {"bounds": HOSPITALS, "model": HOSPITALS}
    return train(ClearProtocol(exact=EXACT), plan, sizes, owned, told)["model"]


def _scikit_learn(
    study: StudyFile, training: dict[str, Cohort], values: dict[str, NDArray[np.float64]]
) -> NDArray[np.float64] | None:
    """Return scikit-learn's optimum on the pooled data at the same λ, None if not installed."""
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        return None
    pooled = np.concatenate([values[name] for name in HOSPITALS])
    labels = np.concatenate([labels_of(training[name]) for name in HOSPITALS])
    strength = 1.0 / (len(labels) * study.study.model.l2[0])
    fitted = LogisticRegression(C=strength, max_iter=10_000).fit(pooled, labels)
    return np.append(fitted.coef_[0], fitted.intercept_[0])


def labels_of(cohort: Cohort) -> NDArray[np.int64]:
    """Return the labels of a cohort that has them."""
    return np.zeros(0, np.int64) if cohort.labels is None else cohort.labels.astype(np.int64)


def _bundled(name: str) -> Cohort:
    with resources.as_file(resources.files("cohortium") / "demo_data" / f"{name}.csv.gz") as path:
        return read_cohort(path, label=LABEL, positive=POSITIVE, negative="NEG")


def _aside(cohort: Cohort) -> NDArray[np.bool_]:
    """Return which samples are kept aside: of each class every third."""
    labels = labels_of(cohort)
    rank = np.zeros(len(labels), np.int64)
    for value in (0, 1):
        rank[labels == value] = np.arange((labels == value).sum())
    return np.asarray(rank % _HELD_OUT_EVERY == _HELD_OUT_EVERY - 1)


def _write(cohort: Cohort, path: Path) -> Path:
    names = (cohort.negative or "", cohort.positive or "")
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as out:
        out.write(",".join(["sample", LABEL, *cohort.features]) + "\n")
        for sample, label, row in zip(
            cohort.samples, labels_of(cohort), cohort.values[:, :], strict=True
        ):
            out.write(",".join([sample, names[label], *(f"{value:.2f}" for value in row)]) + "\n")
    return path
