"""PLINK and VCF files as people have them: long alleles, cut files, one message and no other."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from cohortium.data import read_cohort
from cohortium.data.gathering import Filed
from cohortium.errors import DataFileError

HEADER = (
    "##fileformat=VCFv4.2\n##contig=<ID=1>\n"
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">\n'
    '##FORMAT=<ID=DS,Number=1,Type=Float,Description="d">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tp\tq\n"
)
READ = "import sys, cohortium.data as data; data.read_cohort(sys.argv[1])"


def variants(count, cells="GT\t0/1\t1/1"):
    return "".join(f"1\t{place}\t.\tA\tG\t.\t.\t.\t{cells}\n" for place in range(1, count + 1))


def vcf(path, mode):
    """Return the path, written by htslib: 40,000 variants take several of bgzip's blocks."""
    cyvcf2 = pytest.importorskip("cyvcf2")
    plain = path.with_name("plain.vcf")
    plain.write_text(HEADER + variants(40_000))
    reader = cyvcf2.VCF(str(plain))
    writer = cyvcf2.Writer(str(path), reader, mode)
    for variant in reader:
        writer.write_record(variant)
    writer.close()
    return path


def blocks(content):
    """Return where bgzip's blocks begin."""
    starts = [0]
    while starts[-1] < len(content):
        place = starts[-1] + 16
        starts.append(starts[-1] + int.from_bytes(content[place : place + 2], "little") + 1)
    return starts


def test_the_set_with_an_allele_of_296_kilobases(shared, tmp_path):
    pytest.importorskip("bed_reader")
    folder = shared("kg_phase1_chr22")
    for suffix in ("bed", "bim"):
        packed = gzip.decompress((folder / f"kg_phase1_chr22.{suffix}.gz").read_bytes())
        (tmp_path / f"kg.{suffix}").write_bytes(packed)
    shutil.copy(folder / "kg_phase1_chr22.fam", tmp_path / "kg.fam")
    cohort = read_cohort(
        tmp_path / "kg.bed",
        label="superpop",
        label_file=folder / "labels.tsv",
        positive="AFR",
        negative="EUR",
    )
    assert cohort.values.shape == (625, 19_771)
    assert max(map(len, cohort.features)) > 296_000
    assert cohort.notes[0] == "2 variants left out: alleles other than of A, C, G and T"
    assert int(cohort.labels.sum()) == 246
    assert set(np.unique(cohort.values[:, 5000:5100])) == {0.0, 1.0, 2.0}


def test_one_long_allele_among_many_variants(tmp_path):
    """As wide as the longest, all alleles would take hundreds of gigabytes."""
    pytest.importorskip("bed_reader")
    count, allele = 20_000, "ACGT" * 100_000
    lines = [f"1 rs{place} 0 {place} A G" for place in range(1, count)]
    (tmp_path / "set.bim").write_text("\n".join([*lines, f"1 long 0 {count} {allele} A", ""]))
    (tmp_path / "set.fam").write_text("f p 0 0 1 1\nf q 0 0 0 -9\ng p 0 0 x 2\n")
    calls = np.full(count, 0b00_00_10_11, np.uint8)
    (tmp_path / "set.bed").write_bytes(b"l\x1b\x01" + calls.tobytes())
    cohort = read_cohort(tmp_path / "set.bed")
    assert cohort.features[-1] == f"1:{count}:A:{allele}"
    assert cohort.samples == ("f:p", "f:q", "g:p")
    assert cohort.values[:, -1].tolist() == [0.0, 1.0, 2.0]


def test_columns_of_a_fam(tmp_path):
    pytest.importorskip("bed_reader")
    (tmp_path / "set.bim").write_text("1\trs1\t0\t5\tA\tG\r\n")
    (tmp_path / "set.fam").write_text("f p 0 0 1 1\r\nf q 0 0 2 2\r\nf r 0 0 other -9\r\n")
    (tmp_path / "set.bed").write_bytes(b"l\x1b\x01\x0b")
    cohort = read_cohort(
        tmp_path / "set.bed", label="phenotype", positive="2", missing_label="drop"
    )
    assert (cohort.samples, cohort.labels.tolist()) == (("p", "q"), [0, 1])
    sexes = read_cohort(tmp_path / "set.bed", label="sex", positive="2", missing_label="drop")
    assert sexes.samples == ("p", "q")


