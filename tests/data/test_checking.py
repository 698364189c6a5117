"""What `data check` finds: each oddity planted on its own, and real sets that have some."""

from __future__ import annotations

import gzip
import json
import math
import shutil
import subprocess
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from cohortium.data import (
    Cohort,
    builds_in_words,
    check_cohort,
    concatenate,
    measuring,
    read_cohort,
)
from cohortium.data import values as stored
from cohortium.data.builds import check_build, header_build, header_note, possible_builds
from cohortium.data.equilibrium import exact_test
from cohortium.errors import FeatureError


def cohort(change=None, names=None, samples=40, features=30):
    values = np.random.default_rng(0).normal(7.0, 1.0, (samples, features))
    if change is not None:
        change(values)
    names = names or [f"G{place}" for place in range(features)]
    labels = np.arange(samples) % 2
    return Cohort(values, [f"s{row}" for row in range(samples)], names, labels, "ill", "well")


def test_nothing_odd_is_said_of_what_is_not():
    found = check_cohort(cohort())
    assert found.warnings == ()
    assert (found.samples, found.features, found.classes) == (40, 30, {"ill": 20, "well": 20})
    assert found.missing == 0
    assert found.smallest < 5 < found.median < 9 < found.largest
    assert json.loads(json.dumps(found.facts()))["classes"] == {"ill": 20, "well": 20}


def planted(place, value):
    def change(values):
        values[place] = value

    return change


def doubled(values):
    values[:, 4] = values[:, 9]


def louder(values):
    values[17] += 2.5


def apart(values):
    values[17, ::2] += 9.0
    values[17, 1::2] -= 9.0


def same_sample(values):
    values[5] = values[31]


def unlogged(values):
    np.exp(values, out=values)


@pytest.mark.parametrize(
    ("change", "told", "field", "named"),
    [
        (planted((3, slice(10)), np.nan), "1 sample with more", "mostly_missing_samples", "s3"),
        (planted((slice(9), 5), np.nan), "1 feature with more", "mostly_missing_features", "G5"),
        (planted((slice(None), 8), 3.5), "1 feature with one value", "constant_features", "G8"),
        (louder, "1 sample far from the others by median", "outlying_levels", "s17"),
        (apart, "1 sample far from the others in principal", "outlying_components", "s17"),
        (same_sample, "1 group of samples with the same", "equal_samples", ("s5", "s31")),
        (doubled, "1 group of features with the same", "equal_features", ("G4", "G9")),
        (unlogged, "no logarithm", "notes", None),
    ],
)
def test_what_is_odd_is_named(change, told, field, named):
    found = check_cohort(cohort(change))
    assert [line for line in found.warnings if told in line], found.warnings
    # By chance a changed sample may be a little farther from the others.
    assert not [line for line in found.warnings if told not in line and "far from" not in line]
    if named is not None:
        assert getattr(found, field) == (named,)


def test_genotypes():
    names = [f"1:{place}:{'A:T' if place < 3 else 'C:T'}" for place in range(30)]
    dosages = cohort(lambda v: np.clip(np.rint(v - 6), 0, 2, out=v), names)
    found = check_cohort(dosages)
    assert (found.variants, found.ambiguous_variants, found.swapped_variants) == (30, 3, 27)
    assert [line for line in found.warnings if "3 variants of alleles A/T" in line]
    assert found.outside_variants == ()
    assert not [line for line in found.warnings if "logarithm" in line]
    beyond = check_cohort(cohort(lambda v: np.rint(v, out=v), names))
    assert [line for line in beyond.warnings if "outside 0 to 2" in line]
    assert len(beyond.outside_variants) == 30


def test_a_feature_without_values_and_small_classes():
    found = check_cohort(cohort(planted((slice(None), 2), np.nan), samples=12))
    assert found.mostly_missing_features == ("G2",)
    assert [line for line in found.warnings if "fewer than 10 samples" in line]
    empty = check_cohort(Cohort(np.full((2, 1), np.nan), ["a", "b"], ["g"]))
    assert (empty.smallest, empty.median, empty.classes) == (None, None, {})


def test_real_unlogged_counts(shared):
    folder = shared("tcga_brca_tumor_normal909")
    found = check_cohort(
        read_cohort(
            folder / "X.csv.gz",
            label="label",
            label_file=folder / "labels.tsv",
            positive="Tumor",
        )
    )
    assert found.classes == {"Tumor": 1104, "Normal": 114}
    assert any("no logarithm" in line for line in found.warnings)
    logged = check_cohort(
        read_cohort(shared("golub1999") / "X.csv.gz", orientation="samples_in_rows")
    )
    assert logged.features == 7129


def in_blocks(values):
    values[:, 3] = np.nan
    values[4, 20:] = np.nan
    values[:, 28] = values[:, 1]
    values[12] = values[13]
    louder(values)


