"""Linear regression, sample weights and folds by patient from the study file, on real samples."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from run_sites import parsed, study_text, terminal_in
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, RepeatedKFold, cross_val_predict, cross_val_score

from cohortium.data import concatenate, prepare
from cohortium.errors import LabelError, PolicyError
from cohortium.learn import Model
from cohortium.learn.exporting import to_keras
from cohortium.run.local import simulate
from cohortium.run.planning import make_plan
from cohortium.run.predicting import predict, read_for
from cohortium.run.preparing import preparation_of, prepare_site, read_site_data
from cohortium.study import SitePolicy, StudyFile, describe

Rows = list[list[str]]
SITES = ("north", "south")
# ESR1, the oestrogen receptor; its expression from that of other genes.
GENE = "NM_000125"
VALIDATION = """
[validation]
folds = 5
{further}
[[reveal]]
what = "{metric}"
to = ["north", "south"]
"""


@pytest.fixture(scope="module")
def table() -> Callable[[str], Rows]:
    named = os.environ.get("COHORTIUM_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "data"

    def read(name: str) -> Rows:
        path = folder / name / "X.csv.gz"
        if not path.is_file():
            pytest.skip(f"no {name} in the shared data (set COHORTIUM_DATA to its folder)")
        with gzip.open(path, "rt", newline="") as file:
            return list(csv.reader(file))

    return read


def write(path: Path, rows: Rows) -> str:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return str(path)


def numbers_text(**settings: object) -> str:
    text = study_text(features='mode = "same"', **settings)
    lines = [line for line in text.splitlines() if not line.startswith(("positive", "negative"))]
    return (
        "\n".join(lines)
        .replace('label = "subtype"', f'label = "{GENE}"')
        .replace("[model]", '[model]\nkind = "linear"')
        + "\n"
    )


def pooled(study: StudyFile, data: Mapping[str, str]):
    """All sites' rows, each site's prepared by itself, as scikit-learn takes them."""
    cohorts = [
        prepare(read_site_data(data[s], study.study), preparation_of(study.study))[0] for s in SITES
    ]
    return concatenate(cohorts, source="pooled")


def test_a_gene_from_the_others(table, tmp_path: Path) -> None:
    """NKI, 149 tumours × 150 genes: Ridge's model at the chosen λ, its R², and what is written."""
    rows = table("genefu_nkis")
    place = rows[0].index(GENE)
    kept = [0, place, *[column for column in range(1, 152) if column != place]]
    rows = [[row[column] for column in kept] for row in rows]
    rows = [rows[0], *[row for row in rows[1:] if row[1]]]
    data = {
        site: write(tmp_path / f"{site}.csv", [rows[0], *rows[1 + part :: 2]])
        for part, site in enumerate(SITES)
    }
    text = numbers_text(l2="[3.0, 10.0, 3000.0]", iterations=250)
    text += VALIDATION.format(further='choose = "mse"', metric="r2")
    study = parsed(text)
    told: list[str] = []
    run = simulate(
        study, data, tmp_path / "out", lambda _, event: told.append(str(event.get("text")))
    )
    assert "Will be revealed to north, south: bounds, 2." in told
    cohort = pooled(study, data)
    assert cohort.numeric
    n = len(cohort.samples)
    r2 = run.metrics["north"]["metrics"]["r2"]
    assert r2[0] > 0.5 > 0.2 > r2[2]
    # The sites' folds are not known: over 200 random ones R² varied by 0.013, and 0.06 at most.
    folds = RepeatedKFold(n_splits=5, n_repeats=20, random_state=0)
    for value, strength in zip(r2[:2], (3.0, 10.0), strict=True):
        ridge = Ridge(alpha=n * 0.8 * strength)
        expected = cross_val_score(ridge, cohort.values, cohort.labels, cv=folds).mean()
        assert value == pytest.approx(expected, abs=0.12)
    (path,) = run.models["north"]
    made = Model.load(path)
    document = json.loads(path.read_text())
    assert (document["kind"], document["label"]) == ("linear", GENE)
    assert "positive" not in document
    assert document["training"]["chosen by"] == "mse"
    ridge = Ridge(alpha=n * 3.0).fit(cohort.values, cohort.labels)
    weights = made.weights[[made.features.index(name) for name in cohort.features]]
    assert np.abs(weights - ridge.coef_).max() <= 0.01 * np.abs(ridge.coef_).max()
    assert made.intercept == pytest.approx(ridge.intercept_, abs=2e-3)

    found = predict(made, read_for(made, data["south"], label=GENE))
    lines = found.as_csv().splitlines()
    assert lines[0] == f"sample,predicted {GENE}"
    south = prepare(read_site_data(data["south"], study.study), preparation_of(study.study))[0]
    np.testing.assert_allclose(found.values, ridge.predict(south.values), atol=0.02)
    assert float(lines[1].split(",")[1]) == pytest.approx(found.values[0], abs=1e-5)
    values = south.select_features(made.features).values
    keras = np.asarray(to_keras(made)(values))[:, 0]
    np.testing.assert_allclose(keras, found.values, atol=1e-9)


