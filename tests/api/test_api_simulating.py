"""Studies from Python: every form of study and data gives the command's model, in its words."""

from __future__ import annotations

import html.parser
import stat
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import cohortium as co
from cohortium.api.simulating import as_study
from cohortium.api.tables import site_arrays
from cohortium.data import Cohort, read_cohort
from cohortium.errors import CohortiumError, LabelError, ParameterError, StudyError
from cohortium.study import parse_study
from cohortium.study.schema import DataSection

LABEL = {"label": "subtype", "positive": "A<b>", "negative": "B"}
OWNER = ["data", "compute", "receive"]
STUDY = {
    "study": {"name": "two <i>sites</i>"},
    "party": [
        {"name": "north", "roles": OWNER},
        {"name": "south", "roles": OWNER},
        {"name": "university", "roles": ["deal"]},
    ],
    "data": LABEL,
    "model": {"l2": [0.1, np.float64(1.0)], "iterations": 12, "class_weight": None},
    "validation": {"folds": 2},
    "reveal": [{"what": what, "to": ["north", "south"]} for what in ("model", "auc")],
}
SETTINGS = DataSection(**LABEL)
FEATURES = [f"GENE{i}" for i in range(8)]


def rows(seed: int, samples: int = 20) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = np.arange(samples) % 2
    return random.normal(5, 1, (samples, len(FEATURES))) + 1.5 * np.outer(y, [1, 1] + 6 * [0]), y


NORTH, SOUTH = rows(1), rows(2)
NAMES = np.array(["B", "A<b>"])


def table(data, frame):
    x, y = data
    named = {name: x[:, i] for i, name in enumerate(FEATURES)}
    return frame({"sample": [f"s{i}" for i in range(len(y))], "subtype": NAMES[y], **named})


def csv(data, path: Path) -> Path:
    # All digits, so that the file is the same numbers.
    table(data, pl.DataFrame).write_csv(path)
    return path


def cohort(data) -> Cohort:
    x, y = data
    names = tuple(f"s{i}" for i in range(len(y)))
    return Cohort(x, names, tuple(FEATURES), y, positive="A<b>", negative="B")


@pytest.fixture(scope="module")
def from_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    data = {"north": csv(NORTH, folder / "n.csv"), "south": str(csv(SOUTH, folder / "s.csv"))}
    return co.simulate(STUDY, data, out=folder / "out")


def test_a_study_gives_models_metrics_records_and_paths(from_files):
    assert [[m.training["l2"] for m in each] for each in from_files.models.values()] == [
        [0.1, 1.0],
        [0.1, 1.0],
        [],
    ]
    assert from_files.models["north"][0].features == tuple(FEATURES)
    assert len(from_files.metrics["south"]["metrics"]["auc"]) == 2
    assert from_files.records["university"]["samples"] == {"north": 20, "south": 20}
    assert (from_files.paths["university"] / "record.json").exists()
    assert (from_files.paths["north"] / "report.html").exists()
    assert repr(from_files) == (
        "StudyResult('two <i>sites</i>'; north: 2 models, auc; south: 2 models, auc)"
    )


def test_its_html_is_whole_and_escaped(from_files):
    seen: list[str] = []

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            seen.append(tag)

    text = from_files._repr_html_()
    Reader().feed(text)
    assert set(seen) == {"b", "p", "table", "thead", "tbody", "tr", "th", "td"}
    assert "two &lt;i&gt;sites&lt;/i&gt;" in text
    auc = from_files.metrics["north"]["metrics"]["auc"]
    assert all(f"<td>{value:.4f}</td>" in text for value in auc)


def test_tables_and_arrays_give_the_files_model(from_files, tmp_path):
    found = co.simulate(
        as_study(STUDY),
        {"north": table(NORTH, pd.DataFrame), "south": (*SOUTH, FEATURES)},
        out=tmp_path,
    )
    # The same numbers; the ring's rounding is random.
    for one, other in zip(found.models["north"], from_files.models["north"], strict=True):
        assert one.features == other.features
        np.testing.assert_allclose(one.weights, other.weights, atol=1e-3)
        np.testing.assert_allclose(one.intercept, other.intercept, atol=1e-3)


@pytest.mark.parametrize(
    "given",
    [
        table(NORTH, pl.DataFrame),
        table(NORTH, pd.DataFrame),
        table(NORTH, pd.DataFrame).set_index("sample"),
        (NORTH[0], NAMES[NORTH[1]], FEATURES),
        (*NORTH, FEATURES),
        (pd.DataFrame(NORTH[0], columns=FEATURES), NORTH[1].astype(bool)),
        cohort(NORTH),
    ],
    ids=["polars", "pandas", "index", "names", "numbers", "frame and booleans", "cohort"],
)
def test_every_form_of_data_is_the_same_cohort(given, tmp_path):
    path = tmp_path / "north.npz"
    np.savez(path, **site_arrays(given, SETTINGS, "north"))
    read = read_cohort(path, **LABEL)
    assert read.features == tuple(FEATURES)
    assert read.values.tolist() == NORTH[0].tolist()
    assert read.labels.tolist() == NORTH[1].tolist()
    assert read.samples[0] in ("s0", "1")
    assert len(read.samples) == 20


