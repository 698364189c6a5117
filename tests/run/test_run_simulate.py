"""Whole runs on this machine, a process for each party, against the same training in the clear."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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

from cohortium.learn import Model
from cohortium.run.local import LocalRun, simulate

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
    assert {json.dumps(record["revealed"]) for record in records.values()} == {
        json.dumps(records["a"]["revealed"])
    }
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
