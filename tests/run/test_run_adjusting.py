"""Asthma at four sites, adjusted for country, sex, age, body mass index and smoking.

Real cases and controls of ten countries, 51 candidate variants (Gonzalez 2007, Bioinformatics
23:644). The variants alone tell next to nothing; with the covariates a model must be as good as one
of all patients in one place, and have its weights.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from run_sites import OWNER, parsed, study_text

from cohortium.data import scaled, with_features
from cohortium.errors import CohortiumError
from cohortium.learn import Model, auc
from cohortium.run.local import LocalRun, simulate
from cohortium.run.predicting import predict, read_for
from cohortium.run.preparing import prepare_site, read_site_data

REGIONS = {
    "north": ["Sweden", "Norway", "Estonia"],
    "south": ["Spain"],
    "middle": ["France", "Germany", "Switzerland", "Belgium"],
    "english": ["UK", "Australia"],
}
PARTIES = {
    "north": OWNER,
    "south": ("data", "compute"),
    "middle": ("data",),
    "english": ("data",),
    "uni": ("deal",),
}
# Of Belgium and Estonia there are cases only, 20 of them: levels of their own would know no bounds.
NEIGHBOURS = {"Belgium": "France", "Estonia": "Sweden"}
LEVELS = ["Spain", "Sweden", "France", "Norway", "Germany", "Australia", "UK", "Switzerland"]
ADJUSTED = f"""\
covariates = ["age", "bmi", "gender", "smoke", "country"]
ranges = {{ age = [20, 60], bmi = [10, 80] }}
fill = {{ bmi = 25, smoke = "0" }}

[data.levels]
gender = ["Females", "Males"]
smoke = ["0", "1"]
country = {json.dumps(LEVELS)}
"""
L2 = 0.05


@dataclass
class Asthma:
    """A run on three quarters of the patients, and files of the last quarter."""

    text: str
    data: dict[str, str]
    later: dict[str, str]
    run: LocalRun
    notes: list[tuple[str, str]]


def patients(folder: Path) -> list[dict[str, str]]:
    with gzip.open(folder / "asthma.tsv.gz", "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def write_site(
    folder: Path, site: str, rows: Sequence[dict[str, str]], minor: dict[str, str]
) -> str:
    """Write dosages with the label, and covariates in a file of their own with a name too many."""
    with (folder / f"{site}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sample", "casecontrol", *minor])
        for row in rows:
            dosages = ["" if row[snp] == "NA" else row[snp].count(minor[snp]) for snp in minor]
            writer.writerow([row["sample"], row["casecontrol"], *dosages])
    with (folder / f"{site}-people.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["person", "country", "smoke", "gender", "bmi", "age"])
        for row in reversed([*rows, {**rows[0], "sample": "withdrew"}]):
            country = NEIGHBOURS.get(row["country"], row["country"])
            writer.writerow(
                [row["sample"], country, *(row[key] for key in ("smoke", "gender", "bmi", "age"))]
            )
    return f"{folder / site}.csv,covariates={folder / site}-people.csv"


def asthma_study(parties: dict[str, Sequence[str]], **options: object) -> str:
    text = study_text(parties, l2=str(L2), features='mode = "same"', **options)
    return text.replace(
        'label = "subtype"\npositive = "BCR/ABL"\nnegative = "NEG"',
        f'label = "casecontrol"\npositive = "1"\nnegative = "0"\n{ADJUSTED}',
    )


@pytest.fixture(scope="module")
def asthma(tmp_path_factory: pytest.TempPathFactory) -> Asthma:
    named = os.environ.get("COHORTIUM_DATA")
    source = Path(named or Path(__file__).resolve().parents[3] / "shared" / "data")
    source = source / "asthma_casecontrol"
    if not source.is_dir():
        pytest.skip("no asthma_casecontrol in the shared data (set COHORTIUM_DATA to its folder)")
    with (source / "snps.tsv").open(encoding="utf-8") as file:
        minor = {row["snp"]: row["a1_minor"] for row in csv.DictReader(file, delimiter="\t")}
    folder = tmp_path_factory.mktemp("asthma")
    (folder / "later").mkdir()
    data, later = {}, {}
    for site, countries in REGIONS.items():
        rows = [row for row in patients(source) if row["country"] in countries]
        kept = [row for place, row in enumerate(rows) if place % 4]
        data[site] = write_site(folder, site, kept, minor)
        later[site] = write_site(folder / "later", site, rows[::4], minor)
    text = asthma_study(PARTIES, iterations=120, deadline=120, connect_timeout=120)
    notes: list[tuple[str, str]] = []

    def told(party: str, event: dict[str, object]) -> None:
        if event["event"] == "note":
            notes.append((party, str(event["text"])))

    return Asthma(text, data, later, simulate(parsed(text), data, folder / "out", told), notes)


def pooled(study_text_: str, data: dict[str, str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all sites' prepared values, scaled covariates with the constant, and labels."""
    study = parsed(study_text_).study
    parts = []
    for site, argument in data.items():
        ready = prepare_site(study, site, read_site_data(argument, study), lambda _: None)
        cohort = with_features(ready.cohort, sorted(ready.cohort.features))
        columns = scaled(cohort.covariates, study.covariates)
        parts.append((cohort.values[:, :], np.column_stack([columns, np.ones(len(columns))])))
        parts[-1] += (cohort.labels,)
    values, free, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
    return values, free, labels