def test_missing_values_and_labels_stay_missing(tmp_path):
    pandas = table(NORTH, pd.DataFrame)
    pandas.loc[0, "GENE3"], pandas.loc[1, "subtype"] = np.nan, None
    polars = table(NORTH, pl.DataFrame).with_row_index()
    first, second = polars["index"] == 0, polars["index"] == 1
    polars = polars.with_columns(
        GENE3=pl.when(~first).then("GENE3"), subtype=pl.when(~second).then("subtype")
    ).drop("index")
    for each in (pandas, polars):
        np.savez(tmp_path / "n.npz", **site_arrays(each, SETTINGS, "north"))
        read = read_cohort(tmp_path / "n.npz", **LABEL, missing_label="drop")
        assert len(read.samples) == 19
        assert np.isnan(read.values[0, 3])
        assert np.isnan(read.values).sum() == 1


def test_every_form_of_study_is_the_same_study(tmp_path):
    text = as_study(STUDY).text
    (tmp_path / "study.toml").write_text(text)
    forms = [text, tmp_path / "study.toml", str(tmp_path / "study.toml"), parse_study(text)]
    forms.append(parse_study(text).study)
    assert all(as_study(form).study == as_study(STUDY).study for form in forms)


def test_a_dict_says_what_toml_can_say():
    aliases = {"features": {"names": "gene", "aliases": {'HER"2': "ERBB2", "a b": "C\x7f"}}}
    assert as_study({**STUDY, **aliases}).study.features.aliases == {
        'HER"2': "ERBB2",
        "a b": "C\x7f",
    }


def wrong(**changes):
    return {**STUDY, **changes}


@pytest.mark.parametrize(
    ("study", "data", "kind", "words"),
    [
        (wrong(model={"l3": 1}), {}, StudyError, "l3"),
        (wrong(model={"l2": object()}), {}, StudyError, "'l2' has a object"),
        (wrong(model=3), {}, StudyError, "'model' is a int"),
        ("nowhere.toml", {}, StudyError, "can not be read"),
        (3, {}, ParameterError, "A int is no study"),
        (STUDY, {"north": NORTH}, StudyError, "No data were given for 'south'"),
        (STUDY, {"../north": NORTH}, StudyError, "no party"),
        (STUDY, {"north": 3}, ParameterError, "A int is no data of north"),
        (STUDY, {"north": (NORTH[0][0], [1])}, CohortiumError, "has the shape"),
        (STUDY, {"north": ([["x"]], [1])}, CohortiumError, "not a table of numbers"),
        (STUDY, {"north": (NORTH[0], [1])}, LabelError, "20 samples and 1 label"),
        (STUDY, {"north": pl.DataFrame({"a": [1]})}, LabelError, "no column 'subtype'"),
        (
            STUDY,
            {"north": pl.DataFrame({"a": [1], "b": ["x"], "subtype": "B"})},
            CohortiumError,
            "1 column that are not numbers",
        ),
        (wrong(data={"label": "file"}), {"north": NORTH}, ParameterError, "called 'file'"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(study, data, kind, words, tmp_path):
    with pytest.raises(kind, match=words):
        co.simulate(study, data, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_party_tells_its_trouble_and_no_file_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = []
    save = np.savez

    def savez(path, **arrays):
        save(path, **arrays)
        seen.append((path, stat.S_IMODE(Path(path).parent.stat().st_mode)))

    monkeypatch.setattr(np, "savez", savez)
    with pytest.raises(LabelError, match=r"at south.*south\.npz"):
        co.simulate(STUDY, {"north": NORTH, "south": (SOUTH[0], np.zeros(20, int))}, tmp_path / "o")
    assert [mode for _, mode in seen] == [0o700, 0o700]
    assert not any(path.exists() for path, _ in seen)


@pytest.mark.parametrize("form", [pl.DataFrame, pd.DataFrame, Cohort])
def test_numbers_weights_and_groups_go_along(form, tmp_path):
    x, y = NORTH
    numbers, weights = y * 1.5, 1.0 + y / 3
    groups = tuple(f"patient {i // 2}" for i in range(len(y)))
    if form is Cohort:
        names = tuple(map(str, range(len(y))))
        given = Cohort(x, names, tuple(FEATURES), numbers, weights=weights, groups=groups)
    else:
        genes = {name: x[:, i] for i, name in enumerate(FEATURES)}
        given = form({"age": numbers, "w": weights, "patient": list(groups), **genes})
    settings = DataSection(label="age", weight="w")
    np.savez(tmp_path / "n.npz", **site_arrays(given, settings, "north", "patient"))
    read = read_cohort(tmp_path / "n.npz", label="age", numbers=True, weight="w", group="patient")
    assert read.features == tuple(FEATURES)
    assert read.labels.tolist() == numbers.tolist()
    assert read.weights.tolist() == weights.tolist()
    assert tuple(read.groups) == groups
