"""Every format: a real set written in it or shipped in it reads back; twenty broken ones do not."""

from __future__ import annotations

import gzip
import shutil
import sys
import zipfile

import numpy as np
import polars as pl
import pytest
import zstandard

from cohortium.data import read_cohort
from cohortium.errors import CohortiumError, DataFileError, DataValueError, FeatureError, LabelError

HEADER = "##fileformat=VCFv4.2\n##contig=<ID=1>\n"
FORMATS = (
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">\n'
    '##FORMAT=<ID=DS,Number=1,Type=Float,Description="d">\n'
)
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tp\tq\n"


@pytest.fixture(scope="module")
def golub(shared):
    """Golub's leukaemia samples as a site's table has them, with the label in a file."""
    folder = shared("golub1999")
    labels = folder / "labels.tsv"
    cohort = read_cohort(
        folder / "X.csv.gz", label="label", label_file=labels, positive="AML", negative="ALL"
    )
    return cohort, labels


def same(cohort, golub, **read):
    expected, labels = golub
    if "label" not in read:
        read |= {"label": "label", "label_file": labels}
    found = read_cohort(cohort, positive="AML", negative="ALL", **read)
    assert found.samples == expected.samples
    assert found.features == expected.features
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.labels, expected.labels)
    return found


def words(cohort):
    return ["AML" if label else "ALL" for label in cohort.labels]


def test_parquet_and_zstd(golub, tmp_path):
    cohort, _ = golub
    columns = {"sample": list(cohort.samples), "label": words(cohort)}
    columns |= dict(zip(cohort.features, cohort.values.T, strict=True))
    frame = pl.DataFrame(columns)
    frame.write_parquet(tmp_path / "golub.parquet")
    same(tmp_path / "golub.parquet", golub, label="label")
    text = frame.write_csv().encode()
    (tmp_path / "golub.csv.zst").write_bytes(zstandard.compress(text))
    same(tmp_path / "golub.csv.zst", golub, label="label")
    two = zstandard.compress(text[:1000]) + zstandard.compress(text[1000:])
    (tmp_path / "frames.zst").write_bytes(two)
    same(tmp_path / "frames.zst", golub, label="label")


def test_npz(golub, tmp_path):
    cohort, _ = golub
    arrays = {"samples": cohort.samples, "features": cohort.features, "kind": words(cohort)}
    np.savez_compressed(tmp_path / "golub.npz", values=cohort.values, **arrays)
    same(tmp_path / "golub.npz", golub, label="kind")
    same(tmp_path / "golub.npz", golub)


def test_h5ad(golub, tmp_path):
    anndata = pytest.importorskip("anndata")
    scipy_sparse = pytest.importorskip("scipy.sparse")
    pandas = pytest.importorskip("pandas")
    cohort, _ = golub
    obs = pandas.DataFrame({"kind": words(cohort)}, index=list(cohort.samples))
    var = pandas.DataFrame(index=list(cohort.features))
    for name, matrix in (
        ("dense", cohort.values),
        ("sparse", scipy_sparse.csr_matrix(cohort.values)),
    ):
        anndata.AnnData(matrix, obs, var).write_h5ad(tmp_path / f"{name}.h5ad")
        same(tmp_path / f"{name}.h5ad", golub, label="kind")
    with pytest.raises(LabelError, match=r"dense\.h5ad tells no 'knid'") as caught:
        read_cohort(tmp_path / "dense.h5ad", label="knid", positive="AML")
    assert "'kind'" in caught.value.remedy


def gct(cohort, version="#1.2"):
    rows = [
        "\t".join([gene, "na", *map(repr, column.tolist())])
        for gene, column in zip(cohort.features, cohort.values.T, strict=True)
    ]
    header = "\t".join(["Name", "Description", *cohort.samples])
    genes, samples = len(cohort.features), len(cohort.samples)
    if version == "#1.2":
        return "\n".join([version, f"{genes}\t{samples}", header, *rows, ""])
    about = "\t".join(["kind", "-666", *words(cohort)])
    return "\n".join([version, f"{genes}\t{samples}\t1\t1", header, about, *rows, ""])


