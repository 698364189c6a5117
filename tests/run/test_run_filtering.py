"""Filters in whole runs: the model is that of files filtered by PLINK beforehand; refusals."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_sites import LABEL, TWO_SITES, Cells, cells, genes, parsed, study_text
from scipy.stats import chi2
from test_run_rehearsal import together

from cohortium.data import Cohort
from cohortium.data.variants import canonical_variant
from cohortium.errors import (
    AgreementError,
    CohortiumError,
    DataValueError,
    DisclosureError,
    FeatureError,
    FrameError,
    PeerAbortedError,
)
from cohortium.learn import KEPT_FEATURES, Model
from cohortium.mpc.dealer import Roles, start
from cohortium.report import write_reports
from cohortium.ring import NumpyEngine
from cohortium.run.agreeing import Agreed
from cohortium.run.filtering import _told, filter_plan, filter_together, run_filter
from cohortium.run.local import LocalRun, simulate
from cohortium.run.planning import fix_shapes, make_plan, run_training
from cohortium.run.preparing import prepare_site
from cohortium.run.together import check_samples
from cohortium.run.verifying import verify_run
from cohortium.study import DisclosureLedger, StudyFile

RULES = "max_missing = 0.02\nmin_maf = 0.05\nhwe_p = 1e-6"


TOLD = '\n[[reveal]]\nwhat = "kept_features"\nto = ["north", "south"]\n'


def filtered(rules: str, further: str = "") -> StudyFile:
    """Return a study of two sites with a filter."""
    return parsed(study_text(features=f'mode = "same"\n[filter]\n{rules}') + TOLD + further)


def test_too_few_samples_are_helped_without_the_filter_and_its_reveal_alone() -> None:
    study = filtered("max_missing = 0.02").study
    with pytest.raises(AgreementError, match=r"Too few samples of south \(9\)") as caught:
        check_samples(study, {"north": 10, "south": 9}, "north")
    assert "or take [filter] and the [[reveal]] of kept_features out of" in caught.value.remedy
    check_samples(study, {"north": 10, "south": 10}, "north")
    without = parsed(study_text(features='mode = "same"')).study
    check_samples(without, {"north": 10, "south": 9}, "north")


@dataclass
class Genotypes:
    """PLINK's files of two sites, each made of a part of one set, and of both merged."""

    folder: Path
    plink: str

    def run(self, name: str, *options: str) -> Path:
        """Run PLINK on a set; return the path without suffix of what it writes."""
        out = self.folder / f"of-{name}"
        command = [self.plink, "--bfile", str(self.folder / name), "--nonfounders"]
        command += ["--allow-no-sex", "--out", str(out), *options]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        return out

    def data(self, suffix: str = "") -> dict[str, str]:
        labels = self.folder / "labels.tsv"
        return {
            name: f"{self.folder / name}{suffix}.bed,labels={labels}" for name in ("north", "south")
        }


@pytest.fixture(scope="module")
def genotypes(shared: Any, tmp_path_factory: pytest.TempPathFactory) -> Genotypes:
    """Two chromosomes of Yoruba and Europeans. Each site's PLINK chooses its own minor allele."""
    pytest.importorskip("bed_reader")
    plink = shutil.which("plink1.9") or shutil.which("plink")
    if plink is None:
        pytest.skip("PLINK 1.9 is not installed")
    source, folder = shared("hapmap2_279"), tmp_path_factory.mktemp("sites")
    for suffix in ("bed", "fam"):
        shutil.copy(source / f"hapmap2_279.{suffix}", folder / f"all.{suffix}")
    (folder / "all.bim").write_bytes(gzip.decompress((source / "hapmap2_279.bim.gz").read_bytes()))
    shutil.copy(source / "labels.tsv", folder)
    made = Genotypes(folder, plink)
    lines = (folder / "labels.tsv").read_text().splitlines()
    rows = csv.DictReader(lines, delimiter="\t")
    chosen = [row for row in rows if row["pop.group"] in ("YRI", "CEU")]
    for place, name in enumerate(("north", "south")):
        lines = [f"{row['family.id']} {row['sample']}" for row in chosen[place::2]]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
        made.run("all", "--keep", str(folder / f"{name}.txt"), "--chr", "21-22", "--make-bed")
        for suffix in ("bed", "bim", "fam"):
            (folder / f"of-all.{suffix}").rename(folder / f"{name}.{suffix}")
    made.run("north", "--bmerge", str(folder / "south"), "--make-bed")
    for suffix in ("bed", "bim", "fam"):
        (folder / f"of-north.{suffix}").rename(folder / f"merged.{suffix}")
    return made


