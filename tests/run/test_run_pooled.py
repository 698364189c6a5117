"""Pooled preparation in whole runs: against scikit-learn on the pooled table, and a new sample."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_sites import Cells, cells, genes, parsed, study_text
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from cohortium.data import Cohort
from cohortium.errors import AgreementError, CohortiumError
from cohortium.learn import Model
from cohortium.run.local import simulate
from cohortium.run.predicting import predict

BOUND = 32.0
PREPARATION = """
[preparation]
standardise = "pooled"
impute = "pooled-mean"
value_bound = 32.0
"""
TOLD = """
[[reveal]]
what = "feature_statistics"
to = ["north", "south"]
"""


def sites() -> dict[str, Cells]:
    """Two sites on different levels: of scales by gene, one constant gene, some values missing."""
    tables = {"north": cells("north", genes(0)), "south": cells("south", genes(0), samples=30)}
    scales = np.geomspace(0.1, 3.0, 30)
    for name, table in tables.items():
        for place, row in enumerate(table.rows):
            raw = np.array([float(value) for value in row[2:]])
            scaled = (raw - 7.0) * scales + 7.0 + 0.3 * (name == "south")
            row[2:] = [f"{value:.4f}" for value in scaled]
            row[2 + 29] = "5.5"
            if place % 5 == 0:
                row[2 + 8] = ""
    return tables


def numbers(tables: dict[str, Cells]) -> np.ndarray[Any, Any]:
    rows = [row[2:] for table in tables.values() for row in table.rows]
    return np.array([[float(value or "nan") for value in row] for row in rows])


def labels(tables: dict[str, Cells]) -> np.ndarray[Any, Any]:
    return np.array([row[1] == "BCR/ABL" for table in tables.values() for row in table.rows])


@dataclass
class Run:
    folder: Path
    tables: dict[str, Cells]
    model: Model
    notes: list[str]


def written(tables: dict[str, Cells], folder: Path) -> dict[str, str]:
    return {name: str(table.write(folder / f"{name}.csv")) for name, table in tables.items()}


def pooled_study(*parts: str, iterations: int = 300, wait: float = 20) -> str:
    text = study_text(
        features='mode = "same"',
        l2="0.05",
        iterations=iterations,
        deadline=wait,
        connect_timeout=wait,
    )
    return text + "".join(parts)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder, tables = tmp_path_factory.mktemp("pooled"), sites()
    notes: list[str] = []

    def hear(party: str, event: Any) -> None:
        if party == "north" and event["event"] == "note":
            notes.append(event["text"])

    local = simulate(
        parsed(pooled_study(PREPARATION, TOLD)), written(tables, folder), folder / "out", hear
    )
    return Run(folder, tables, Model.load(local.models["north"][0]), notes)


def test_weights_are_those_of_scikit_learn_on_the_pooled_table(run: Run) -> None:
    values = numbers(run.tables)
    # For the moments a missing value counts as its site's mean, afterwards as the pooled one.
    halves = np.split(values, [24])
    filled = np.concatenate([np.where(np.isnan(x), np.nanmean(x, 0), x) for x in halves])
    scaler = StandardScaler().fit(filled)
    rows = np.nan_to_num(scaler.transform(values))
    reference = LogisticRegression(C=1 / (54 * 0.05), tol=1e-10, max_iter=10_000)
    reference.fit(rows, labels(run.tables))
    expected = reference.coef_[0]
    assert np.abs(run.model.weights - expected).max() < 0.01 * np.abs(expected).max()
    assert run.model.weights[29] == 0.0
    statistics = run.model.preparation
    # Means are told to 2^-19 of the bound of 32.
    np.testing.assert_allclose(statistics["mean"], filled.mean(0), rtol=0, atol=1e-4)
    np.testing.assert_allclose(statistics["variance"], filled.var(0), rtol=1e-5, atol=1e-9)


def test_a_single_new_sample_is_predicted(run: Run) -> None:
    row = numbers(run.tables)[3:4]
    row[0, 4] = np.nan
    found = predict(run.model, Cohort(row, ["new"], run.model.features))
    mean, variance = (np.array(run.model.preparation[name]) for name in ("mean", "variance"))
    scaled = np.nan_to_num((row - mean) / np.sqrt(np.where(variance < 1e-8, 1.0, variance)))
    scaled[:, 29] = 0.0
    logit = (scaled @ run.model.weights)[0] + run.model.intercept
    assert found.values[0] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-9)
    assert found.warnings == ()


def test_the_record_lists_the_statistics_and_the_screen_tells_what_was_done(run: Run) -> None:
    record = json.loads((run.folder / "out/north/record.json").read_text())
    entry = next(each for each in record["revealed"] if each["what"] == "feature_statistics")
    assert entry["shape"] == [2, 30]
    assert entry["to"] == ["north", "south"]
    assert entry["sha256"]
    assert "prepare together" in record["seconds"]
    assert "5 missing values replaced by the mean of the feature." in run.notes
    assert "1 feature with one value only: 'GENE29'." in run.notes


def test_a_value_beyond_the_bound_stops_its_site_alone(tmp_path: Path) -> None:
    tables = sites()
    tables["south"].rows[3][4] = "33.5"
    with pytest.raises(CohortiumError, match=r"a value beyond the study's value_bound = 32") as it:
        simulate(
            parsed(pooled_study(PREPARATION, TOLD, iterations=5)),
            written(tables, tmp_path),
            tmp_path / "out",
            lambda *_: None,
        )
    assert "GENE02" in str(it.value)


def test_tensors_reveal_the_same_statistics(run: Run, tmp_path: Path) -> None:
    # Three processes load TensorFlow: on a busy machine that takes longer than a deadline.
    text = pooled_study(PREPARATION, TOLD, iterations=5, wait=100)
    data = written(run.tables, tmp_path)
    local = simulate(parsed(text), data, tmp_path / "out", lambda *_: None, engine="tensorflow")
    model = Model.load(local.models["north"][0])
    for name in ("mean", "variance"):
        # Roundings are random, a unit apart.
        np.testing.assert_allclose(
            model.preparation[name], run.model.preparation[name], rtol=1e-6, atol=32 * 2.0**-18
        )
    assert model.weights[29] == 0.0
    assert np.abs(model.weights).max() > 0


def test_a_site_of_few_samples_stops_all_before_anything_is_shared(tmp_path: Path) -> None:
    tables = sites()
    tables["south"].rows[9:] = []
    told: dict[str, str] = {}

    def hear(party: str, event: Any) -> None:
        assert event.get("name") not in ("prepare together", "share")
        if event["event"] == "error":
            told[party] = event["what"]

    with pytest.raises(AgreementError, match=r"Too few samples of south \(9\)"):
        simulate(
            parsed(pooled_study(PREPARATION, TOLD, iterations=5)),
            written(tables, tmp_path),
            tmp_path / "out",
            hear,
        )
    assert set(told) == {"north", "south", "uni"}
    assert all("each data owner must bring 10 or more" in what for what in told.values())


def test_moments_that_nobody_is_told_give_a_model_for_raw_values(tmp_path: Path) -> None:
    tables = sites()
    secret = PREPARATION.replace('impute = "pooled-mean"\n', "")
    folds = '[validation]\nfolds = 3\n[[reveal]]\nwhat = "auc"\nto = ["north"]\n'
    text = pooled_study(secret, folds)
    local = simulate(parsed(text), written(tables, tmp_path), tmp_path / "out", lambda *_: None)
    model = Model.load(local.models["north"][0])
    values = numbers(tables)
    halves = np.split(values, [24])
    filled = np.concatenate([np.where(np.isnan(x), np.nanmean(x, 0), x) for x in halves])
    scaler = StandardScaler().fit(filled)
    reference = LogisticRegression(C=1 / (54 * 0.05), tol=1e-10, max_iter=10_000)
    reference.fit(scaler.transform(filled), labels(tables))
    found = model.weights * filled.std(0)
    assert np.abs(found - reference.coef_[0]).max() < 0.01 * np.abs(reference.coef_[0]).max()
    assert model.weights[29] == 0.0
    assert model.preparation["standardise"] == "none"
    assert "mean" not in model.preparation
    # A single sample, as it was measured.
    one = predict(model, Cohort(filled[5:6], ["new"], model.features))
    expected = reference.predict_proba(scaler.transform(filled[5:6]))[0, 1]
    assert one.values[0] == pytest.approx(expected, abs=0.01)
    record = json.loads((tmp_path / "out/north/record.json").read_text())
    assert [each["what"] for each in record["revealed"]] == ["bounds", "model", "auc"]
    assert record["revealed"][0]["shape"] == [2]
    # Folds are random: of 300 such divisions scikit-learn has 0.76 at the least.
    assert json.loads((tmp_path / "out/north/metrics.json").read_text())["metrics"]["auc"][0] > 0.7
