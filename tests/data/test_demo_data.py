"""The demo's files: what they hold, and that they are what their script makes."""

from __future__ import annotations

import gzip
import importlib.util
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import cohortium
from cohortium.data import read_cohort

DEMO = Path(str(files(cohortium))) / "demo_data"
SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "make_demo_data.py"


@pytest.fixture(scope="module")
def hospitals():
    return {
        name: read_cohort(DEMO / f"{name}.csv.gz", label="bcrabl_vs_neg", positive="BCR/ABL")
        for name in ("north", "south")
    }


def test_both_hospitals_read(hospitals):
    north, south = hospitals["north"], hospitals["south"]
    assert (len(north.samples), len(south.samples)) == (40, 39)
    assert (north.labels.sum(), south.labels.sum()) == (19, 18)
    assert len(north.samples) + len(south.samples) == 37 + 42
    assert not set(north.samples) & set(south.samples)
    assert len(north.features) == 12_625
    assert north.features == south.features
    assert north.negative == "NEG"
    assert not np.isnan(north.values).any()


def test_values_are_the_sources_rounded(hospitals, shared):
    folder = shared("all128")
    source = read_cohort(folder / "X.csv.gz", orientation="samples_in_rows")
    for cohort in hospitals.values():
        rows = [source.samples.index(sample) for sample in cohort.samples]
        np.testing.assert_allclose(cohort.values, source.values[rows], rtol=0, atol=0.005 + 1e-9)


def test_script_makes_the_same_files(shared):
    spec = importlib.util.spec_from_file_location("make_demo_data", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name, text in script.demo_tables(shared("all128")).items():
        # Not the compressed bytes: another zlib may pack the same text differently.
        assert gzip.decompress((DEMO / f"{name}.csv.gz").read_bytes()) == text.encode()


def test_licence_goes_with_the_data():
    notice = " ".join((DEMO / "NOTICE").read_text(encoding="utf-8").split())
    for part in ("Artistic-2.0", "103(7): 2771", "11(20): 7209", "package ALL", "changed"):
        assert part in notice
    assert "Artistic License 2.0" in (DEMO / "LICENSE-Artistic-2.0.txt").read_text()
    assert sum(path.stat().st_size for path in DEMO.iterdir()) < 4_000_000