def genotype_study(rules: str | None) -> StudyFile:
    text = study_text(features='names = "variant"\nmode = "intersection"', iterations=40)
    text = text.replace(LABEL, "pop.group").replace("BCR/ABL", "YRI").replace("NEG", "CEU")
    if rules is None:
        return parsed(text)
    return parsed(text.replace("[model]", f"[filter]\n{rules}\n[model]") + TOLD)


def by_plink(genotypes: Genotypes) -> set[str]:
    """Return what PLINK keeps of the merged file, and chi-squared of its counts: PLINK's names."""
    path = genotypes.run("merged", "--geno", "0.02", "--maf", "0.05", "--write-snplist")
    kept = set(path.with_suffix(".snplist").read_text().split())
    head, *lines = genotypes.run("merged", "--hardy").with_suffix(".hwe").read_text().splitlines()
    for line in lines:
        row = dict(zip(head.split(), line.split(), strict=True))
        one, het, other = map(int, row["GENO"].split("/"))
        alleles, samples = 2 * one + het, one + het + other
        expected = alleles * (2 * samples - alleles)
        if expected and row["TEST"].startswith("ALL"):
            squared = samples * (1 - 2 * samples * het / expected) ** 2
            if chi2.sf(squared, 1) < 1e-6:
                kept.discard(row["SNP"])
    return kept


@pytest.fixture(scope="module")
def run(genotypes: Genotypes) -> LocalRun:
    return simulate(
        genotype_study(RULES), genotypes.data(), genotypes.folder / "out", lambda *_: None
    )


def test_the_model_is_that_of_files_which_plink_filtered(
    genotypes: Genotypes, run: LocalRun
) -> None:
    kept = by_plink(genotypes)
    rows = [line.split() for line in (genotypes.folder / "merged.bim").read_text().splitlines()]
    variants = {row[1]: canonical_variant(f"{row[0]}:{row[3]}:{row[5]}:{row[4]}") for row in rows}
    found = Model.load(run.models["north"][0])
    assert set(found.features) == {variants[name].name for name in kept}
    assert 50 < len(kept) < len(rows) - 10
    (genotypes.folder / "kept.txt").write_text("\n".join(kept) + "\n")
    for name in ("north", "south"):
        out = genotypes.run(name, "--extract", str(genotypes.folder / "kept.txt"), "--make-bed")
        for suffix in ("bed", "bim", "fam"):
            out.with_suffix(f".{suffix}").rename(genotypes.folder / f"{name}-kept.{suffix}")
    before = simulate(
        genotype_study(None),
        genotypes.data("-kept"),
        genotypes.folder / "before",
        lambda *_: None,
    )
    expected = Model.load(before.models["north"][0])
    assert found.features == expected.features
    largest = np.abs(expected.weights).max()
    assert largest > 1e-3
    assert np.abs(found.weights - expected.weights).max() < 1e-3 * largest
    assert abs(found.intercept - expected.intercept) < 1e-3