def newton(values: np.ndarray, free: np.ndarray, labels: np.ndarray, l2: float) -> np.ndarray:
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


def test_weights_are_those_of_all_patients_in_one_place(asthma: Asthma) -> None:
    values, free, labels = pooled(asthma.text, asthma.data)
    expected = newton(values, free, labels, L2)
    model = Model.load(asthma.run.models["north"][0])
    features = expected[: len(model.features)]
    assert np.abs(model.weights - features).max() <= 0.01 * np.abs(features).max()
    by_hand = expected[len(features) : -1] / [20, 35, *[1] * 9]
    found = np.array(list(model.covariate_weights.values()))
    assert list(model.covariate_weights)[:4] == ["age", "bmi", "gender = Males", "smoke = 1"]
    np.testing.assert_allclose(found, by_hand, atol=0.01 * np.abs(by_hand).max(), rtol=0.01)
    intercept = expected[-1] - by_hand[:2] @ [40, 45]
    assert model.intercept == pytest.approx(intercept, abs=0.01 * abs(intercept))


def test_new_patients_are_told_as_by_a_model_of_all(asthma: Asthma) -> None:
    model = Model.load(asthma.run.models["north"][0])
    values, free, labels = pooled(asthma.text, asthma.data)
    later_values, later_free, later_labels = pooled(asthma.text, asthma.later)
    expected = np.hstack([later_values, later_free]) @ newton(values, free, labels, L2)
    alone = newton(values, np.ones((len(values), 1)), labels, L2)
    scores = []
    for argument in asthma.later.values():
        scores.append(predict(model, read_for(model, argument, label="casecontrol")).values)
    found = auc(later_labels, np.concatenate(scores))
    assert found == pytest.approx(auc(later_labels, expected), abs=0.003)
    assert found > 0.65 > auc(later_labels, later_values @ alone[:-1])


def test_the_join_is_reported_in_counts(asthma: Asthma) -> None:
    notes = [text for party, text in asthma.notes if party == "middle"]
    assert "middle-people.csv: 1 sample name not in middle.csv." in notes
    assert any(text.startswith("bmi: ") and "replaced by 25" in text for text in notes)
    assert not any("withdrew" in text for _, text in asthma.notes)
    study = parsed(asthma.text).study
    assert read_site_data(asthma.data["middle"], study).unmatched == ("withdrew",)


def test_rounds_are_two_an_iteration(asthma: Asthma) -> None:
    record = asthma.run.records["north"]
    assert record["rounds"] == 2 * 120 + 17 + 32
    assert "without penalty: covariates 11, sites 0, the intercept" in " ".join(record["plan"])


def test_new_patients_need_the_covariates(asthma: Asthma) -> None:
    model = Model.load(asthma.run.models["north"][0])
    without = asthma.later["south"].partition(",")[0]
    with pytest.raises(CohortiumError, match="no column 'age'"):
        read_for(model, without, label="casecontrol")
    path = Path(asthma.later["south"].rpartition("=")[2])
    spoilt = path.with_name("spoilt.csv")
    spoilt.write_text(path.read_text().replace(",Males,", ",M,"))
    with pytest.raises(CohortiumError, match="'M' is none of the study's levels"):
        read_for(model, f"{without},covariates={spoilt}", label="casecontrol")