def test_patients_and_weights(table, tmp_path: Path) -> None:
    """TCGA: tumour and normal tissue of a patient in one fold, samples weighted by their kind."""
    rows = table("tcga_brca_tumor_normal909")
    # Where the patient's other sample is normal tissue, and 40 patients with a tumour only.
    normal = {row[0][:12] for row in rows[1:] if row[0][13:15] == "11"}
    patients = sorted(normal)[:60]
    others = sorted({row[0][:12] for row in rows[1:]} - normal)[:40]
    wanted = set(patients) | set(others)
    kept = [row for row in rows[1:] if row[0][:12] in wanted]
    head = ["sample", "patient", "tissue", "weight", *rows[0][1:61]]
    said = [
        [row[0], row[0][:12], "normal" if row[0][13:15] == "11" else "tumour",
         "2" if row[0][13:15] == "11" else "0.5",
         *[str(np.log2(1 + float(cell))) for cell in row[1:61]]]
        for row in kept
    ]  # fmt: skip
    parts = [[row for row in said if (int(row[1][8:], 36) % 2) == part] for part in (0, 1)]
    data = {
        "north": write(tmp_path / "north.csv", [head, *parts[0]]),
        # One site says it in a label file.
        "south": write(
            tmp_path / "south.csv",
            [["sample", *head[4:]]] + [[row[0], *row[4:]] for row in parts[1]],
        )
        + ",labels="
        + write(tmp_path / "south-labels.csv", [head[:4], *[row[:4] for row in parts[1]]]),
    }
    text = study_text(features='mode = "same"', l2="10.0", iterations=100)
    text = text.replace('label = "subtype"', 'label = "tissue"\nweight = "weight"')
    text = text.replace('positive = "BCR/ABL"', 'positive = "normal"')
    text = text.replace('negative = "NEG"', 'negative = "tumour"')
    text = text.replace("[model]", "[model]\nweight_bound = 2.0")
    study = parsed(text + VALIDATION.format(further='group = "patient"', metric="auc"))
    told: list[str] = []
    run = simulate(
        study, data, tmp_path / "out", lambda _, event: told.append(str(event.get("text")))
    )
    cohort = pooled(study, data)
    n = len(cohort.samples)
    reference = LogisticRegression(C=1 / (n * 10.0), max_iter=10_000, tol=1e-8)
    reference.fit(cohort.values, cohort.labels, sample_weight=cohort.weights)
    made = Model.load(run.models["north"][0])
    weights = made.weights[[made.features.index(name) for name in cohort.features]]
    assert np.abs(weights - reference.coef_[0]).max() <= 0.01 * np.abs(reference.coef_).max()
    scores = cross_val_predict(
        LogisticRegression(C=1 / (0.8 * n * 10.0), max_iter=10_000),
        cohort.values,
        cohort.labels,
        groups=cohort.groups,
        cv=GroupKFold(5),
        method="decision_function",
    )
    auc = run.metrics["south"]["metrics"]["auc"][0]
    assert auc == pytest.approx(roc_auc_score(cohort.labels, scores), abs=0.02)
    # Nothing that names anybody, or says what anybody counts, is told.
    assert not any("TCGA-" in line for line in told)


