"""A model on new samples: the probabilities, what is warned of, and the model in other forms."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from run_sites import LABEL, NEGATIVE, POSITIVE, Cells, cells, genes, terminal_in

from cohortium.data import Cohort
from cohortium.errors import (
    CohortiumError,
    DataValueError,
    FeatureError,
    ModelFileError,
    ParameterError,
)
from cohortium.learn import Model, ModelCovariate
from cohortium.learn.exporting import save_csv, to_keras
from cohortium.run.predicting import predict, read_for

PREPARATION = {
    "impute": "site-mean",
    "standardise": "site",
    "clip": 8.0,
    "names": "gene",
    "aliases": {"OLD": "GENE02"},
}


def model(count: int = 6, **preparation: object) -> Model:
    weights = np.random.default_rng(1).normal(size=count)
    names = tuple(sorted(genes(0, count)))
    return Model(names, weights, 0.25, POSITIVE, NEGATIVE, {**PREPARATION, **preparation})


def cohort(names: list[str], samples: int = 40) -> Cohort:
    values = np.random.default_rng(2).normal(7.0, 2.0, (samples, len(names)))
    return Cohort(values, [f"s{row}" for row in range(samples)], names)


def by_hand(made: Model, values: np.ndarray) -> np.ndarray:
    scaled = (values - values.mean(0)) / values.std(0)
    return 1 / (1 + np.exp(-(scaled @ made.weights + made.intercept)))


def test_probabilities_are_those_of_the_formula() -> None:
    made = model()
    new = cohort(["gene01", "GENE00", "OLD", "gene03", "GENE05", "GENE04", "OTHER"])
    found = predict(made, new)
    order = [1, 0, 2, 3, 5, 4]
    np.testing.assert_allclose(found.values, by_hand(made, new.values[:, order]), atol=1e-12)
    assert found.warnings == ()
    lines = list(csv.reader(found.as_csv().splitlines()))
    assert lines[0] == ["sample", f"probability of {POSITIVE}", "class"]
    for line, sample, probability in zip(lines[1:], new.samples, found.values, strict=True):
        assert line[0] == sample
        assert float(line[1]) == pytest.approx(probability, abs=1e-6)
        assert line[2] == (POSITIVE if probability > 0.5 else NEGATIVE)


def test_a_feature_that_is_lacking_counts_as_its_mean() -> None:
    made = model()
    new = cohort(genes(0, 5))
    found = predict(made, new)
    whole = np.column_stack([new.values, np.zeros(len(new.values))])
    with np.errstate(invalid="ignore"):
        scaled = (whole - whole.mean(0)) / np.where(whole.std(0) > 0, whole.std(0), 1.0)
    expected = 1 / (1 + np.exp(-(scaled @ made.weights + made.intercept)))
    np.testing.assert_allclose(found.values, expected, atol=1e-12)
    assert any("1 feature of the model's 6 lacking" in line for line in found.warnings)
    assert any("'GENE05'" in line for line in found.warnings)


def test_what_can_not_be_predicted_is_refused() -> None:
    with pytest.raises(FeatureError, match="lacks 4 of the model's 6 features"):
        predict(model(), cohort(genes(0, 2)))
    with pytest.raises(FeatureError, match="lacks 1 of the model's 6 features"):
        predict(model(standardise="none"), cohort(genes(0, 5)))
    with pytest.raises(ModelFileError, match="how values are to be prepared"):
        predict(model(more=1), cohort(genes(0, 6)))


def test_few_samples_and_strange_values_are_warned_of() -> None:
    assert any("these 5 samples" in line for line in predict(model(), cohort(genes(0), 5)).warnings)
    strange = cohort(genes(0, 6), 400)
    values = strange.values.copy()
    values[:8] *= 1e6
    changed = Cohort(values, strange.samples, strange.features)
    assert any("lie beyond the bound of 8" in line for line in predict(model(), changed).warnings)


def test_keras_and_csv_say_the_same(tmp_path: Path) -> None:
    made = model()
    values = np.random.default_rng(3).normal(size=(50, 6))
    keras = made.to_keras()
    given = np.asarray(keras(values))[:, 0]
    np.testing.assert_allclose(given, made.predict_probability(values), atol=1e-12)
    save_csv(made, tmp_path / "weights.csv")
    rows = list(csv.reader((tmp_path / "weights.csv").read_text().splitlines()))
    assert rows[0] == ["feature", "weight"]
    assert rows[-1] == ["(intercept)", "0.25"]
    assert {name: float(weight) for name, weight in rows[1:-1]} == dict(
        zip(made.features, made.weights, strict=True)
    )
    sizes = [abs(float(weight)) for _, weight in rows[1:-1]]
    assert sizes == sorted(sizes, reverse=True)


def adjusted() -> Model:
    return replace(
        model(),
        covariates=(ModelCovariate("age", (0.05,), (20.0, 90.0), fill=50.0),),
        sites={"north": -0.5, "south": 1.5},
    )


def test_covariates_and_sites_of_new_samples(tmp_path: Path) -> None:
    table = cells("new", genes(0, 6), samples=30)
    table.header.append("age")
    for place, row in enumerate(table.rows):
        row.append("" if place == 3 else str(30 + place))
    path = table.write(tmp_path / "new.csv")
    made = adjusted()
    read = read_for(made, str(path), label=LABEL)
    ages = np.where(np.arange(30) == 3, 50.0, 30.0 + np.arange(30))
    np.testing.assert_array_equal(read.covariates[:, 0], ages)
    plain = np.log(1 / by_hand(model(), read.values) - 1)
    for site, effect in (("south", 1.5), (None, 0.5)):
        found = predict(made, read, site=site)
        expected = 1 / (1 + np.exp(plain - 0.05 * ages - effect))
        np.testing.assert_allclose(found.values, expected, atol=1e-9)
        assert ("No site was named" in "\n".join(found.warnings)) == (site is None)
    with pytest.raises(ParameterError, match="no effect of a site 'east'"):
        predict(made, read, site="east")
    path.write_text(path.read_text().replace(",40\n", ",400\n"))
    with pytest.raises(DataValueError, match="400 is beyond the study's range of 20 to 90"):
        read_for(made, str(path), label=LABEL)


def test_keras_and_csv_have_covariates_and_sites(tmp_path: Path) -> None:
    made = adjusted()
    save_csv(made, tmp_path / "weights.csv")
    rows = list(csv.reader((tmp_path / "weights.csv").read_text().splitlines()))
    assert rows[-4:] == [
        ["(covariate) age", "0.05"],
        ["(site) north", "-0.5"],
        ["(site) south", "1.5"],
        ["(intercept)", "0.25"],
    ]
    values = np.random.default_rng(5).normal(size=(9, 6))
    ages = np.linspace(20, 90, 9)[:, None]
    for site, indicators in (("north", [1, 0]), ("south", [0, 1]), (None, [0.5, 0.5])):
        given = to_keras(made)(np.hstack([values, ages, np.tile(indicators, (9, 1))]))
        wanted = made.predict_probability(values, covariates=ages, site=site)
        np.testing.assert_allclose(np.asarray(given)[:, 0], wanted, atol=1e-12)


@pytest.mark.parametrize("turned", [False, True])
def test_which_way_a_table_lies_is_found_by_the_features(tmp_path: Path, *, turned: bool) -> None:
    table = cells("new", genes(0, 6))
    rows = [[row[0], *row[2:]] for row in table.rows]
    header = ["sample", *table.header[2:]]
    if turned:
        columns = list(zip(header, *rows, strict=True))
        header, rows = list(columns[0]), [list(column) for column in columns[1:]]
    path = Cells(header, rows).write(tmp_path / "new.csv")
    read = read_for(model(), str(path))
    assert read.features == tuple(genes(0, 6))
    assert len(read.samples) == 24
    path.write_text("sample,a\np,high\n")
    with pytest.raises(CohortiumError, match="'high' is not a number"):
        read_for(model(), str(path))


def test_the_commands(tmp_path: Path) -> None:
    model().save(tmp_path / "model.json")
    cells("new", genes(0, 6)).write(tmp_path / "new.csv")
    with terminal_in(tmp_path) as terminal:
        ended = terminal.run("predict", "model.json", "new.csv", "--label", LABEL)
        assert ended.code == 0, ended.err
        assert ended.out.splitlines()[0] == f"sample,probability of {POSITIVE},class"
        assert len(ended.out.splitlines()) == 25
        assert terminal.run("predict", "model.json", "new.csv", "--label", LABEL, "--out", "p.csv")
        assert terminal.run("model", "export", "model.json", "weights.csv").code == 0
        assert terminal.run("model", "export", "model.json", "weights.txt").code == 2
        ended = terminal.run("model", "export", "model.json", "model.keras")
        assert ended.code == 0, ended.err
        ended = terminal.run("predict", "new.csv", "new.csv")
        assert ended.code == 3
        assert "COH-205" in ended.err
    assert (tmp_path / "p.csv").read_text().startswith("sample,probability")
    assert (tmp_path / "weights.csv").exists()
    keras = pytest.importorskip("tensorflow").keras
    again = keras.models.load_model(tmp_path / "model.keras")
    values = np.random.default_rng(4).normal(size=(5, 6))
    np.testing.assert_allclose(
        np.asarray(again(values))[:, 0], model().predict_probability(values), atol=1e-12
    )
