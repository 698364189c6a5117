"""`cohortium simulate` and `join` on real files: the same model, in the clear, by either engine."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from cli_consortium import Consortium, end_all
from run_sites import (
    TWO_SITES,
    Ended,
    Two,
    data_options,
    free_ports,
    largest_difference,
    parsed,
    study_text,
    terminal_in,
    twin,
    two_sites,
)

import cohortium
from cohortium.learn import Model
from cohortium.net import create_identity, load_identity
from cohortium.screen import megabytes


@dataclass
class Simulated:
    """A finished simulation that the tests of this module look at."""

    sites: Two
    study: Path
    ended: Ended

    @property
    def out(self) -> Path:
        return self.sites.folder / "out[bold]"

    @property
    def model(self) -> Model:
        return Model.load(self.out / "north" / "model.json")


def digest_of(model: Model) -> str:
    weights = np.append(model.weights, model.intercept)
    return hashlib.sha256(weights.astype("<f8").tobytes()).hexdigest()


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    folder = tmp_path_factory.mktemp("simulated")
    sites = two_sites(folder)
    study = folder / "study.toml"
    study.write_text(study_text())
    with terminal_in(folder) as terminal:
        ended = terminal.run(
            "simulate", "study.toml", *data_options(sites.data), "--out", "out[bold]"
        )
        assert not terminal.alive()
    assert ended.code == 0, ended
    return Simulated(sites, study, ended)


def test_both_receivers_have_the_same_model(simulated: Simulated) -> None:
    north, south = ((simulated.out / name / "model.json") for name in ("north", "south"))
    assert north.read_bytes() == south.read_bytes()
    assert not (simulated.out / "uni" / "model.json").exists()
    model = simulated.model
    assert model.features == tuple(f"GENE{number:02d}" for number in range(3, 30))
    assert (model.positive, model.negative) == ("BCR/ABL", "NEG")
    assert model.training["samples"] == 44


def test_the_model_is_that_of_the_same_training_in_the_clear(simulated: Simulated) -> None:
    study = parsed(simulated.study.read_text())
    weights = twin(study, simulated.sites.data)[:, 0]
    assert largest_difference(simulated.out / "north" / "model.json", weights) < 0.005


def test_the_record_accounts_for_the_run(simulated: Simulated) -> None:
    digest = hashlib.sha256(simulated.study.read_bytes()).hexdigest()
    records = {
        name: json.loads((simulated.out / name / "record.json").read_text()) for name in TWO_SITES
    }
    for name, record in records.items():
        assert record["format"] == "cohortium-record/1"
        assert record["party"] == name
        assert record["roles"] == list(TWO_SITES[name])
        assert record["study"] == "test"
        assert record["study_digest"] == digest
        assert record["cohortium"] == cohortium.__version__
        assert record["samples"] == {"north": 24, "south": 20}
        assert record["features"] == 27
        bounds, model = record["revealed"]
        assert bounds["what"] == "bounds"
        assert bounds["shape"] == [1]
        assert model["what"] == "model"
        assert bounds["to"] == model["to"] == ["north", "south"]
        assert model["shape"] == [28, 1]
        assert model["bytes"] == 8 * 28
        assert record["session"] == records["north"]["session"]
        told = [records[receiver]["revealed"][1]["sha256"] for receiver in ("north", "south")]
        assert told[0] == told[1] == digest_of(simulated.model)
        assert (model["sha256"] is None) == (name == "uni")
        assert {"prepare", "connect", "agree", "share", "iterations"} <= record["seconds"].keys()
        for other in TWO_SITES.keys() - {name}:
            sent = record["link_bytes"]["sent"][other]
            assert sent == records[other]["link_bytes"]["received"][name] > 0
    assert len({record["session"] for record in records.values()}) == 1
    assert records["north"]["rounds"] == records["south"]["rounds"] > 2 * 12
    assert records["uni"]["rounds"] == 0
    assert simulated.model.training["study_digest"] == digest


def test_no_record_holds_a_sample_or_a_path(simulated: Simulated) -> None:
    for name in TWO_SITES:
        text = (simulated.out / name / "record.json").read_text()
        assert "north-1" not in text
        assert "GENE" not in text
        assert str(simulated.sites.folder) not in text


def test_the_screen_tells_who_left_out_which_genes(simulated: Simulated) -> None:
    out = simulated.ended.out
    lines = out.splitlines()
    assert "44 samples (north 24, south 20)." in lines
    assert "27 features common to all sites." in lines
    assert "north: 30 features, 3 left out ('GENE00', 'GENE01', 'GENE02')." in lines
    assert "south: 31 features, 4 left out ('GENE30', 'GENE31', 'GENE32' and 1 more)." in lines
    # Each site's own facts are told for each, though the words are the same.
    for site in ("north", "south"):
        assert f"{site}: 0 values clipped to the bound." in lines
        assert f"{site} received out[bold]/{site}/model.json" in lines
    assert "north: done · iteration 12/12" in out
    assert simulated.ended.err == ""


def test_the_other_engine_gives_the_same_model(simulated: Simulated) -> None:
    engine = "tensorflow"
    with terminal_in(simulated.sites.folder) as terminal:
        ended = terminal.run(
            "simulate",
            "study.toml",
            *data_options(simulated.sites.data),
            "--engine",
            engine,
            "--out",
            engine,
        )
    assert ended.code == 0, ended
    _check_same_model(simulated, simulated.sites.folder / engine / "south" / "model.json")


def _check_same_model(simulated: Simulated, path: Path) -> None:
    weights = np.append(simulated.model.weights, simulated.model.intercept)
    assert largest_difference(path, weights) < 1e-3


def test_three_processes_that_join_have_the_simulations_model(
    simulated: Simulated, tmp_path: Path
) -> None:
    """All by commands, as three sites would do it: identities, the study file, join."""
    with terminal_in(tmp_path) as terminal:
        made = [
            terminal.start("identity", "new", name, "--identity", f"{name}-identity")
            for name in TWO_SITES
        ]
        assert [command.end().code for command in made] == [0, 0, 0]
        shown = [
            terminal.start("identity", "show", "--identity", f"{name}-identity", COLUMNS="40")
            for name in TWO_SITES
        ]
        lines = {}
        for name, command in zip(TWO_SITES, shown, strict=True):
            out = command.end().out
            pem = re.search(r'certificate = """\n.*?"""', out, re.DOTALL)
            print_ = re.search(r"^fingerprint  (\S+)$", out, re.MULTILINE)
            assert pem
            assert print_
            assert "under this site's [[party]]:" in out
            for expiry in ("expires      20", "link expires 20"):
                assert f"\n{expiry}" in out
            lines[name] = f'fingerprint = "{print_[1].lower()}"\n{pem[0]}\n'
        for name, port in zip(TWO_SITES, free_ports(3), strict=True):
            lines[name] += f'address = "127.0.0.1:{port}"\n'
        (tmp_path / "study.toml").write_text(study_text(extra=lines))
        # At three sites these would be three files; here the second and third add to the first's.
        for name in TWO_SITES:
            signed = terminal.run(
                "study", "sign", "study.toml", "--as", name, "--identity", f"{name}-identity"
            )
            assert signed.code == 0, signed
            assert "Will be revealed to north, south: model." in signed.out
        assert "Not in this file yet" not in signed.out
        # North renews what its links use: the others have their files as they are.
        certificate = (tmp_path / "north-identity" / "certificate.pem").read_bytes()
        link = (tmp_path / "north-identity" / "link.pem").read_bytes()
        renewed = terminal.run("identity", "renew", "--identity", "north-identity")
        assert renewed.code == 0
        assert "no study file changes" in renewed.out
        assert (tmp_path / "north-identity" / "certificate.pem").read_bytes() == certificate
        assert (tmp_path / "north-identity" / "link.pem").read_bytes() != link
        commands = {
            name: terminal.start(
                "join",
                "study.toml",
                "--as",
                name,
                "--identity",
                f"{name}-identity",
                "--out",
                f"out-{name}",
                *(["--data", files] if (files := simulated.sites.data.get(name)) else []),
                *(["--listen", "127.0.0.1"] if name == "south" else []),
            )
            for name in TWO_SITES
        }
        ended = end_all(commands)
        assert not terminal.alive()
    assert [end.code for end in ended.values()] == [0, 0, 0], ended
    assert [end.err for end in ended.values()] == ["", "", ""]
    common = [
        "44 samples (north 24, south 20).",
        "27 features common to all sites.",
        "north: 30 features, 3 left out ('GENE00', 'GENE01', 'GENE02').",
        "south: 31 features, 4 left out ('GENE30', 'GENE31', 'GENE32' and 1 more).",
    ]
    for name in ("north", "south"):
        samples, features = (24, 30) if name == "north" else (20, 31)
        told = ended[name].out.splitlines()
        assert told[:-4] == [
            f"{name}: preparing the data",
            f"{name}: {samples} samples × {features} features.",
            f"{name}: 0 missing values replaced by the mean of the feature.",
            f"{name}: 0 values clipped to the bound.",
            f"{name}: connecting to all parties",
            f"{name}: agreeing on features",
            *common,
            "Form of the training: dual (about 41 rounds, 0.0 MB, 0.2 s predicted).",
            "Will be revealed to north, south: bounds, 1.",
            "Will be revealed to north, south: model, 28 × 1.",
            f"{name}: sharing masked data",
            f"{name}: Gram matrix",
            f"{name}: training",
            f"{name}: checking the stated bounds",
            f"{name}: revealing the results",
        ]
        record = json.loads((tmp_path / f"out-{name}" / "record.json").read_text())
        sent = megabytes(sum(record["link_bytes"]["sent"].values()))
        rounds = f"{record['rounds']} rounds"
        assert told[-4] == f"{name}: done · iteration 12/12 · {rounds} · {sent} sent"
        assert told[-3:] == [
            f"Received out-{name}/model.json",
            f"The record of this run is out-{name}/record.json",
            f"The report of this run: out-{name}/report.html",
        ]
        _check_same_model(simulated, tmp_path / f"out-{name}" / "model.json")
    models = [(tmp_path / f"out-{name}" / "model.json").read_bytes() for name in ("north", "south")]
    assert models[0] == models[1]
    assert "Received" not in ended["uni"].out
    written = {
        "events.jsonl",
        "record.json",
        "report.html",
        "study.toml",
        "study.toml.signatures",
    }
    assert {path.name for path in (tmp_path / "out-uni").iterdir()} == written
    with terminal_in(tmp_path) as terminal:
        verified = terminal.run("audit", "verify", "out-uni")
    assert verified.code == 0
    assert "simulation" not in verified.out
    assert "not finished" not in verified.out
    assert load_identity(tmp_path / "uni-identity").name == "uni"


def test_a_fingerprint_is_shown_as_it_is(tmp_path: Path) -> None:
    """Parts of some, ":CD:" for one, are also the names of emoji."""
    for attempt in range(1000):
        made = create_identity("north", tmp_path / str(attempt))
        if ":AB:" in made.fingerprint or ":CD:" in made.fingerprint:
            break
    with terminal_in(tmp_path) as terminal:
        ended = terminal.run("identity", "show", "--identity", str(attempt))
    assert f"fingerprint  {made.fingerprint}\n" in ended.out
    assert made.certificate_pem in ended.out


def test_a_second_identity_does_not_replace_the_first(tmp_path: Path) -> None:
    with terminal_in(tmp_path) as terminal:
        group = Consortium(terminal)
        folder = str(group.identities["north"].key_path.parent)
        before = load_identity(folder).fingerprint
        ended = terminal.run("identity", "new", "north", "--identity", folder)
    assert ended.code == 5
    assert "There is an identity" in ended.err
    assert load_identity(folder).fingerprint == before
