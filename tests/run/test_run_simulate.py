"""Whole runs on this machine, a process for each party, against the same training in the clear."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_sites import (
    OWNER,
    TWO_SITES,
    cells,
    genes,
    largest_difference,
    parsed,
    study_text,
    twin,
    write_with_label_file,
)

from cohortium.data import prepare
from cohortium.errors import BoundError
from cohortium.learn import Model
from cohortium.run.local import LocalRun, simulate
from cohortium.run.preparing import preparation_of, read_site_data

TOLERANCE = 0.005

TOPOLOGIES: Mapping[str, Mapping[str, Sequence[str]]] = {
    "three compute": {
        "a": OWNER,
        "b": ("data", "compute"),
        "c": ("data", "compute"),
        "d": ("deal",),
    },
    "four compute, one of them without data": {
        "d": ("deal",),
        "a": OWNER,
        "b": ("data", "compute"),
        "c": ("compute",),
        "e": ("data", "compute", "receive"),
    },
    "three own data, two compute, one deals and receives": {
        "a": OWNER,
        "b": ("data", "compute"),
        "c": ("data", "deal", "receive"),
    },
    "an owner and a receiver outside": {
        "a": ("data",),
        "b": ("compute",),
        "c": ("data", "compute"),
        "d": ("deal",),
        "e": ("receive",),
    },
}


def run(
    folder: Path,
    parties: Mapping[str, Sequence[str]],
    *,
    different_genes: bool = False,
    label_files: bool = False,
    **settings: Any,
) -> tuple[LocalRun, Mapping[str, str], str, list[tuple[str, Any]]]:
    text = study_text(parties, **settings)
    if label_files:
        text = text.replace('label = "subtype"\n', "")
    data = {}
    for place, name in enumerate(name for name, roles in parties.items() if "data" in roles):
        table = cells(name, genes(place if different_genes else 0), samples=12 + 2 * place)
        if label_files:
            data[name] = write_with_label_file(table, folder, name)
        else:
            data[name] = str(table.write(folder / f"{name}.csv"))
    events: list[tuple[str, Any]] = []
    local = simulate(
        parsed(text), data, folder / "out", lambda party, event: events.append((party, event))
    )
    return local, data, text, events


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_any_distribution_of_roles_gives_the_clear_model(tmp_path: Path, topology: str) -> None:
    parties = TOPOLOGIES[topology]
    local, data, text, _ = run(
        tmp_path,
        parties,
        different_genes=topology.startswith("an owner"),
        label_files=topology.startswith("three own"),
    )
    weights = twin(parsed(text), data)[:, 0]
    for name, roles in parties.items():
        assert len(local.models[name]) == ("receive" in roles)
        assert (tmp_path / "out" / name / "model.json").exists() == ("receive" in roles)
        for path in local.models[name]:
            assert largest_difference(path, weights) < TOLERANCE
    contents = {path.read_text() for paths in local.models.values() for path in paths}
    assert len(contents) == 1
    records = local.records
    listed = {
        json.dumps(
            [[entry[key] for key in ("what", "to", "shape")] for entry in record["revealed"]]
        )
        for record in records.values()
    }
    assert len(listed) == 1
    assert records["d" if "d" in parties else "c"]["samples"] == records["a"]["samples"]


def test_several_l2_are_several_models(tmp_path: Path) -> None:
    local, data, text, events = run(tmp_path, TWO_SITES, l2="[0.1, 1, 10.0, 0.1000001]")
    weights = twin(parsed(text), data)
    names = ["model-l2=0.1.json", "model-l2=1.json", "model-l2=10.json", "model-l2=0.1000001.json"]
    assert [path.name for path in local.models["north"]] == names
    for column, (north, south) in enumerate(
        zip(local.models["north"], local.models["south"], strict=True)
    ):
        assert north.read_bytes() == south.read_bytes()
        assert largest_difference(north, weights[:, column]) < TOLERANCE
    assert [Model.load(path).training["l2"] for path in local.models["north"]] == [
        0.1,
        1.0,
        10.0,
        0.1000001,
    ]
    done = [party for party, event in events if event["event"] == "done"]
    assert sorted(done) == sorted(TWO_SITES)
    iterations = [event["done"] for party, event in events if event["event"] == "iteration"]
    assert max(iterations) == 12


def changed_run(folder: Path, *changes: tuple[str, str]) -> LocalRun:
    """Run the two sites' study with replaced lines."""
    text = study_text(TWO_SITES, iterations=40)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    data = {}
    for name in ("north", "south"):
        data[name] = str(cells(name, genes(0), samples=24).write(folder / f"{name}.csv"))
    return simulate(parsed(text), data, folder / "out", lambda _party, _event: None)