@pytest.mark.parametrize("change", [in_blocks, lambda v: np.clip(np.rint(v - 6), 0, 2, out=v)])
def test_blocks_are_no_different(monkeypatch, change):
    whole = check_cohort(cohort(change))
    monkeypatch.setattr(stored, "BLOCK_ELEMENTS", 40 * 7)
    blocks = check_cohort(cohort(change))
    assert blocks.facts() == whole.facts()
    for name in ("components", "levels", "missing_by_sample", "missing_by_feature", "histogram"):
        assert getattr(blocks.measures, name) == pytest.approx(getattr(whole.measures, name))
    assert blocks.equilibrium == pytest.approx(whole.equilibrium)


def test_distributions_of_many_values_are_of_evenly_spaced_features(monkeypatch):
    monkeypatch.setattr(measuring, "_MOST_SAMPLED", 40 * 10)
    monkeypatch.setattr(stored, "BLOCK_ELEMENTS", 40 * 7)
    made = cohort(louder)
    found = check_cohort(made)
    assert found.measures.sampled == 10
    assert found.median == np.median(made.values[:, ::3])
    assert (found.smallest, found.largest) == (made.values.min(), made.values.max())
    assert found.measures.levels == pytest.approx(np.median(made.values[:, ::3], axis=1))


def test_components_are_those_of_a_singular_value_decomposition():
    values = cohort(louder).values
    scaled = (values - values.mean(axis=0)) / values.std(axis=0) / math.sqrt(len(values))
    left, size, _ = np.linalg.svd(scaled, full_matrices=False)
    measures = check_cohort(cohort(louder)).measures
    assert np.abs(measures.components) == pytest.approx(np.abs(left[:, :2] * size[:2]))
    assert measures.explained == pytest.approx(size[:2] ** 2 / (size**2).sum())


def test_one_sample_among_twenty_is_seen():
    # With itself in the deviation it could be no more than 4.3 away.
    assert check_cohort(cohort(apart, samples=20)).outlying_components == ("s17",)


def test_one_person_typed_twice_and_relatives():
    random = np.random.default_rng(3)
    calls = random.binomial(2, random.uniform(0.1, 0.9, 400), (40, 400)).astype(float)
    calls[21] = calls[8]
    calls[21, :8] = np.nan
    calls[30] = np.where(random.random(400) < 0.5, calls[9], calls[30])
    samples, names = [f"s{row}" for row in range(40)], [f"1:{place}:C:T" for place in range(400)]
    found = check_cohort(Cohort(calls, samples, names))
    assert found.alike_samples == (("s8", "s21"),)
    assert any(
        "1 pair of samples with nearly the same genotypes: s8 = s21" in line
        for line in found.warnings
    )
    few = check_cohort(Cohort(calls[:, :90], samples, names[:90]))
    assert few.alike_samples == ()


def test_one_group_among_two_is_no_outlier():
    def two_groups(values):
        values[:9] += np.random.default_rng(1).normal(0, 4, 30)

    assert check_cohort(cohort(two_groups)).outlying_components == ()


def ways(samples, rare, heterozygous):
    """How many of all genotypings with these allele counts have so many heterozygotes."""
    homozygous = (rare - heterozygous) // 2
    return (
        math.comb(samples, heterozygous)
        * math.comb(samples - heterozygous, homozygous)
        * 2**heterozygous
    )


def test_equilibrium_is_that_of_counting():
    rows = [(common, het, rare) for common in range(13) for het in range(13) for rare in range(13)]
    found = exact_test(np.array(rows))
    for (common, het, other), p in zip(rows, found, strict=True):
        samples, rare = common + het + other, het + 2 * min(common, other)
        likely = [ways(samples, rare, each) for each in range(rare % 2, rare + 1, 2)]
        own = ways(samples, rare, het)
        expected = Fraction(sum(each for each in likely if each <= own), sum(likely))
        assert p == pytest.approx(float(expected), rel=1e-9)