def test_what_is_written_of_it(genotypes: Genotypes, run: LocalRun) -> None:
    kept = Model.load(run.models["north"][0]).features
    before = len((genotypes.folder / "merged.bim").read_text().splitlines())
    for name, record in run.records.items():
        folder = genotypes.folder / "out" / name
        assert record["features"] == len(kept)
        assert record["features_before_filter"] == before
        assert "filter" in record["seconds"]
        ledger = {entry["what"]: entry for entry in record["revealed"]}
        assert ledger["kept_features"]["shape"] == [before]
        assert ledger["model"]["shape"] == [len(kept) + 1, 1]
        told = name != "uni"
        assert bool(ledger["kept_features"]["sha256"]) == told
        assert (folder / "kept_features.csv").exists() == told
        if told:
            text = (folder / "kept_features.csv").read_text()
            assert text.split("\n") == ["feature", *kept, ""]
        events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        kinds = [event["event"] for event in events]
        first, second = (place for place, kind in enumerate(kinds) if kind == "to be revealed")
        assert first < kinds.index("checkpoint") < kinds.index("filtered") < second
        shapes = [
            {entry["what"]: entry["shape"] for entry in events[place]["list"]}
            for place in (first, second)
        ]
        assert shapes[0] == {"bounds": None, "model": None, "kept_features": [before]}
        assert shapes[1] == {what: entry["shape"] for what, entry in ledger.items()}
        assert ("kept_features.csv" in verify_run(folder).files) == told
    pages = write_reports([genotypes.folder / "out" / name for name in run.records])
    assert f"on {len(kept):,} features (of {before:,}, by the filter)" in pages[0].read_text()
    card = (genotypes.folder / "out/north/model-card.md").read_text()
    assert f"{len(kept)} features that pass the study's filter, of {before}." in card


def expression(missing: dict[str, int], features: list[str], site: str) -> Cells:
    """Return a table in which so many values of some features are missing."""
    table = cells(site, features)
    for name, count in missing.items():
        for row in table.rows[:count]:
            row[table.header.index(name)] = ""
    return table


def test_missing_values_of_expression_and_of_what_a_site_lacks(tmp_path: Path) -> None:
    """Sites that do not compute, a dealer that receives; half of a feature is lacking in south."""
    parties = {
        "north": ("data", "compute", "receive"),
        "lab": ("compute",),
        "south": ("data", "receive"),
        "uni": ("deal", "receive"),
    }
    tables = {
        "north": expression({"GENE00": 2, "GENE01": 3}, genes(0, 12), "north"),
        "south": expression({"GENE00": 2, "GENE02": 2, "GENE01": 2}, genes(0, 11), "south"),
    }
    data = {name: str(table.write(tmp_path / f"{name}.csv")) for name, table in tables.items()}
    told = '\n[[reveal]]\nwhat = "kept_features"\nto = ["north", "south", "uni"]\n'
    # Of 48 samples 4 may lack a value, and 5 may not.
    text = study_text(parties, features='mode = "union"\n[filter]\nmax_missing = 0.1') + told
    local = simulate(parsed(text), data, tmp_path / "out", lambda *_: None)
    for name in ("north", "south", "uni"):
        features = Model.load(local.models[name][0]).features
        assert features == tuple(gene for gene in genes(0, 11) if gene != "GENE01")
    assert local.records["lab"]["features"] == 10
    assert not (tmp_path / "out/lab/kept_features.csv").exists()


def test_pooled_statistics_are_of_the_kept_features_alone(tmp_path: Path) -> None:
    tables = {
        name: expression({"GENE03": 2, "GENE07": 3}, genes(0, 9), name)
        for name in ("north", "south")
    }
    data = {name: str(table.write(tmp_path / f"{name}.csv")) for name, table in tables.items()}
    pooled = '[preparation]\nstandardise = "pooled"\nimpute = "pooled-mean"\nvalue_bound = 16.0'
    rules = f"max_missing = 0.1\n{pooled}"
    told = '[[reveal]]\nwhat = "feature_statistics"\nto = ["north", "south"]\n'
    local = simulate(filtered(rules, told), data, tmp_path / "out", lambda *_: None)
    model = Model.load(local.models["south"][0])
    assert model.features == tuple(gene for gene in genes(0, 9) if gene != "GENE07")
    values = [
        [float(row[table.header.index("GENE08")]) for row in table.rows]
        for table in tables.values()
    ]
    assert len(model.preparation["mean"]) == len(model.preparation["variance"]) == 8
    assert model.preparation["mean"][-1] == pytest.approx(np.mean(values), abs=1e-5)
    ledger = {entry["what"]: entry["shape"] for entry in local.records["uni"]["revealed"]}
    assert ledger["feature_statistics"] == [2, 8]
    assert ledger["kept_features"] == [9]