def test_gct(golub, tmp_path):
    cohort, _ = golub
    (tmp_path / "golub.gct").write_text(gct(cohort))
    same(tmp_path / "golub.gct", golub)
    (tmp_path / "golub13.gct").write_bytes(gzip.compress(gct(cohort, "#1.3").encode()))
    same(tmp_path / "golub13.gct", golub, label="kind")


def series_matrix(cohort):
    kinds = [f'"disease: {word}"' for word in words(cohort)]
    # One line of characteristics mixes keys.
    ages = ['"age: 40"' if row % 2 else '"tissue: blood"' for row in range(len(kinds))]
    samples = [f'"{sample}"' for sample in cohort.samples]
    rows = [
        "\t".join([f'"{gene}"', *map(repr, column.tolist())])
        for gene, column in zip(cohort.features, cohort.values.T, strict=True)
    ]
    return "\n".join(
        [
            '!Series_title\t"Leukaemia"',
            "",
            "\t".join(["!Sample_geo_accession", *samples]),
            "\t".join(["!Sample_characteristics_ch1", *kinds]),
            "\t".join(["!Sample_characteristics_ch1", *ages]),
            "!series_matrix_table_begin",
            "\t".join(['"ID_REF"', *samples]),
            *rows,
            "!series_matrix_table_end",
            "",
        ]
    )


def test_series_matrix(golub, tmp_path):
    (tmp_path / "GSE1_series_matrix.txt.gz").write_bytes(
        gzip.compress(series_matrix(golub[0]).encode())
    )
    same(tmp_path / "GSE1_series_matrix.txt.gz", golub, label="disease")
    same(tmp_path / "GSE1_series_matrix.txt.gz", golub)


@pytest.fixture(scope="module")
def hapmap(shared, tmp_path_factory):
    folder, copy = shared("hapmap2_279"), tmp_path_factory.mktemp("plink")
    for suffix in ("bed", "fam"):
        shutil.copy(folder / f"hapmap2_279.{suffix}", copy)
    with gzip.open(folder / "hapmap2_279.bim.gz") as packed:
        (copy / "hapmap2_279.bim").write_bytes(packed.read())
    shutil.copy(folder / "labels.tsv", copy)
    return copy


def test_plink(hapmap):
    bed_reader = pytest.importorskip("bed_reader")
    found = read_cohort(
        hapmap / "hapmap2_279.bed",
        label="pop.group",
        label_file=hapmap / "labels.tsv",
        positive="YRI",
        negative="CEU",
    )
    with bed_reader.open_bed(hapmap / "hapmap2_279.bed") as bed:
        everyone, people = bed.read(dtype="float64"), list(bed.iid)
        first = f"{bed.chromosome[0]}:{bed.bp_position[0]}:{bed.allele_2[0]}:{bed.allele_1[0]}"
    assert found.features[0] == first == "1:1355433:T:G"
    assert len(found.samples) == 185
    assert any("2 variants left out: there more than once" in note for note in found.notes)
    assert len(found.features) == everyone.shape[1] - 2
    rows = [people.index(sample) for sample in found.samples]
    # The variants that are there twice stand after the first thousand.
    np.testing.assert_array_equal(found.values[:, :1000], everyone[rows, :1000])
    read = found.values[:, :]
    assert set(np.unique(read[~np.isnan(read)])) == {0.0, 1.0, 2.0}


