"""Broken PLINK sets and VCF files: more than twenty of each are refused, none crashes."""

from __future__ import annotations

import gzip

import pytest
import zstandard
from broken_files import check_refused

from cohortium.data import read_cohort

MAGIC = b"l\x1b\x01"
SET = {
    "bed": MAGIC + b"\x0b\x0b",
    "bim": b"1\trs1\t0\t5\tA\tG\n1\trs2\t0\t6\tC\tT\n",
    "fam": b"f p 0 0 1 1\nf q 0 0 2 2\n",
}
FIRST = b"1\trs1\t0\t5\tA\tG\n"
PLINK = {
    "sample after sample": ({"bed": b"l\x1b\x00\x0b\x0b"}, "variant after variant, and does not"),
    "a .bed of PLINK 2": ({"bed": b"l\x1b\x10\x0b\x0b"}, "does not begin like one"),
    "a genome browser's .bed": ({"bed": b"chr1\t5\t9\n"}, "does not begin like one"),
    "an empty .bed": ({"bed": b""}, "set.bed is empty"),
    "a compressed .bed": ({"bed": gzip.compress(SET["bed"])}, "or compressed"),
    "the .bed's first bytes alone": ({"bed": MAGIC}, "set.bed has 3 bytes"),
    "a .bed cut off": ({"bed": MAGIC + b"\x0b"}, "set.bed has 4 bytes, but 2 samples and 2"),
    "a .bed of more variants": ({"bed": MAGIC + b"\x0b" * 3}, "set.bed has 6 bytes"),
    "no .bim": ({"bim": None}, "needs set.bim beside it"),
    "no .fam": ({"fam": None}, "needs set.fam beside it"),
    "an empty .bim": ({"bim": b""}, "set.bim is empty"),
    "an empty .fam": ({"fam": b"\n"}, "set.fam is empty"),
    "a .bim of five columns": ({"bim": b"1 rs1 5 A G\n1 rs2 6 C T\n"}, "line 1 has 5 fields"),
    "a .bim with a long row": ({"bim": FIRST + b"1 rs2 0 6 C T x\n"}, "line 2 has 7 fields"),
    "a .bim with an empty line": ({"bim": FIRST + b"\n1 rs2 0 6 C T\n"}, "line 2 has 0 fields"),
    "a .bim with commas": ({"bim": b"1,rs1,0,5,A,G\n1,rs2,0,6,C,T\n"}, "line 1 has 1 field,"),
    "a .bim with a header": ({"bim": b"chr id cm pos a1 a2\n" + FIRST}, "position 'pos' is no"),
    "a position in words": ({"bim": FIRST + b"1 rs2 0 x C T\n"}, "set.bim, line 2: the position"),
    "a position in powers": ({"bim": FIRST + b"1 rs2 0 1e6 C T\n"}, "'1e6' is no whole number"),
    "a position of many digits": ({"bim": FIRST + b"1 r 0 " + b"9" * 5000 + b" C T\n"}, "line 2"),
    "a .bim in Latin-1": ({"bim": FIRST + b"1 \xe9 0 6 C T\n"}, "set.bim: line 2 is not UTF-8"),
    "alleles of 0": ({"bim": FIRST.replace(b"A", b"0").replace(b"G", b"0") * 2}, "none has two"),
    "alleles in numbers": ({"bim": b"1 rs1 0 5 1 2\n1 rs2 0 6 3 4\n"}, "none has two alleles"),
    "one allele": ({"bim": b"1 rs1 0 5 A A\n1 rs2 0 6 C C\n"}, "none has two alleles"),
    "one variant twice": ({"bim": FIRST * 2}, "2 variants left out: there more than once"),
    "a .fam of five columns": ({"fam": b"f p 0 0 1\nf q 0 0 2\n"}, "set.fam, line 1 has 5 fields"),
    "a .fam with a zero byte": ({"fam": b"f p 0 0 1 1\nf q 0 0 2 \0\n"}, "line 2 has a zero byte"),
    "a person twice": ({"fam": b"f p 0 0 1 1\n" * 2}, "sample name used more than once: 'f:p'"),
    "a .fam that lost a line": (
        {"fam": b"f p 0 0 1 1\n"},
        "more samples than set.fam, which has 1",
    ),
    "a .fam of more people": ({"fam": b"f p 0 0 1 1\n" * 5}, "set.bed has 5 bytes, but 5 samples"),
}


@pytest.mark.parametrize("fault", PLINK)
def test_plink(write, fault):
    pytest.importorskip("bed_reader")
    change, told = PLINK[fault]
    for suffix, content in {**SET, **change}.items():
        if content is not None:
            write(content, f"set.{suffix}")
    check_refused(write(change.get("bed", SET["bed"]), "set.bed"), told)