@pytest.mark.parametrize("beyond", [False, True])
def test_a_variant_with_dosages_alone_makes_all_of_them_dosages(tmp_path, monkeypatch, beyond):
    pytest.importorskip("cyvcf2")
    if beyond:
        monkeypatch.setattr("cohortium.data.gathering.MOST_IN_MEMORY", 4)
        monkeypatch.setattr("cohortium.data.gathering._HELD", 4)
    path = tmp_path / "x.vcf"
    more = "1\t5\t.\tA\tG\t.\t.\t.\tDS\t0.25\t.\n1\t6\t.\tA\tG\t.\t.\t.\tGT\t./.\t0/0\n"
    path.write_text(HEADER + variants(3) + more)
    cohort = read_cohort(path)
    expected = [[1, 1, 1, 0.25, np.nan], [2, 2, 2, np.nan, 0]]
    np.testing.assert_array_equal(cohort.values[:, :], expected)
    assert isinstance(cohort.values._variants, Filed) == beyond


@pytest.mark.parametrize(("name", "mode"), [("x.vcf.gz", "wz"), ("x.bcf", "wb")])
def test_cut_files_have_one_message_and_it_is_ours(tmp_path, name, mode):
    """htslib writes to standard error by itself: seen from outside, as a user sees it."""
    path = vcf(tmp_path / name, mode)
    assert read_cohort(path).values.shape == (2, 40_000)
    whole = path.read_bytes()
    _, between, *_, last, _, _ = blocks(whole)
    damaged = whole[: last + 100] + b"\xaa" * 50 + whole[last + 150 :]
    for content, told in (
        (whole[:-28], "does not end as bgzip ends a file: it is cut off"),
        (whole[:between], "does not end as bgzip ends a file: it is cut off"),
        (damaged, "breaks off or is damaged after variant 1:"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataFileError, match=f"{name} .*{told}"):
            read_cohort(path)
    ended = subprocess.run(
        [sys.executable, "-c", READ, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "CYVCF2_HTSLIB_LOG_LEVEL": "3"},
    )
    assert ended.returncode == 1
    assert told in ended.stderr.rstrip().splitlines()[-1]
    assert "[E::" not in ended.stderr
    assert "[W::" not in ended.stderr


@pytest.mark.parametrize("packed", [False, True])
def test_a_text_vcf_that_breaks_off_says_where(tmp_path, capfd, packed):
    pytest.importorskip("cyvcf2")
    content = (HEADER + variants(5)).encode()[:-8]
    path = tmp_path / "x.vcf"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataFileError, match=r"damaged after variant 1:4\."):
        read_cohort(path)
    assert capfd.readouterr() == ("", "")


def test_a_real_file_as_bcf_is_read_as_the_text(shared, tmp_path):
    cyvcf2 = pytest.importorskip("cyvcf2")
    source = shared("ceu_exon_vcf") / "CEU_Exon.vcf.gz"
    reader = cyvcf2.VCF(str(source))
    for chromosome in [*map(str, range(1, 23)), "X", "Y"]:
        # The file declares none, and BCF refers to them by number.
        reader.add_to_header(f"##contig=<ID={chromosome}>")
    writer = cyvcf2.Writer(str(tmp_path / "ceu.bcf"), reader, "wb")
    for variant in reader:
        writer.write_record(variant)
    writer.close()
    text, binary = read_cohort(source), read_cohort(tmp_path / "ceu.bcf")
    assert binary.values.shape[0] == 90
    assert (binary.samples, binary.features) == (text.samples, text.features)
    np.testing.assert_array_equal(binary.values, text.values)