def test_vcf(shared, tmp_path):
    cyvcf2 = pytest.importorskip("cyvcf2")
    path = shared("ceu_exon_vcf") / "CEU_Exon.vcf.gz"
    found = read_cohort(path)
    assert len(found.samples) == 90
    variant = next(iter(cyvcf2.VCF(str(path), gts012=True)))
    calls = np.where(variant.gt_types == 3, np.nan, variant.gt_types)
    np.testing.assert_array_equal(found.values[:, 0], calls)
    assert found.features[0] == "1:1105366:T:C"
    # Counted by hand in the text: alternative alleles of each call.
    with gzip.open(path, "rt") as file:
        line = next(line for line in file if line.startswith("1\t1105411\t"))
    by_hand = [
        np.nan if "." in cell.split(":")[0] else cell.split(":")[0].count("1")
        for cell in line.rstrip("\n").split("\t")[9:]
    ]
    np.testing.assert_array_equal(found.values[:, 1], by_hand)


def test_dosages_and_variants_that_are_left_out(tmp_path):
    pytest.importorskip("cyvcf2")
    rows = (
        "1\t5\t.\tA\tG\t.\t.\t.\tDS\t0.25\t1.5\n"
        "1\t6\t.\tA\tG,T\t.\t.\t.\tDS\t0.25\t1.5\n"
        "1\t7\t.\tA\t<DEL>\t.\t.\t.\tDS\t0.25\t1.5\n"
        "1\t8\t.\tAT\tA\t.\t.\t.\tGT\t0/1\t./.\n"
    )
    path = tmp_path / "few.vcf"
    path.write_text(HEADER + FORMATS + COLUMNS + rows)
    found = read_cohort(path)
    assert found.features == ("1:5:A:G", "1:8:AT:A")
    np.testing.assert_allclose(found.values, [[0.25, 1.0], [1.5, np.nan]])
    assert any("1 variant left out: several alternative alleles" in note for note in found.notes)
    assert any("1 variant left out: alleles other" in note for note in found.notes)


def bed(folder, name="set", *, magic=b"l\x1b\x01", bim="1 rs1 0 5 A G\n1 rs2 0 6 C T\n", rows=2):
    (folder / f"{name}.bed").write_bytes(magic + b"\x0b\x0b"[:rows])
    (folder / f"{name}.fam").write_text("f p 0 0 1 1\nf q 0 0 2 2\n")
    if bim is not None:
        (folder / f"{name}.bim").write_text(bim.replace(" ", "\t"))
    return folder / f"{name}.bed"


def npz(folder, **arrays):
    np.savez(folder / "x.npz", **arrays)
    return folder / "x.npz"


def file(folder, content, name="x"):
    data = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(data)
    return folder / name