def test_odd_sets_that_are_read(write):
    """A BOM, CR LF, a swap of ref and alt at one position, one name in two families."""
    pytest.importorskip("bed_reader")
    write("\ufefff p 0 0 1 1\r\nh p 0 0 2 2\r\n\r\n", "set.fam")
    write("1 rs1 0 5 A G\n1 rs2 0 5 G A\n", "set.bim")
    found = read_cohort(write(SET["bed"], "set.bed"))
    assert found.samples == ("f:p", "h:p")
    assert found.features == ("1:5:G:A", "1:5:A:G")
    assert found.values[:, :].tolist() == [[0, 0], [1, 1]]
    for number in range(1, 10):
        # Whatever their number, bits of further samples are not taken for damage of a whole set.
        write("".join(f"f p{place} 0 0 1 1\n" for place in range(number)), "set.fam")
        row = bytes([0b11_10_00_01] * ((number - 1) // 4)) + bytes(
            [4 ** (1 + (number - 1) % 4) - 1]
        )
        assert read_cohort(write(MAGIC + row * 2, "set.bed")).values.shape == (number, 2)


HEADER = (
    "##fileformat=VCFv4.2\n##contig=<ID=1>\n"
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">\n'
    '##FORMAT=<ID=DS,Number=1,Type=Float,Description="d">\n'
    '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="a">\n'
)
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tp\tq\n"
ROW = "1\t5\t.\tA\tG\t.\t.\t.\tGT\t0/1\t1/1\n"
GOOD = HEADER + COLUMNS + ROW
NEXT = ROW.replace("\t5\t", "\t6\t")
BARE = HEADER + COLUMNS.replace("\tFORMAT\tp\tq", "") + "1\t5\t.\tA\tG\t.\t.\t.\n"
BEFORE, WITHIN = "damaged before its first variant", "damaged in its header"


def dosage(cell):
    return HEADER + COLUMNS + f"1\t5\t.\tA\tG\t.\t.\t.\tDS\t{cell}\t1\n"


VCF = {
    "other facts than genotypes": (GOOD.replace("GT\t0/1\t1/1", "AD\t3,4\t4,4"), "neither calls"),
    "sites without samples": (BARE, "variant 1:5 has neither calls (GT) nor dosages (DS)"),
    "no variants": (HEADER + COLUMNS, "2 samples and 0 variants"),
    "no line of columns": (HEADER + ROW, WITHIN),
    "the header alone": (HEADER, WITHIN),
    "cut in its header": (GOOD[:40], WITHIN),
    "cut in a row": ((GOOD + NEXT)[:-8], "damaged after variant 1:5"),
    "a short row": (GOOD + NEXT.replace("\t1/1", ""), "damaged after variant 1:5"),
    "spaces for tabs": (GOOD.replace("\t", " "), WITHIN),
    "commas for tabs": (HEADER + (COLUMNS + ROW).replace("\t", ","), WITHIN),
    "a sample twice": (GOOD.replace("\tq\n", "\tp\n"), WITHIN),
    "a sample without name": (GOOD.replace("\tp\t", "\t\t"), WITHIN),
    "a position in words": (GOOD.replace("\t5\t", "\tx\t"), BEFORE),
    "a negative position": (GOOD.replace("\t5\t", "\t-5\t"), BEFORE),
    "letters for calls": (GOOD.replace("0/1", "A/G"), BEFORE),
    "an empty call": (GOOD.replace("0/1", ""), BEFORE),
    "an unknown base": (GOOD.replace("\tA\t", "\tN\t"), "alleles other than of A, C, G and T"),
    "one allele": (GOOD.replace("\tG\t", "\tA\t"), "alleles other than of A, C, G and T"),
    "a deleted allele": (GOOD.replace("\tG\t", "\t*\t"), "alleles other than of A, C, G and T"),
    "blocks of a gVCF": (GOOD.replace("\tG\t", "\t<NON_REF>\t"), "1 variant left out"),
    "several alternatives": (GOOD.replace("\tG\t", "\tG,T\t"), "bcftools norm -m-"),
    "one variant twice": (GOOD + ROW, "2 variants left out: there more than once"),
    "only an empty line": (HEADER + COLUMNS + "\n\n1\n", "x.vcf"),
    "a dosage of 3": (dosage("3"), "variant 1:5 has a dosage outside 0 to 2"),
    "a negative dosage": (dosage("-1"), "variant 1:5 has a dosage outside 0 to 2"),
    "an infinite dosage": (dosage("inf"), "variant 1:5 has a dosage outside 0 to 2"),
    "a dosage in words": (dosage("high"), BEFORE),
    "a dosage with a decimal comma": (dosage("0,5"), "variant 1:5 has 2 dosages (DS)"),
    "Latin-1": (GOOD.replace("\tp\t", "\té\t").encode("latin-1"), WITHIN),
    "UTF-16": (GOOD.encode("utf-16"), "does not begin like one"),
    "a zero byte": (GOOD.replace("\tA\t", "\t\0\t"), BEFORE),
    "gzip cut off": (gzip.compress(GOOD.encode())[:-12], "x.vcf"),
    "zstd": (zstandard.compress(GOOD.encode()), "does not begin like one"),
    "a ZIP archive": (b"PK\x03\x04abc", "does not begin like one"),
    "BCF without more": (b"BCF\x02\x02\0\0\0\0", WITHIN),
    "BCF with a header beyond memory": (b"BCF\x02\x02\xff\xff\xff\x7fabc", WITHIN),
    "the old BCF": (b"BCF\x04abc", "does not begin like one"),
}


@pytest.mark.parametrize("fault", VCF)
def test_vcf(write, capfd, fault):
    pytest.importorskip("cyvcf2")
    check_refused(write(VCF[fault][0], "x.vcf"), VCF[fault][1])
    assert capfd.readouterr() == ("", "")


def test_an_empty_line_within_a_vcf_is_no_variant(write):
    pytest.importorskip("cyvcf2")
    for between in ("\n", "# a remark\n"):
        found = read_cohort(write(GOOD + between + NEXT, "x.vcf"))
        assert found.features == ("1:5:A:G", "1:6:A:G")


def test_each_reader_of_genotypes_meets_more_than_twenty():
    assert min(len(PLINK), len(VCF)) > 20
