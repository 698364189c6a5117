"""Selected features in whole runs: told, or kept secret; the model's file, report, predictions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_sites import TWO_SITES, Cells, cells, genes, parsed, study_text
from scipy.stats import ttest_ind
from sklearn.linear_model import LogisticRegression

from cohortium.errors import CohortiumError
from cohortium.learn import Model
from cohortium.report import write_reports
from cohortium.run.local import LocalRun, simulate
from cohortium.run.predicting import made_ready, predict, read_for
from cohortium.run.verifying import verify_run

TOP = 8
RULE = f"""
[selection]
by = "welch-t"
top = {TOP}
[validation]
folds = 3
[[reveal]]
what = "auc"
to = ["north"]
"""
BOUND = "[preparation]\nvalue_bound = 32.0\n"
TOLD = '[[reveal]]\nwhat = "selected_features"\nto = ["north", "south"]\n'
FILTER = """
[filter]
max_missing = 0.1
[[reveal]]
what = "kept_features"
to = ["north", "south"]
"""
POOLED = """
[preparation]
standardise = "pooled"
impute = "pooled-mean"
value_bound = 32.0
[[reveal]]
what = "feature_statistics"
to = ["north", "south"]
"""


def sites() -> dict[str, Cells]:
    """Two sites on different levels, genes of unequal scales; some values missing."""
    tables = {"north": cells("north", genes(0)), "south": cells("south", genes(0), samples=30)}
    scales = np.random.default_rng(2).permutation(np.geomspace(0.2, 3.0, 30))
    for name, table in tables.items():
        for place, row in enumerate(table.rows):
            raw = np.array([float(value) for value in row[2:]])
            row[2:] = [f"{value:.4f}" for value in (raw - 7) * scales + 7 + 0.2 * (name == "south")]
            if place % 5 == 0:
                row[2 + 3] = ""
            if place == 7:
                row[2 + 4] = ""
    return tables


def numbers(table: Cells) -> np.ndarray[Any, Any]:
    return np.array([[float(value or "nan") for value in row[2:]] for row in table.rows])


def labels(tables: dict[str, Cells]) -> np.ndarray[Any, Any]:
    return np.array([row[1] == "BCR/ABL" for table in tables.values() for row in table.rows])


@dataclass
class Run:
    folder: Path
    tables: dict[str, Cells]
    local: LocalRun
    notes: list[str]

    @property
    def model(self) -> Model:
        return Model.load(self.local.models["north"][0])


def ran(folder: Path, text: str) -> Run:
    tables, notes = sites(), []
    data = {name: str(table.write(folder / f"{name}.csv")) for name, table in tables.items()}

    def tell(name: str, event: Any) -> None:
        if name == "north" and event["event"] == "note":
            notes.append(event["text"])

    return Run(folder, tables, simulate(parsed(text), data, folder / "out", tell), notes)


def study(*parts: str, iterations: int = 300) -> str:
    text = study_text(TWO_SITES, features='mode = "same"', l2="0.05", iterations=iterations)
    return text + "".join(parts)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return ran(tmp_path_factory.mktemp("selected"), study(BOUND, RULE, TOLD))


def filled(tables: dict[str, Cells]) -> list[np.ndarray[Any, Any]]:
    raw = [numbers(table) for table in tables.values()]
    return [np.where(np.isnan(values), np.nanmean(values, 0), values) for values in raw]


def chosen(rows: np.ndarray[Any, Any], classes: np.ndarray[Any, Any]) -> list[int]:
    found = ttest_ind(rows[classes], rows[~classes], equal_var=False).statistic
    return sorted(np.argsort(-np.abs(found))[:TOP].tolist())


def test_the_model_is_that_of_scikit_learn_on_the_chosen_genes(run: Run) -> None:
    parts, classes = filled(run.tables), labels(run.tables)
    places = chosen(np.concatenate(parts), classes)
    assert run.model.features == tuple(genes(0)[place] for place in places)
    # Not simply those that differ: the test can fail.
    assert places != list(range(TOP))
    scaled = np.concatenate([(part - part.mean(0)) / part.std(0) for part in parts])[:, places]
    reference = LogisticRegression(C=1 / (54 * 0.05), tol=1e-10, max_iter=10_000)
    reference.fit(scaled, classes)
    apart = np.abs(run.model.weights - reference.coef_[0]).max()
    assert apart <= 0.01 * np.abs(reference.coef_[0]).max()
    assert run.local.metrics["north"]["metrics"]["auc"][0] > 0.8


def test_receivers_get_the_names_in_a_file(run: Run) -> None:
    expected = "\n".join(["feature", *run.model.features]) + "\n"
    for name in ("north", "south"):
        folder = run.folder / "out" / name
        assert (folder / "selected_features.csv").read_text() == expected
        assert "selected_features.csv" in verify_run(folder).files
    assert not (run.folder / "out/uni/selected_features.csv").exists()
    record = json.loads((run.folder / "out/north/record.json").read_text())
    entry = next(each for each in record["revealed"] if each["what"] == "selected_features")
    assert (entry["shape"], entry["to"]) == ([30], ["north", "south"])
    assert entry["sha256"]
    assert "select features" in record["seconds"]
    assert run.model.training["selected by"] == "welch-t"
    assert run.model.training["selected of"] == 30
    assert "value_bound" not in run.model.preparation


def test_new_samples_need_the_selected_genes_alone(run: Run, tmp_path: Path) -> None:
    table = run.tables["south"]
    places = [table.header.index(name) for name in run.model.features]
    narrow = Cells(
        ["sample", *run.model.features],
        [[row[0], *(row[place] for place in places)] for row in table.rows],
    )
    wide = predict(run.model, read_for(run.model, str(run.folder / "south.csv"), label="subtype"))
    cohort = read_for(run.model, f"{narrow.write(tmp_path / 'new.csv')}")
    assert made_ready(run.model, cohort)[0].shape == (30, TOP)
    np.testing.assert_allclose(predict(run.model, cohort).values, wide.values, atol=1e-12)


def test_the_report_shows_the_model_of_the_selected_genes(run: Run) -> None:
    page = write_reports([run.folder / "out/north"])[0].read_text()
    assert f"30 features, of which {TOP} were selected on shares" in page
    card = (run.folder / "out/north/model-card.md").read_text()
    assert f"30 features, of which the {TOP} with the largest Welch's t were selected" in card
    assert all(name in page for name in run.model.features)
    assert f"{TOP} features" in page


def test_a_set_that_nobody_is_told_leaves_metrics_alone(tmp_path: Path) -> None:
    text = study(BOUND, RULE, iterations=40)
    model = text[text.index("[[reveal]]") : text.index("[preparation]")]
    secret = ran(tmp_path, text.replace(model, ""))
    assert secret.local.models == {"north": [], "south": [], "uni": []}
    assert secret.local.metrics["north"]["metrics"]["auc"][0] > 0.8
    record = json.loads((tmp_path / "out/north/record.json").read_text())
    assert [each["what"] for each in record["revealed"]] == ["bounds", "auc"]
    assert not list((tmp_path / "out").glob("*/selected_features.csv"))


def test_a_filter_pooled_statistics_and_covariates_beside(tmp_path: Path) -> None:
    """Selected is of the genes that are kept; missing values are the pooled mean."""
    text = study(FILTER, POOLED, RULE, TOLD).replace("[model]", "[model]\nsite_indicators = true")
    pooled = ran(tmp_path, text)
    raw = np.concatenate([numbers(table) for table in pooled.tables.values()])
    means = np.concatenate(filled(pooled.tables)).mean(0)
    values = np.where(np.isnan(raw), means, raw)
    # Of the fourth gene a fifth of the values is missing.
    kept = np.delete(np.arange(30), 3)
    places = kept[chosen(values[:, kept], labels(pooled.tables))]
    assert 4 in places
    assert pooled.model.features == tuple(genes(0)[place] for place in places)
    assert set(pooled.model.sites) == {"north", "south"}
    mean = np.array(pooled.model.preparation["mean"])
    np.testing.assert_allclose(mean, means[places], atol=1e-4)
    one = read_for(pooled.model, str(tmp_path / "south.csv"), label="subtype").take([3])
    assert 0 <= predict(pooled.model, one).values[0] <= 1


def test_more_genes_than_there_are_stop_the_run(tmp_path: Path) -> None:
    text = study(BOUND, RULE, TOLD, iterations=5).replace(f"top = {TOP}", "top = 30")
    with pytest.raises(CohortiumError, match="30 of 30 features can not be selected"):
        ran(tmp_path, text)
