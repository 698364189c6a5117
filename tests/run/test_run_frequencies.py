"""Genotypes standardised by allele frequency in whole runs: against PLINK and scikit-learn."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_sites import LABEL, NEGATIVE, POSITIVE, Cells, parsed, study_text
from sklearn.linear_model import LogisticRegression

from cohortium.data import Cohort, PooledStatistics
from cohortium.errors import CohortiumError, DataValueError, FeatureError
from cohortium.learn import DualPlan, Model
from cohortium.run.local import simulate
from cohortium.run.planning import make_plan
from cohortium.run.predicting import predict
from cohortium.run.preparing import prepare_site

Matrix = np.ndarray[Any, Any]
FOLDER = Path(os.environ.get("COHORTIUM_DATA") or Path(__file__).parents[3] / "shared" / "data")
SET = "snpstats_nssnp_nullcc"
SITES = {"north": slice(0, 250), "south": slice(250, 400)}
UNTOLD = '[preparation]\nstandardise = "allele-frequency"\nclip = 100.0\n'
TOLD = (
    UNTOLD.replace("clip", 'impute = "pooled-mean"\nclip')
    + '[[reveal]]\nwhat = "feature_statistics"\nto = ["north", "south"]\n'
)


@dataclass
class Genotypes:
    """The first variants of a real set, samples × variants: −127 is missing."""

    calls: Matrix
    names: list[str]
    labels: Matrix
    bim: list[list[str]]
    fam: list[list[str]]

    def write(self, folder: Path, name: str, rows: slice) -> Path:
        bed_reader = pytest.importorskip("bed_reader")
        path = folder / f"{name}.bed"
        bed_reader.to_bed(path, np.ascontiguousarray(self.calls[rows]))
        for suffix, lines in (("bim", self.bim), ("fam", self.fam[rows])):
            text = "".join("\t".join(line) + "\n" for line in lines)
            path.with_suffix(f".{suffix}").write_text(text)
        return path


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Genotypes:
    bed_reader = pytest.importorskip("bed_reader")
    folder = FOLDER / SET
    if not folder.is_dir():
        pytest.skip(f"no {SET} in the shared data (set COHORTIUM_DATA to its folder)")
    copy = tmp_path_factory.mktemp("set")
    shutil.copy(folder / f"{SET}.bed", copy)
    (copy / f"{SET}.bim").write_bytes(gzip.decompress((folder / f"{SET}.bim.gz").read_bytes()))
    shutil.copy(folder / f"{SET}.fam", copy)
    with bed_reader.open_bed(copy / f"{SET}.bed") as bed:
        calls = bed.read(dtype="int8", index=np.s_[:, :1200])
    fam = [line.split() for line in (copy / f"{SET}.fam").read_text().splitlines()]
    # The set tells neither positions nor alleles.
    names = [f"1:{place + 1}:G:A" for place in range(1200)]
    bim = [["1", name, "0", str(place + 1), "A", "G"] for place, name in enumerate(names)]
    with (folder / "labels.tsv").open(newline="") as file:
        of = {row["sample"]: row["cc"] == "case" for row in csv.DictReader(file, delimiter="\t")}
    labels = np.array([of[line[1]] for line in fam])
    # Cases and controls at either site.
    order = np.random.default_rng(0).permutation(len(fam))
    return Genotypes(calls[order], names, labels[order], bim, [fam[place] for place in order])


@dataclass
class Run:
    model: Model
    genotypes: Genotypes
    folder: Path


@pytest.fixture(scope="module")
def run(real: Genotypes, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("frequencies")
    data = {}
    for name, rows in SITES.items():
        path = real.write(folder, name, rows)
        labels = Cells(["sample", LABEL], [])
        for line, positive in zip(real.fam[rows], real.labels[rows], strict=True):
            labels.rows.append([line[1], POSITIVE if positive else NEGATIVE])
        data[name] = f"{path},labels={labels.write(folder / f'{name}-labels.csv')}"
    text = study_text(features='mode = "same"', l2="1.0", iterations=200, deadline=100) + TOLD
    local = simulate(parsed(text), data, folder / "out", lambda *_: None)
    return Run(Model.load(local.models["north"][0]), real, folder)


def test_frequencies_are_those_of_plink(run: Run) -> None:
    """Of the observed genotypes of both sites: 13 % are missing, some variants altogether."""
    plink = shutil.which("plink1.9")
    if plink is None:
        pytest.skip("no plink1.9 on this machine (Debian package plink1.9)")
    path = run.genotypes.write(run.folder, "both", slice(None))
    subprocess.run(
        [
            plink,
            *("--bfile", path.with_suffix(""), "--freq", "counts", "--keep-allele-order"),
            *("--nonfounders", "--allow-no-sex", "--out", run.folder / "plink"),
        ],
        check=True,
        capture_output=True,
    )
    lines = (run.folder / "plink.frq.counts").read_text().splitlines()
    heads, *rows = (line.split() for line in lines)
    counted = {row[1]: (int(row[heads.index("C1")]), int(row[heads.index("C2")])) for row in rows}
    found = dict(zip(run.model.features, run.model.preparation["frequency"], strict=True))
    assert sum(first + second == 0 for first, second in counted.values()) == 7
    for name, (first, second) in counted.items():
        observed = first + second
        # docs/protocol.md: P = 2, K = 14; 800 alleles.
        allowed = (2 * 2 + 2 * 14 + 4) * 800 / max(observed, 1) * 2.0**-30
        assert abs(found[name] - first / max(observed, 1)) <= allowed
    assert len(counted) == len(found) == 1200


def test_weights_are_those_of_scikit_learn_on_all_samples(run: Run) -> None:
    values = np.where(run.genotypes.calls < 0, np.nan, run.genotypes.calls.astype(float))
    observed = (~np.isnan(values)).sum(0)
    frequency = np.nansum(values, 0) / np.maximum(2 * observed, 1)
    variance = 2 * frequency * (1 - frequency)
    rows = (values - 2 * frequency) / np.sqrt(np.where(variance > 0, variance, 1))
    rows[:, variance == 0] = 0.0
    model = LogisticRegression(C=1 / 400, tol=1e-10, max_iter=10_000)
    model.fit(np.nan_to_num(rows), run.genotypes.labels)
    places = [run.genotypes.names.index(name) for name in run.model.features]
    expected = model.coef_[0][places]
    assert np.abs(run.model.weights - expected).max() < 0.01 * np.abs(expected).max()
    assert (run.model.weights[variance[places] == 0] == 0).all()
    assert (variance == 0).sum() > 10


def table(name: str, samples: int) -> Cells:
    """A site's genotypes as a table: dosages, missing ones, two monomorphic variants."""
    random = np.random.default_rng([2, *name.encode()])
    labels = np.arange(samples) % 2
    frequency = np.linspace(0.03, 0.9, 25)[None] + 0.1 * labels[:, None] * (np.arange(25) < 5)
    values = random.binomial(2, frequency.clip(0, 1)).astype(float)
    values[:, 20], values[:, 21] = 2.0, 0.0
    values[:, 22] = (values[:, 22] + random.uniform(0, 0.3, samples)).clip(0, 2)
    rows = [[f"{value:.3f}" for value in row] for row in values]
    for place, row in enumerate(rows):
        row[place % 20] = ""
    names = [f"1:{1000 + place}:A:C" for place in range(25)]
    header = ["sample", LABEL, *names]
    pairs = zip(labels, rows, strict=True)
    told = [(NEGATIVE, POSITIVE)[label] for label in labels]
    return Cells(
        header, [[f"{name}{place}", told[place], *row] for place, (_, row) in enumerate(pairs)]
    )