def test_equilibrium_and_frequencies_are_plinks(shared, tmp_path):
    plink = shutil.which("plink1.9") or shutil.which("plink")
    if plink is None:
        pytest.skip("PLINK 1.9 is not installed")
    folder = shared("hapmap2_279")
    for suffix in ("bed", "bim", "fam"):
        packed = folder / f"hapmap2_279.{suffix}.gz"
        content = (
            gzip.decompress(packed.read_bytes())
            if packed.exists()
            else packed.with_suffix("").read_bytes()
        )
        (tmp_path / f"set.{suffix}").write_bytes(content)
    command = [plink, "--bfile", tmp_path / "set", "--nonfounders", "--hardy", "--freq"]
    command += ["--allow-no-sex", "--keep-allele-order", "--out", tmp_path / "of"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    made = read_cohort(tmp_path / "set.bed")
    found = check_cohort(made)
    bim = [line.split() for line in (tmp_path / "set.bim").read_text().splitlines()]
    names = {row[1]: f"{row[0]}:{row[3]}:{row[5]}:{row[4]}" for row in bim}
    places = {name: place for place, name in enumerate(made.features)}

    def table(suffix, value):
        lines = (tmp_path / f"of.{suffix}").read_text().splitlines()
        head = lines[0].split()
        rows = [dict(zip(head, line.split(), strict=True)) for line in lines[1:]]
        kept = [row for row in rows if row.get("TEST", "ALL").startswith("ALL")]
        return {names[row["SNP"]]: float(row[value].replace("NA", "nan")) for row in kept}

    equilibrium, frequency = table("hwe", "P"), table("frq", "MAF")
    autosomes = [name for name in equilibrium if name in places and not name.startswith("23:")]
    assert len(autosomes) > 8000
    assert [found.equilibrium[places[name]] for name in autosomes] == pytest.approx(
        [equilibrium[name] for name in autosomes], rel=2e-3
    )
    assert [found.measures.genotypes.frequency[places[name]] for name in autosomes] == (
        pytest.approx([frequency[name] for name in autosomes], abs=1e-4)
    )
    # Ten persons were typed twice, and have nearly the same genotypes.
    twice = [name for name in made.samples if name.endswith(".dup")]
    assert len(twice) == 10
    assert {frozenset(pair) for pair in found.alike_samples} == {
        frozenset((name, name.removesuffix(".dup"))) for name in twice
    }
    assert found.equal_samples == ()
    # Four populations in one file.
    assert len(found.unequal_variants) > 100
    assert all(np.isnan(found.equilibrium[places[name]]) for name in places if name[:3] == "23:")


HEAD = "##fileformat=VCFv4.2\n"


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("", "names no genome build"),
        ("##reference=file:///data/human_g1k_v37.fasta\n", "genome build GRCh37 (hg19), says"),
        ("##reference=hs37d5.fa\n", "genome build GRCh37"),
        ("##reference=human_b36_both.fasta\n", "genome build NCBI36"),
        ("##reference=GRCh38_full_analysis_set.fa\n", "genome build GRCh38"),
        ("##contig=<ID=chr1,length=248956422>\n", "genome build GRCh38"),
        ("##contig=<ID=22,length=51304566,assembly=b37>\n", "genome build GRCh37"),
        ("##contig=<ID=1,length=12>\n##reference=mouse.fa\n", "'mouse.fa': a genome build not"),
        ("##reference=hg19.fa\n##contig=<ID=1,length=248956422>\n", "contradicts itself"),
    ],
)
def test_the_build_that_a_header_tells(header, said):
    assert said in header_note(HEAD + header + "#CHROM\tPOS\n", ["1:100:A:G"])
    # What is told to other sites, and what is not known or contradicts itself.
    build = header_build(HEAD + header)
    assert build == next((each for each in ("NCBI36", "GRCh37", "GRCh38") if each in said), None)


def test_variants_of_another_build_than_the_studys_are_refused():
    def variants(build, *names):
        return replace(cohort(names=list(names), features=len(names)), build=build)

    for build in ("GRCh38", None):
        check_build(variants(build, "22:50000000:A:G"), "GRCh38")
    with pytest.raises(FeatureError, match=r"GRCh38 \(hg38\): its header says GRCh37 \(hg19\)"):
        check_build(variants("GRCh37", "22:50000000:A:G"), "GRCh38")
    with pytest.raises(FeatureError, match="positions beyond the ends"):
        check_build(variants(None, "22:51000000:A:G"), "GRCh38")


def test_positions_rule_builds_out():
    assert len(possible_builds(["1:1000:A:G", "X:999999999:A:G", "rs1"])) == 3
    assert possible_builds(["chr22:51000000:A:G"]) == ("GRCh37 (hg19)",)
    assert possible_builds(["chr22:60000000:A:G"]) == ()
    assert "beyond its chromosomes' ends" in header_note(
        "##reference=GRCh38.fa\n", ["22:51000000:A:G"]
    )
    names = [f"22:{60_000_000 + place}:C:T" for place in range(30)]
    found = check_cohort(cohort(lambda v: np.clip(np.rint(v - 6), 0, 2, out=v), names))
    assert builds_in_words(found).startswith("none that is known here")
    assert any("beyond the ends of chromosomes" in line for line in found.warnings)


def test_genotypes_without_positions_and_off_the_autosomes():
    def calls(values):
        values[:] = np.random.default_rng(2).binomial(2, 0.3, values.shape)
        values[:, 7] = np.arange(len(values)) % 2 * 2  # nobody is heterozygous

    found = check_cohort(cohort(calls))
    assert found.variants == 30
    assert found.unequal_variants == ("G7",)
    names = [f"{'X' if place == 7 else 1}:{place}:C:T" for place in range(30)]
    assert check_cohort(cohort(calls, names)).unequal_variants == ()


def test_a_real_vcf_file(shared):
    read = read_cohort(shared("ceu_exon_vcf") / "CEU_Exon.vcf.gz")
    assert read.build == concatenate([read], source="one").build == "NCBI36"
    found = check_cohort(read)
    assert "genome build NCBI36 (hg18), says the header" in found.notes
    assert found.builds == ("NCBI36 (hg18)",)
    assert len(found.mostly_missing_samples) == 2
    assert found.outlying_components == ("NA12878",)