def labelled(values: Any) -> Cohort:
    samples, features = values.shape
    return Cohort(
        values,
        tuple(f"s{row}" for row in range(samples)),
        tuple(f"f{place}" for place in range(features)),
        np.arange(samples) % 2,
        "BCR/ABL",
        "NEG",
        "site.csv",
    )


@pytest.mark.parametrize(
    ("rules", "value", "told"),
    [
        ("min_maf = 0.05", 2.5, "sample 's3', feature 'f2', is not a number of alleles"),
        ("hwe_p = 1e-6", -1.0, "sample 's3', feature 'f2', is not a number of alleles"),
        ("hwe_p = 1e-6", 1.5, "sample 's3', feature 'f2', is a dosage between two calls"),
    ],
)
def test_what_can_not_be_counted_stops_its_site_before_it_connects(
    rules: str, value: float, told: str
) -> None:
    values = np.ones((8, 4))
    values[3, 2] = value
    with pytest.raises(DataValueError, match=told) as caught:
        prepare_site(filtered(rules).study, "north", labelled(values), lambda _: None)
    # It quotes the data, so the other parties are told its code alone.
    assert caught.value.code == "COH-202"
    for fine in ("max_missing = 0.1", *(["min_maf = 0.05"] if value == 1.5 else [])):
        site = prepare_site(filtered(fine).study, "north", labelled(values), lambda _: None)
        assert site.counts is not None


def in_threads(study: StudyFile, program: Any) -> dict[str, Any]:
    """Run a program with a session and the study's ledger as every party, as threads."""
    roles = Roles(study.study.with_role("compute"), *study.study.with_role("deal"))

    def party(mesh: Any) -> Any:
        ledger = DisclosureLedger.of(study.study)
        return program(mesh, ledger, start(mesh, roles, ledger))

    return together(list(TWO_SITES), party)


COUNTS = np.array([[0.0, 0.0, 9.0], [4.0, 9.0, 1.0], [4.0, 1.0, 1.0]])


def test_what_is_not_listed_or_not_of_its_shape_is_not_revealed() -> None:
    study, plain = filtered("max_missing = 0.1"), parsed(study_text())
    plan = filter_plan(study.study, 20, 3)
    assert plan is not None
    to = {KEPT_FEATURES: ("north", "south")}

    def unlisted(mesh: Any, ledger: Any, protocol: Any) -> Any:
        ledger.fix_shapes({"model": (4, 1)})
        own = {mesh.name: COUNTS[:1]} if mesh.name == "north" else {}
        return run_filter(protocol, plan, {"north": 20}, own, to)

    def too_early(mesh: Any, ledger: Any, protocol: Any) -> Any:
        """A program that trains before the filter: of its reveals none has a shape yet."""
        ledger.fix_shapes({KEPT_FEATURES: (3,)})
        training, _ = make_plan(study.study, {"north": 20}, 3)
        rows = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
        own = {mesh.name: rows} if mesh.name == "north" else {}
        return run_training(protocol, study.study, training, {"north": 20}, own, ledger.allowed)

    def another_shape(mesh: Any, ledger: Any, protocol: Any) -> Any:
        ledger.fix_shapes({KEPT_FEATURES: (2,)})
        own = {mesh.name: COUNTS[:1]} if mesh.name == "north" else {}
        return run_filter(protocol, plan, {"north": 20}, own, to)

    for program, file, told in (
        (unlisted, plain, "reveal 'kept_features', which the study does not list"),
        (
            too_early,
            study,
            "reveal 'bounds' in the shape 1; the study and the agreed sizes allow none",
        ),
        (another_shape, study, "reveal 'kept_features' in the shape 3"),
    ):
        outcomes = in_threads(file, program)
        for name in ("north", "south"):
            assert isinstance(outcomes[name], CohortiumError), outcomes[name]
            assert told in outcomes[name].what
        refusals = [each for each in outcomes.values() if isinstance(each, DisclosureError)]
        assert refusals