def written(folder: Path) -> dict[str, str]:
    return {
        name: str(table(name, samples).write(folder / f"{name}.csv"))
        for name, samples in (("north", 40), ("south", 30))
    }


def numbers(rows: list[list[str]]) -> Matrix:
    return np.array([[float(cell or "nan") for cell in row[2:]] for row in rows])


VARIANTS = 'mode = "same"\nnames = "variant"'


def test_frequencies_that_nobody_is_told_give_a_model_for_allele_counts(tmp_path: Path) -> None:
    text = study_text(features=VARIANTS, l2="0.1", iterations=250) + UNTOLD
    local = simulate(parsed(text), written(tmp_path), tmp_path / "out", lambda *_: None)
    model = Model.load(local.models["north"][0])
    parts = [numbers(table("north", 40).rows), numbers(table("south", 30).rows)]
    # Each site fills in its own mean: the frequency is nobody's to know.
    filled = np.concatenate([np.where(np.isnan(x), np.nanmean(x, 0), x) for x in parts])
    mean = filled.mean(0)
    deviation = np.sqrt(mean * (1 - mean / 2))
    rows = (filled - mean) / np.where(deviation > 0, deviation, 1.0)
    labels = np.concatenate([np.arange(40) % 2, np.arange(30) % 2])
    reference = LogisticRegression(C=1 / (70 * 0.1), tol=1e-10, max_iter=10_000)
    reference.fit(rows, labels)
    found, expected = model.weights * deviation, reference.coef_[0]
    assert np.abs(found - expected).max() < 0.01 * np.abs(expected).max()
    assert model.weights[20] == model.weights[21] == 0.0
    assert model.preparation["standardise"] == "none"
    record = json.loads((tmp_path / "out/north/record.json").read_text())
    assert [each["what"] for each in record["revealed"]] == ["bounds", "model"]
    assert "raw data, |x| ≤ 2, standardised in secret" in record["plan"]
    one = predict(model, Cohort(filled[5:6], ["new"], model.features))
    wanted = reference.predict_proba(rows[5:6])[0, 1]
    assert one.values[0] == pytest.approx(wanted, abs=0.01)