def workbook(folder):
    with zipfile.ZipFile(folder / "x.csv", "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return folder / "x.csv"


NAMES = {"samples": ["p", "q"], "features": ["g"]}
GCT = "#1.2\n2\t2\nName\tDescription\tp\tq\ng\tx\t1\t2\nh\tx\t3\t4\n"
MATRIX = (
    '!Sample_title\t"p"\t"q"\n!series_matrix_table_begin\n"ID_REF"\t"p"\t"q"\n"g"\t1\t2\n'
    "!series_matrix_table_end\n"
)
ZSTD = zstandard.compress(b"id,g\np,1\nq,2\n" * 50)
BROKEN = {
    "a workbook with another name": (workbook, DataFileError, "Excel workbook"),
    "zstd cut off": (lambda f: file(f, ZSTD[:-9]), DataFileError, "cut off"),
    "zstd damaged": (
        lambda f: file(f, ZSTD[:6] + b"\xff\xff\xff" + ZSTD[9:]),
        DataFileError,
        "zstd data",
    ),
    "parquet cut off": (lambda f: file(f, b"PAR1abc"), DataFileError, "as a Parquet table"),
    "h5ad that is text": (lambda f: file(f, "\x89HDF\n"), CohortiumError, "x"),
    "hdf5 that is none": (lambda f: file(f, b"\x89HDF\r\n\x1a\n0"), DataFileError, "AnnData file"),
    "npz without samples": (lambda f: npz(f, values=[[1.0]]), DataFileError, "no array samples"),
    "npz with objects": (
        lambda f: npz(f, values=np.array([[object()]]), **NAMES),
        DataFileError,
        "as NumPy arrays",
    ),
    "npz of one dimension": (
        lambda f: npz(f, values=[1.0], **NAMES),
        DataValueError,
        "not a table of numbers",
    ),
    "npz of another size": (
        lambda f: npz(f, values=[[1.0, 2.0]] * 2, **NAMES),
        DataValueError,
        "the values have shape",
    ),
    "npz with infinity": (
        lambda f: npz(f, values=[[np.inf], [1.0]], **NAMES),
        DataValueError,
        "is infinite",
    ),
    "gct cut off": (
        lambda f: file(f, GCT.rsplit("h\t", 1)[0]),
        DataFileError,
        "line 2 says 2 genes × 2 samples, but the table has 1 × 2",
    ),
    "gct without sizes": (
        lambda f: file(f, GCT.replace("2\t2", "two", 1)),
        DataFileError,
        "line 2: 2 whole numbers",
    ),
    "gct with a word": (
        lambda f: file(f, GCT.replace("3\t4", "3\thigh")),
        DataValueError,
        "line 5, column 'q' (number 4): 'high' is not a number",
    ),
    "gct with decimal commas": (
        lambda f: file(f, GCT.replace("3\t4", "3\t4,5")),
        DataValueError,
        "'4,5' is not a number",
    ),
    "gct with a gene twice": (
        lambda f: file(f, GCT.replace("h\tx", "g\tx")),
        FeatureError,
        "'g' in lines 4 and 5",
    ),
    "series matrix cut off": (
        lambda f: file(f, MATRIX.split("!series_matrix_table_end")[0]),
        DataFileError,
        "no line !series_matrix_table_end",
    ),
    "series matrix without a table": (
        lambda f: file(f, MATRIX.replace('"ID_REF"\t"p"\t"q"\n"g"\t1\t2\n', "")),
        DataFileError,
        "without rows",
    ),
    "series matrix with a ragged row": (
        lambda f: file(f, MATRIX.replace('"g"\t1\t2', '"g"\t1')),
        DataValueError,
        "line 4 has 2 cells",
    ),
    "series matrix about other samples": (
        lambda f: file(f, MATRIX.replace('e\t"p"\t"q"', 'e\t"p"', 1)),
        DataFileError,
        "tells of 1 sample",
    ),
    "bed without bim": (
        lambda f: bed(f, bim=None),
        DataFileError,
        "needs set.bim beside it",
    ),
    "bed cut off": (
        lambda f: bed(f, rows=1),
        DataFileError,
        "set.bed has 4 bytes, but 2 samples and 2 variants, as its .fam and .bim have them, take 5",
    ),
    "bed in the old order": (
        lambda f: bed(f, magic=b"l\x1b\x02"),
        CohortiumError,
        "set.bed",
    ),
    "bed of a genome browser": (
        lambda f: file(f, "chr1\t5\t9\ng2\t7\nx", "x.bed"),
        CohortiumError,
        "x.bed",
    ),
    "bim without alleles": (
        lambda f: bed(f, bim="1 rs1 0 5 0 G\n1 rs2 0 6 C <DEL>\n"),
        FeatureError,
        "of 2 variants none has two alleles of A, C, G and T: 'rs1', 'rs2'",
    ),
    "vcf without genotypes": (
        lambda f: file(f, HEADER + FORMATS + COLUMNS + "1\t5\t.\tA\tG\t.\t.\t.\tAD\t3\t4\n"),
        CohortiumError,
        "x",
    ),
    "vcf without variants": (lambda f: file(f, HEADER + COLUMNS), DataFileError, "0 variants"),
    "vcf cut off in its header": (lambda f: file(f, HEADER), DataFileError, "VCF or BCF"),
    "vcf with a dosage of 3": (
        lambda f: file(f, HEADER + FORMATS + COLUMNS + "1\t5\t.\tA\tG\t.\t.\t.\tDS\t3\t1\n"),
        DataValueError,
        "variant 1:5 has a dosage outside 0 to 2",
    ),
    "vcf of one sample twice": (
        lambda f: file(
            f,
            HEADER + FORMATS + COLUMNS.replace("q", "p") + "1\t5\t.\tA\tG\t.\t.\t.\tGT\t0/0\t0/1\n",
        ),
        CohortiumError,
        "x",
    ),
}


# What was read without a word, or ended in a traceback, before it had a message.
FOUND_LATER = {
    "h5ad that is text": ("a.h5ad", "not\n", DataFileError, "is named as an AnnData file"),
    "intervals": ("u.bed", "chr1\t1\t2\nchr1\t3\t4\n", DataFileError, "a PLINK 1 .bed file"),
    "sample-major": ("s.bed", b"l\x1b\x00\x00", DataFileError, "variant after variant"),
    "vcf without first line": ("v.vcf", "#CHROM\tPOS\n1\t2\n", DataFileError, "as a VCF file"),
    "npz cut off": ("c.npz", b"PK\x03\x04abc", DataFileError, "not a zip file"),
    "bed compressed": ("b.bed.gz", gzip.compress(b"l\x1b\x01"), DataFileError, "compressed"),
    "genes that are dates": ("e.csv", "id,1-Mar,TP53\na,1,2\n", FeatureError, "'1-Mar'"),
    "genes that are days": ("e.csv", "id,2001-09-02\na,1\n", FeatureError, "'2001-09-02'"),
    "two separators": (
        "m.tsv",
        "id\tg\th\na\t1\t2\nb,3,4\n",
        DataValueError,
        "line 3 is separated by commas, the header by tabs",
    ),
    "a dash": ("d.csv", "id,g\na,-\n", DataValueError, "Write NA where the value is missing"),
    "gct with a short row about samples": (
        "g.gct",
        "#1.3\n1\t2\t1\t1\nid\tDesc\ta\tb\ny\tna\tt\ng\td\t1\t2\n",
        DataFileError,
        "line 4 has 3 cells where the header has 4",
    ),
    "gct without a table": ("g.gct", "#1.2\n0\t0\n", DataFileError, "no table after line 2"),
}


@pytest.mark.parametrize("what", FOUND_LATER)
def test_further_broken_files_are_refused_in_our_words(tmp_path, what):
    name, content, kind, told = FOUND_LATER[what]
    if what == "bed compressed":
        pytest.importorskip("bed_reader")
    with pytest.raises(kind) as caught:
        read_cohort(file(tmp_path, content, name), orientation="samples_in_rows")
    assert name in caught.value.what
    assert told in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"samples": np.array("p")}, "samples is not a list of names"),
        ({"samples": np.array([b"\xff", b"q"])}, "samples has names that are not UTF-8"),
        ({"samples": ["", "q"]}, "sample number 1 has no name"),
        ({"values": [[1j], [2]]}, "not a table of numbers"),
    ],
)
def test_npz_names_and_numbers(tmp_path, change, told):
    arrays = {"values": [[1.0], [2.0]], **NAMES}
    with pytest.raises(DataValueError, match=told):
        read_cohort(npz(tmp_path, **{**arrays, **change}))
    assert read_cohort(npz(tmp_path, **{**arrays, "samples": [b"p", b"q"]})).samples == ("p", "q")