def test_a_cross_validation_tells_metrics_and_the_chosen_model_alone(tmp_path: Path) -> None:
    """Sites whose classes differ by 1.5 standard deviations in five genes."""
    local = changed_run(
        tmp_path,
        ("l2 = 1.0", 'l2 = [0.1, 1.0, 50.0]\nclass_weight = "balanced"\nsigmoid = "tfe5"'),
        (
            "[[reveal]]",
            '[validation]\nfolds = 4\nchoose = "log_loss"\n'
            '[[reveal]]\nwhat = "auc"\nto = ["south"]\n'
            '[[reveal]]\nwhat = "accuracy"\nto = ["north", "south"]\n[[reveal]]',
        ),
    )
    assert set(local.metrics) == {"north", "south"}
    assert set(local.metrics["north"]["metrics"]) == {"accuracy"}
    found = local.metrics["south"]["metrics"]
    assert local.metrics["south"]["folds"] == 4
    assert all(0.75 < value <= 1 for value in found["auc"])
    assert all(0.6 < value <= 1 for value in found["accuracy"])
    (path,) = local.models["north"]
    model = Model.load(path)
    assert model.training["chosen by"] == "log_loss"
    listed = [entry["what"] for entry in local.records["north"]["revealed"]]
    assert listed == ["bounds", "auc", "accuracy", "model"]


@pytest.mark.parametrize("minimum", [None, 6])
def test_calibration_counts_are_suppressed_as_the_study_says(
    tmp_path: Path, minimum: int | None
) -> None:
    stated = "" if minimum is None else f"minimum_count = {minimum}\n"
    local = changed_run(
        tmp_path,
        ("l2 = 1.0", "l2 = [0.1, 50.0]"),
        (
            "[[reveal]]",
            '[validation]\nfolds = 3\n[[reveal]]\nwhat = "calibration"\nto = ["south"]\n'
            f"{stated}[[reveal]]",
        ),
    )
    assert set(local.metrics) == {"south"}
    found = local.metrics["south"]
    assert found["metrics"] == {}
    assert found["calibration"]["minimum_count"] == minimum
    counts = np.array([found["calibration"][name] for name in ("negative", "positive")])
    assert counts.shape == (2, 2, 10)
    (entry,) = [e for e in local.records["south"]["revealed"] if e["what"] == "calibration"]
    assert entry["shape"] == [2, 10, 2]
    assert entry.get("minimum_count") == minimum
    if minimum is None:
        # 24 samples at each of two sites, half of them positive.
        assert counts.sum(2).tolist() == [[24, 24], [24, 24]]
        assert ((counts > 0) & (counts < 6)).any()
        # A λ so strong that all predictions are about a half; the other one's tell the classes.
        assert counts[:, 1, 3:7].sum() == 48
        assert counts[0, 0, :3].sum() > counts[1, 0, :3].sum()
    else:
        assert not ((counts > 0) & (counts < minimum)).any()
        assert 0 < counts.sum() < 96


@pytest.mark.parametrize(
    ("settings", "form"),
    [
        ("form = 'primal'", "primal, as the study asks"),
        ("batch = 16\nlearning_rate = 0.05\nmomentum = 0.5", "primal, as the steps are given"),
        ("form = 'dual'", "dual"),
    ],
)
def test_dual_and_primal_as_the_study_says(tmp_path: Path, settings: str, form: str) -> None:
    local = changed_run(tmp_path, ("l2 = 1.0", f"l2 = 1.0\n{settings}"))
    assert local.records["north"]["form"].startswith(form)
    (path,) = local.models["south"]
    values, labels = [], []
    for name in ("north", "south"):
        study = parsed(study_text(TWO_SITES))
        cohort = read_site_data(str(tmp_path / f"{name}.csv"), study.study)
        prepared, _ = prepare(cohort, preparation_of(study.study))
        values.append(prepared.select_features(sorted(prepared.features)).values)
        labels.append(prepared.labels)
    model = Model.load(path)
    scores = np.concatenate(values) @ model.weights + model.intercept
    assert ((scores > 0) == np.concatenate(labels)).mean() > 0.8


def test_many_samples_are_trained_in_the_primal_by_themselves(tmp_path: Path) -> None:
    for name in ("north", "south"):
        cells(name, genes(0, 4), samples=700).write(tmp_path / f"{name}.csv")
    data = {name: str(tmp_path / f"{name}.csv") for name in ("north", "south")}
    text = study_text(TWO_SITES, iterations=40, l2="0.01")
    local = simulate(parsed(text), data, tmp_path / "out", lambda _party, _event: None)
    assert local.records["north"]["form"].startswith("primal (")
    assert "dual" in local.records["north"]["form"]


def test_a_logit_beyond_its_bound_ends_the_run_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(BoundError, match="logit_bound = 1"):
        changed_run(tmp_path, ("l2 = 1.0", "l2 = 0.001\nlogit_bound = 1.0"))
    assert not list((tmp_path / "out").rglob("model*.json"))