def test_the_plan_has_the_folds_that_sites_told(tmp_path: Path) -> None:
    """Of a patient of five samples, one of two and one of one: what is held out is one patient."""
    rows = [["sample", GENE, "patient", "G1", "G2"]]
    rows += [
        [f"s{place}", str(place), who, str(place), "1"] for place, who in enumerate("abacaaba")
    ]
    text = numbers_text() + VALIDATION.format(further='group = "patient"', metric="r2")
    study = parsed(text.replace("folds = 5", "folds = 3")).study
    site = prepare_site(
        study, "north", read_site_data(write(tmp_path / "site.csv", rows), study), print
    )
    cohort, folds = site.cohort, site.folds
    assert cohort is not None
    assert folds == [5, 2, 1]
    sizes = {"north": 8, "south": 6}
    plan, _ = make_plan(study, sizes, 2, {"north": folds, "south": [0, 3, 3]})
    groups = np.array([*cohort.groups, *"xxxyyy"])
    assert [sorted(set(groups[rows])) for rows in plan.folds] == [["a"], ["b", "x"], ["c", "y"]]
    assert plan.trained is not None
    assert (plan.trained[:5, 0] == 0).all()
    assert (plan.trained[5:, 0] == 1).all()


# -- what a site is told before it connects ----------------------------------------------------


def site_data(tmp_path: Path, cells: Sequence[str], column: str) -> str:
    rows = [["sample", column, "G1", "G2"]]
    rows += [[f"s{place}", cell, str(place), "1"] for place, cell in enumerate(cells)]
    return write(tmp_path / "site.csv", rows)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ["1", "33", "-40"],
            r"the label of 2 samples exceeds the study's model.logit_bound = 32, "
            r"of 's1' for one; the largest is 40",
        ),
        (["1", "young", "2"], "line 3, column 'NM_000125', sample 's1': 'young' is not a number"),
        (["1", "NaN", "2"], "the label is missing for 1 of 3 samples: line 3"),
    ],
)
def test_labels_that_can_not_be(tmp_path: Path, cells: list[str], message: str) -> None:
    study = parsed(numbers_text()).study
    with pytest.raises(LabelError, match=message) as caught:
        prepare_site(study, "north", read_site_data(site_data(tmp_path, cells, GENE), study), print)
    assert caught.value.remedy


def test_weights_beyond_the_bound(tmp_path: Path) -> None:
    text = numbers_text().replace("[model]", "[model]\nweight_bound = 2.0")
    text = text.replace(f'label = "{GENE}"', 'label = "G1"\nweight = "w"')
    study = parsed(text).study
    cohort = read_site_data(site_data(tmp_path, ["1", "2.5", "0"], "w"), study)
    with pytest.raises(LabelError, match=r"weight of 1 sample exceeds .*weight_bound = 2"):
        prepare_site(study, "north", cohort, print)


def test_a_policy_about_classes_is_not_about_numbers(tmp_path: Path) -> None:
    study = parsed(numbers_text()).study
    cohort = read_site_data(site_data(tmp_path, ["1", "2", "3"], GENE), study)
    SitePolicy(minimum_samples=3, minimum_samples_per_class=50).check_data(study, cohort)
    with pytest.raises(PolicyError, match="minimum_samples = 4"):
        SitePolicy(minimum_samples=4).check_data(study, cohort)
    with pytest.raises(PolicyError, match="models"):
        SitePolicy(models=["logistic"]).check_study(study)


def test_the_study_in_words() -> None:
    further = 'group = "patient"'
    text = numbers_text().replace(f'label = "{GENE}"', f'label = "{GENE}"\nweight = "w"')
    study = parsed(text + VALIDATION.format(further=further, metric="r2"))
    said = " ".join(line for _, lines in describe(study) for line in lines)
    for part in (
        "A linear regression is trained",
        "none may exceed 32 in magnitude",
        "the column 'w', 0 to 10, which stays secret",
        "samples of one 'patient' together",
        "which tells something of how large each 'patient' is",
        "Who has samples at two sites is in two folds",
        "Values, labels, weights and names of samples, the score",
        "how much of the variance of held-out labels is explained",
    ):
        assert part in said, part
    assert "two classes" not in said
    assert "class counts" not in said


def test_data_check_by_a_study(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(numbers_text())
    site_data(tmp_path, ["1", "2", "6"], GENE)
    with terminal_in(tmp_path) as terminal:
        ended = terminal.run("data", "check", "site.csv", "--study", "study.toml")
        assert "labels    1 to 6, mean 3, variance 4.667\n" in ended.out
        ended = terminal.run("data", "check", "site.csv", "--label", GENE, "--numbers", "--json")
        assert json.loads(ended.out)["labels"]["largest"] == 6