def test_a_call_with_a_missing_allele_is_missing(tmp_path):
    pytest.importorskip("cyvcf2")
    row = "1\t5\t.\tA\tG\t.\t.\t.\tGT\t./1\t1|0\n"
    found = read_cohort(file(tmp_path, HEADER + FORMATS + COLUMNS + row))
    np.testing.assert_array_equal(found.values, [[np.nan], [1.0]])


def test_a_variant_of_other_alleles_is_left_out_and_counted(tmp_path):
    pytest.importorskip("bed_reader")
    found = read_cohort(bed(tmp_path, bim="1 rs1 0 5 0 G\n1 rs2 0 6 C T\n"))
    other = read_cohort(bed(tmp_path, bim="1 rs1 0 5 A G\n1 rs2 0 6 C T\n"))
    assert found.features == ("1:6:T:C",)
    np.testing.assert_array_equal(found.values, other.values[:, [1]])
    assert found.notes == ("1 variant left out: alleles other than of A, C, G and T",)


def test_one_variant_without_position_does_not_rename_the_others(tmp_path):
    pytest.importorskip("bed_reader")
    found = read_cohort(bed(tmp_path, bim="0 rs1 0 0 A G\n1 rs2 0 6 C T\n"))
    assert found.features == ("1:6:T:C",)
    assert found.values.shape == (2, 1)
    assert found.notes == ("1 variant left out: without a position",)
    assert read_cohort(bed(tmp_path, bim="0 rs1 0 0 A G\n0 rs2 0 0 C T\n")).features == (
        "rs1",
        "rs2",
    )


