"""Filters of two sites' real genotypes on shares: what PLINK 1.9 keeps of the merged file.

The numbers in docs/limitations.md on equilibrium are this module's.
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mpc_parties import run_parties
from scipy.stats import chi2

from cohortium.data import Cohort, count_features, read_cohort
from cohortium.learn import KEPT_FEATURES, kept_features, plan_filter

SETS = ("hapmap2_279", "kg_phase1_chr22", "snpstats_nssnp_nullcc")
# Of each set at 1e-6 and at 1e-3: variants that chi-squared alone leaves out, the exact test alone.
DIFFERENT = {
    "hapmap2_279": [(116, 0), (254, 0)],
    "kg_phase1_chr22": [(588, 2), (847, 0)],
    "snpstats_nssnp_nullcc": [(29, 13), (44, 4)],
}


@dataclass
class Merged:
    """A set of PLINK's with autosomes alone, and what was read of it."""

    path: Path
    plink: str
    cohort: Cohort

    def run(self, *options: str) -> Path:
        """Run PLINK on all samples; return the path without suffix of what it writes."""
        out = self.path.with_name("out")
        command = [self.plink, "--bfile", str(self.path), "--nonfounders", "--allow-no-sex"]
        command += ["--keep-allele-order", "--out", str(out), *options]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        return out


@pytest.fixture(scope="module", params=SETS)
def merged(request: Any, shared: Any, tmp_path_factory: Any) -> Merged:
    pytest.importorskip("bed_reader")
    plink = shutil.which("plink1.9") or shutil.which("plink")
    if plink is None:
        pytest.skip("PLINK 1.9 is not installed")
    name = request.param
    folder, copy = shared(name), tmp_path_factory.mktemp("plink")
    for suffix in ("bed", "bim", "fam"):
        path = folder / f"{name}.{suffix}"
        content = path.read_bytes() if path.exists() else gzip.decompress(_packed(path))
        (copy / f"raw.{suffix}").write_bytes(content)
    # Each variant a name and a place of its own, and alleles of A and C: counts are what is tested.
    lines = (copy / "raw.bim").read_text().splitlines()
    rows = [[*line.split()[:1], f"v{place}"] for place, line in enumerate(lines, 1)]
    text = [f"{chrom} {each} 0 {place} A C\n" for place, (chrom, each) in enumerate(rows, 1)]
    (copy / "raw.bim").write_text("".join(text))
    command = [plink, "--bfile", copy / "raw", "--autosome", "--keep-allele-order", "--make-bed"]
    command += ["--allow-no-sex", "--out", copy / "set"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return Merged(copy / "set", plink, read_cohort(copy / "set.bed"))


def _packed(path: Path) -> bytes:
    return path.with_name(f"{path.name}.gz").read_bytes()


def kept_by_sites(merged: Merged, **rules: Any) -> set[str]:
    """Return the variants, by PLINK's names, that two sites keep, each with its own samples."""
    cohort = merged.cohort
    rows, width = np.arange(len(cohort.samples)), len(cohort.features)
    sites = {"p0": cohort.take(rows[rows % 3 == 0]), "p1": cohort.take(rows[rows % 3 > 0])}
    sizes = {name: len(site.samples) for name, site in sites.items()}
    plan = plan_filter(len(rows), width, **rules)

    def program(protocol: Any, me: str) -> Any:
        own = {
            name: count_features(site, plan.counted).numbers
            for name, site in sites.items()
            if name == me
        }
        return kept_features(protocol, plan, sizes, own).reveal(KEPT_FEATURES, ["p0"])

    bits = run_parties(program)["p0"]
    return {f"v{cohort.features[place].split(':')[1]}" for place in np.flatnonzero(bits)}


@pytest.mark.parametrize(("missing", "frequency"), [("0.05", "0.01"), ("0.01", "0.2"), ("0", None)])
def test_missing_values_and_frequencies_are_plinks(merged, missing, frequency) -> None:
    rules = {"max_missing": Fraction(missing)}
    options = ["--geno", missing, "--write-snplist"]
    if frequency is not None:
        rules["min_maf"] = Fraction(frequency)
        options += ["--maf", frequency]
    expected = set(merged.run(*options).with_suffix(".snplist").read_text().split())
    assert expected
    assert kept_by_sites(merged, **rules) == expected


def test_equilibrium_is_scipys_and_how_far_that_is_from_the_exact_test(merged, request) -> None:
    lines = merged.run("--hardy").with_suffix(".hwe").read_text().splitlines()
    head = lines[0].split()
    rows = [dict(zip(head, line.split(), strict=True)) for line in lines[1:]]
    rows = [row for row in rows if row["TEST"].startswith("ALL")]
    names = np.array([row["SNP"] for row in rows])
    calls = np.array([row["GENO"].split("/") for row in rows], float)
    samples = calls.sum(1)
    alleles = 2 * calls[:, 0] + calls[:, 1]
    expected = alleles * (2 * samples - alleles)
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = samples * (1 - 2 * samples * calls[:, 1] / expected) ** 2
    p = chi2.sf(np.where(expected > 0, squared, 0.0), 1)
    exact = np.array([float(row["P"]) for row in rows])
    found = []
    for least in (1e-6, 1e-3):
        kept = kept_by_sites(merged, hwe_p=least)
        assert kept == set(names[p >= least])
        by_exact = set(names[exact >= least])
        found.append((len(by_exact - kept), len(kept - by_exact)))
    assert found == DIFFERENT[request.node.callspec.params["merged"]]