def agreed(features: int = 3) -> Agreed:
    names = tuple(f"f{place}" for place in range(features))
    return Agreed({"north": 20, "south": 20}, names, features, "a", "b", None, {})


def over_memory_links(study: StudyFile) -> dict[str, Any]:
    """Filter at every party; return what it was told, and the ledger after the training's plan."""
    plan = filter_plan(study.study, 40, 3)
    assert plan is not None
    # Of either site's 20 samples one lacks the second feature, one the third.
    values = np.where(np.eye(20, 3, -2) > 0, np.nan, 1.0) * [1, 0, 1]
    values[5, 1] = np.nan

    def program(mesh: Any, ledger: Any, protocol: Any) -> Any:
        ledger.fix_shapes({KEPT_FEATURES: (3,)})
        counts, known = None, replace(agreed(), features=None)
        if mesh.name != "uni":
            site = prepare_site(study.study, mesh.name, labelled(values), lambda _: None)
            counts, known = site.counts, agreed()
        made, received = filter_together(
            mesh, protocol, NumpyEngine(), plan, known, counts, ledger.allowed
        )
        fix_shapes(ledger, study.study, make_plan(study.study, made.sizes, made.feature_count)[0])
        return made, received, ledger.entries

    return in_threads(study, program)


def test_everybody_is_told_how_many_and_the_receivers_which() -> None:
    outcomes = over_memory_links(filtered("max_missing = 0.1\nmin_maf = 0.1"))
    for name, (made, received, entries) in outcomes.items():
        assert (made.feature_count, made.unfiltered) == (2, 3)
        assert made.features == (None if name == "uni" else ("f0", "f2"))
        assert received.keys() == (set() if name == "uni" else {KEPT_FEATURES})
        assert {each.what: each.shape for each in entries} == {
            "bounds": (1,),
            "model": (3, 1),
            "kept_features": (3,),
        }


def test_where_nothing_passes_all_are_told() -> None:
    for error in over_memory_links(filtered("max_missing = 0\nmin_maf = 0.5")).values():
        # Whoever stops first tells the others, in the same words.
        assert isinstance(error, (FeatureError, PeerAbortedError))
        assert "None of the 3 features passes the study's [filter]." in error.what


@pytest.mark.parametrize(
    ("sent", "error", "told"),
    [
        ((1).to_bytes(8, "big"), AgreementError, "north: 2"),
        ((4).to_bytes(8, "big"), FrameError, "south sent a number of kept features"),
        (b"", FrameError, "south sent a number of kept features"),
    ],
)
def test_owners_must_tell_the_same_number(sent: bytes, error: Any, told: str) -> None:
    def party(mesh: Any) -> Any:
        if mesh.name == "south":
            everyone = dict.fromkeys(mesh.peers, sent)
            return mesh.exchange_messages("kept features", everyone, {"north": 8})
        return _told(mesh, agreed(), 2 if mesh.name == "north" else None)

    outcomes = together(list(TWO_SITES), party)
    for name in ("north", "uni"):
        assert isinstance(outcomes[name], CohortiumError)
        assert told in outcomes[name].what
    assert any(isinstance(outcomes[name], error) for name in ("north", "uni"))