def test_cohorts_of_nobody_are_refused(tmp_path):
    pytest.importorskip("bed_reader")
    path = bed(tmp_path)
    path.with_suffix(".fam").write_text("")
    path.write_bytes(b"l\x1b\x01")
    with pytest.raises(DataFileError, match=r"set\.fam is empty"):
        read_cohort(path)
    row = "1\t5\t.\tA\tG\t.\t.\t.\tGT\t0/1\t1|0\n"
    pytest.importorskip("cyvcf2")
    with pytest.raises(DataFileError, match=r"0 variants to train on \(2 variants left out"):
        read_cohort(file(tmp_path, HEADER + FORMATS + COLUMNS + row * 2))


@pytest.mark.parametrize(
    "about", ['"length of 5""', '"' + "GSM1000000 " * 13000 + '"'], ids=["quotes", "long"]
)
def test_what_people_wrote_into_a_series_matrix_may_be_anything(tmp_path, about):
    about = f'!Series_summary\t{about}\n!Sample_characteristics_ch1\t"er: pos"\t"er: neg"\n'
    text = about + MATRIX.replace('"g"\t1\t2', '"g"\t1\t#N/A')
    found = read_cohort(file(tmp_path, text), label="er", positive="pos")
    assert found.labels.tolist() == [1, 0]
    np.testing.assert_array_equal(found.values, [[1.0], [np.nan]])


def test_parquet_of_pandas_has_the_names_last(tmp_path):
    frame = pl.DataFrame({"g": [1.0, 2.0], "h": [3, 4], "__index_level_0__": ["p", "q"]})
    frame.write_parquet(tmp_path / "x.parquet")
    found = read_cohort(tmp_path / "x.parquet", orientation="samples_in_rows")
    assert (found.samples, found.features) == (("p", "q"), ("g", "h"))
    assert found.values.tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize("what", BROKEN)
def test_broken_files_are_refused_in_our_words(tmp_path, what):
    make, kind, told = BROKEN[what]
    if "vcf" in what:
        pytest.importorskip("cyvcf2")
    if "bed" in what or "bim" in what:
        pytest.importorskip("bed_reader")
    if "hdf5" in what:
        pytest.importorskip("anndata")
    path = make(tmp_path)
    with pytest.raises(kind) as caught:
        read_cohort(path, orientation="samples_in_rows")
    assert path.name in str(caught.value) or path.with_suffix(".bim").name in str(caught.value)
    assert told in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("library", "extra", "content"),
    [
        ("anndata", "h5ad", b"\x89HDF\r\n\x1a\n"),
        ("cyvcf2", "vcf", HEADER.encode()),
        ("bed_reader", "plink", b"l\x1b\x01"),
    ],
)
def test_a_library_that_is_missing_is_named(tmp_path, monkeypatch, library, extra, content):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(DataFileError, match=f"needs the library {library}") as caught:
        read_cohort(file(tmp_path, content, "x.bed"))
    assert f"pip install 'cohortium[{extra}]'" in caught.value.remedy