def test_a_new_sample_is_prepared_by_the_frequencies_in_the_model(tmp_path: Path) -> None:
    text = study_text(features=VARIANTS, l2="0.1", iterations=20) + TOLD
    notes: list[str] = []

    def hear(party: str, event: Any) -> None:
        if party == "north" and event["event"] == "note":
            notes.append(event["text"])

    local = simulate(parsed(text), written(tmp_path), tmp_path / "out", hear)
    model = Model.load(local.models["north"][0])
    assert "40 missing values replaced by the mean of the feature." in notes
    assert "2 features with one value only: '1:1020:A:C', '1:1021:A:C'." in notes
    record = json.loads((tmp_path / "out/north/record.json").read_text())
    entry = next(each for each in record["revealed"] if each["what"] == "feature_statistics")
    assert entry["shape"] == [1, 25]
    frequency = np.array(model.preparation["frequency"])
    assert "value_bound" not in model.preparation
    row = numbers(table("north", 40).rows)[3:4]
    row[0, 7] = np.nan
    variance = 2 * frequency * (1 - frequency)
    scaled = (row - 2 * frequency) / np.sqrt(np.where(variance < 1e-6, 1, variance))
    scaled[:, 20:22] = 0.0
    logit = (np.nan_to_num(scaled) @ model.weights)[0] + model.intercept
    # The same sample, counted by the other allele.
    turned = [name[:-3] + "C:A" for name in model.features]
    for counts, names in ((row, model.features), (2 - row, turned)):
        found = predict(model, Cohort(counts, ["new"], names))
        assert found.values[0] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-9)
    with pytest.raises(DataValueError, match=r"sample 'new', feature '1:1.*is not a number of all"):
        predict(model, Cohort(row + 1, ["new"], model.features))


def test_what_is_no_allele_count_stops_its_site_before_it_connects(tmp_path: Path) -> None:
    data = written(tmp_path)
    spoilt = table("south", 30)
    spoilt.rows[4][2 + 3] = "2.5"
    data["south"] = str(spoilt.write(tmp_path / "south.csv"))
    text = study_text(features='mode = "same"', iterations=5) + TOLD
    with pytest.raises(CohortiumError) as caught:
        simulate(parsed(text), data, tmp_path / "out", lambda *_: None)
    told = "sample 'south4', feature '1:1003:A:C', is not a number of alleles, 0 to 2, by whose"
    assert told in str(caught.value)


def test_the_plan_holds_for_genotypes_without_heterozygotes() -> None:
    """Their variance is twice what the frequency tells, and so is the trace of X·Xᵀ."""
    study = parsed(study_text() + TOLD).study
    plan, _ = make_plan(study, {"north": 40, "south": 30}, 25)
    assert isinstance(plan, DualPlan)
    values = 2.0 * (np.random.default_rng(1).random((70, 25)) < np.linspace(0.1, 0.9, 25))
    statistics = PooledStatistics.of_frequencies(
        [str(place) for place in range(25)], values.mean(0) / 2
    )
    cohort = Cohort(values, [str(place) for place in range(70)], statistics.features)
    prepared = statistics.prepare(cohort, 100.0)[0].values[:, :]
    trace = (prepared**2).sum() * 2.0**-plan.kappa_exponent
    assert trace == pytest.approx(plan.most_trace)


def test_a_site_tells_its_genome_build_or_the_studys() -> None:
    values = numbers(table("north", 40).rows)
    names = [f"1:{1000 + place}:A:C" for place in range(25)]
    samples = [str(place) for place in range(40)]
    cohort = Cohort(values, samples, names, np.arange(40) % 2, POSITIVE, NEGATIVE)
    stated = VARIANTS + '\nbuild = "GRCh38"'
    for features, build, told in (
        (VARIANTS, "GRCh37", "GRCh37"),
        (VARIANTS, None, "unknown"),
        ('mode = "same"', "GRCh37", None),
        (stated, None, "GRCh38"),
        (stated, "GRCh38", "GRCh38"),
    ):
        study = parsed(study_text(features=features) + TOLD).study
        site = prepare_site(study, "north", replace(cohort, build=build), lambda _: None)
        assert site.build == told
    with pytest.raises(FeatureError, match="its header says GRCh37"):
        prepare_site(study, "north", replace(cohort, build="GRCh37"), lambda _: None)
