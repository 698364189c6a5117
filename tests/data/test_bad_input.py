"""Each thing that can be wrong with a file: what is said, where it is, and the remedy."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from cohortium.data import read_cohort, read_idash
from cohortium.errors import (
    DataFileError,
    DataValueError,
    FeatureError,
    LabelError,
    ParameterError,
)

GOOD = "id,g1,g2,y\na,1,2,t\nb,3,4,n\nc,5,6,t\n"
ZIPPED = gzip.compress(GOOD.encode() * 50)


def refusal(kind, path, **arguments):
    with pytest.raises(kind) as caught:
        read_cohort(path, **{"label": "y", "positive": "t", **arguments})
    assert type(caught.value) is kind
    return caught.value


@pytest.mark.parametrize(
    ("content", "what", "remedy"),
    [
        ("", "expr.csv is empty", "copied completely"),
        ("\n \n", "is empty", "copied completely"),
        (gzip.compress(b""), "is empty", "copied completely"),
        ("id,g1,y\n", "a header and no rows", "copied completely"),
        ("\nid,g\na,1\n", "line 1 is empty, where the header", "Delete"),
        ("id\na\n", "one column only", "separated by tabs"),
        (ZIPPED[:-20], "cut off", "again"),
        (ZIPPED[:5], "cut off", "again"),
        (ZIPPED[:30] + b"xxxx" + ZIPPED[34:], "damaged gzip", "again"),
        (b"\x1f\x8b" + b"zzzzzzzzzzzzzzzzzz", "damaged gzip", "again"),
        (b"id,g\na,\xe9\n", "line 2 is not UTF-8", "UTF-8"),
        (b"id,g\na,1\nb,\x00\n", "line 3 has a zero byte", "plain table"),
        (GOOD.encode("utf-16"), "text in UTF-16", "UTF-8"),
        (b"PK\x03\x04rest", "Excel", "plain table"),
        (b"\x89HDF\r\n", "AnnData", "anndata wrote it"),
        (b"\x28\xb5\x2f\xfdrest", "zstd", "again"),
    ],
)
def test_files_that_are_not_tables(write, content, what, remedy):
    error = refusal(DataFileError, write(content))
    assert what in error.what
    assert "expr.csv" in error.what
    assert remedy in error.remedy


def test_missing_file_and_folder(tmp_path):
    error = refusal(DataFileError, tmp_path / "nowhere.csv")
    assert "nowhere.csv: there is no such file" in error.what
    assert "spelling" in error.remedy
    error = refusal(DataFileError, tmp_path)
    assert "is a folder" in error.what
    assert "file inside" in error.remedy
    assert "can not be read" in refusal(DataFileError, tmp_path / "a\0b").what


def test_forbidden_file(write, monkeypatch):
    def forbid(path, mode):
        raise PermissionError(13, "Permission denied", str(path))

    path = write(GOOD)
    monkeypatch.setattr(Path, "open", forbid)  # the superuser may read all files
    error = refusal(DataFileError, path)
    assert "expr.csv can not be opened: permission denied" in error.what
    assert "owner" in error.remedy


@pytest.mark.parametrize(
    ("old", "new", "what", "remedy"),
    [
        ("b,3,4,n", "b,3,n", "line 3 has 3 cells where the header has 4", "write NA"),
        ("b,3,4,n", "b,3,4,n,9", "line 3 has 5 cells where the header has 4", "write NA"),
        ("b,3,4,n", "", "line 3 is empty", "Delete the empty line"),
        ("b,3,4", "b,3,x4", "line 3, column 'g2' (number 3): 'x4' is not a number", "--label"),
        ("b,3,4", "b,inf,4", "line 3, column 'g1' (number 2): 'inf' is not a finite", "write NA"),
        ("b,3,4", "b,1_0,4", "line 3, column 'g1' (number 2): '1_0' is not a number", "write NA"),
        ("b,3,4", "b,١,4", "line 3, column 'g1' (number 2): '١' is not a number", "write NA"),
        ("b,3,4", "b,-1e400,4", "line 3, column 'g1' (number 2): '-1e400' is not a f", "write NA"),
        ("b,3,4", 'b,"3,5",4', "line 3, column 'g1' (number 2): '3,5' is not a num", "a point"),
        ("b,3,4", f"b,3,{'z' * 99}", f"'{'z' * 39}…' is not a number", "write NA"),
        ("b,3,4", 'b,"3,4', "line 3: the quotation marks", "Double the quotation marks"),
        ("c,5", "a,5", "1 sample name used more than once: 'a' in lines 2 and 4", "one line"),
        ("c,5", ",5", "line 4, column 'id' (number 1): the sample has no name", "delete"),
    ],
)
def test_wrong_values(write, old, new, what, remedy):
    error = refusal(DataValueError, write(GOOD.replace(old, new)))
    assert what in error.what
    assert error.what.startswith("expr.csv")
    assert remedy in error.remedy
    assert "z" * 41 not in str(error)


def test_lines_are_the_editors_after_a_quoted_line_end(write):
    error = refusal(DataValueError, write('id,"g\n1",y\n"a\n",1,t\nb,oops,n\n'))
    assert "line 5, column 'g\\n1'" in error.what


def test_a_separator_at_the_end_of_every_line(write):
    error = refusal(DataValueError, write("id,g1,y\na,1,t,\nb,2,n,\n"))
    assert "line 2 has 4 cells where the header has 3" in error.what
    error = refusal(FeatureError, write("id,g1,y,\na,1,t,\nb,2,n,\n"))
    assert "column number 4 has no name" in error.what
    assert "end of every line" in error.remedy


def test_wrong_values_with_genes_in_rows(write):
    labels = write("s,y\na,t\nb,n\n", "labels.csv")

    def error(kind, text):
        return refusal(kind, write(text), label_file=labels)

    bad = error(DataValueError, "gene,a,b\ng1,1,2\ng2,3,?\n")
    assert "expr.csv, line 3, column 'b' (number 3): '?' is not a number" in bad.what
    bad = error(FeatureError, "gene,a,b\ng1,1,2\ng2,3,4\ng1,1,2\n")
    assert "1 gene found more than once: 'g1' in lines 2 and 4" in bad.what
    assert "mean of its probes" in bad.remedy
    bad = error(FeatureError, "gene,a,b\n,1,2\n")
    assert "line 2, column 'gene' (number 1): the gene has no name" in bad.what
    bad = error(DataValueError, "gene,a,b,a\ng1,1,2,3\n")
    assert "'a' in columns 2 and 4" in bad.what
    bad = error(DataValueError, "gene,a,,b\ng1,1,2,3\n")
    assert "header: column number 3 has no name" in bad.what


def test_duplicated_genes_in_the_header(write):
    many = ",".join(f"g{i}" for i in range(5))
    error = refusal(FeatureError, write(f"id,{many},{many},y\na{',1' * 10},t\n"))
    assert "5 genes found more than once: 'g0' in columns 2 and 7" in error.what
    assert "and 2 more" in error.what
    assert "different names" in error.remedy


@pytest.mark.parametrize(
    ("content", "arguments", "what", "remedy"),
    [
        (GOOD, {"label": "Y1"}, "has no column 'Y1'", "Did you mean 'y'?"),
        (GOOD, {"label": "relapse"}, "has no column 'relapse'", "labels=LABELFILE"),
        (GOOD, {"label": "b"}, "'b' as a row (line 3)", "labels=LABELFILE"),
        (GOOD, {"orientation": "genes_in_rows"}, "has genes in rows", "labels=LABELFILE"),
        (GOOD, {"positive": "tumour"}, "no sample is of the positive class 'tumour'", "--positive"),
        (GOOD, {"positive": "T"}, "The classes are 't' (2), 'n' (1)", "Did you mean 't'?"),
        (GOOD, {"negative": "x"}, "no sample is of the negative class 'x'", "--negative"),
        (
            GOOD,
            {"positive": None},
            "which class is positive. The classes are 't' (2)",
            "--positive",
        ),
        (GOOD.replace("n\n", "t\n"), {}, "two classes are needed", "Choose another label"),
        (
            GOOD.replace(",t\n", ",\n").replace("n\n", "NA\n"),
            {"missing_label": "drop"},
            "Every",
            "",
        ),
        (
            GOOD.replace(",t\n", ",NA\n"),
            {},
            "expr.csv, column 'y': the label is missing for 2 of 3 samples: line 2 (sample 'a'), "
            "line 4 (sample 'c')",
            'missing_label = "drop"',
        ),
        (
            GOOD + "d,1,2,x\n",
            {},
            "there are 3 classes. The classes are 't' (2), 'n' (1), 'x' (1)",
            "--negative, or negative in the study's [data]",
        ),
    ],
)
def test_wrong_labels(write, content, arguments, what, remedy):
    error = refusal(LabelError, write(content), **arguments)
    assert what in error.what
    assert "expr.csv" in error.what
    assert remedy in error.remedy


@pytest.mark.parametrize(
    ("labels", "arguments", "kind", "what", "remedy"),
    [
        ("s,y\np,t\nq,n\n", {}, LabelError, "None of the 2 samples", "same sample names"),
        (
            "s,y\np,t\nq,n\n",
            {"orientation": "samples_in_rows"},
            LabelError,
            "No sample of expr.csv ('a', 'b', 'c') is in labels.csv ('p', 'q')",
            "in the rows or in the columns",
        ),
        (
            "s,y\na,t\n",
            {},
            LabelError,
            "2 of 3 samples of expr.csv are not in labels.csv: 'b', 'c'",
            'missing_label = "drop"',
        ),
        ("s,y\na,t\nb,\nc,n\n", {}, LabelError, "line 3 (sample 'b')", 'missing_label = "drop"'),
        ("s,y\na,t\nb,n\na,t\n", {}, DataValueError, "'a' in lines 2 and 4", "one line"),
        ("s,x,z\na,t,1\n", {}, LabelError, "labels.csv has no column 'y'", "'x', 'z'"),
        ("s,y,y\na,t,1\n", {}, LabelError, "labels.csv has 2 columns 'y'", ""),
        ("s,x,z\na,t,1\n", {"label": None}, LabelError, "2 columns that could be", "Name one"),
        ("s,g1\na,t\nb,n\nc,t\n", {"label": "g1"}, LabelError, "as well as of labels.csv", "Take"),
    ],
)
def test_wrong_label_files(write, labels, arguments, kind, what, remedy):
    path = write("id,g1,g2\na,1,2\nb,3,4\nc,5,6\n")
    error = refusal(kind, path, label_file=write(labels, "labels.csv"), **arguments)
    assert what in error.what
    assert remedy in error.remedy


@pytest.mark.parametrize(
    ("arguments", "what", "remedy"),
    [
        ({"label": None, "positive": None}, "can not be told whether samples", "--orientation"),
        ({"label": None}, "but no label", "--label"),
        ({"orientation": "rows"}, "orientation is 'rows'", "genes_in_rows"),
        ({"missing_label": "keep"}, "missing_label is 'keep'", "drop"),
        ({"negative": "t"}, "both 't'", "two different"),
        ({"positive": None, "negative": "n"}, "not the positive", "--positive"),
    ],
)
def test_wrong_arguments(write, arguments, what, remedy):
    error = refusal(ParameterError, write(GOOD), **arguments)
    assert what in error.what
    assert remedy in error.remedy


def test_wrong_idash_files(write):
    one = write("gene\tref\ta\tb\ng1\t0\t1\t2\ng2\t0\tnull\t4\n", "one.txt")

    def error(kind, text):
        with pytest.raises(kind) as caught:
            read_idash(one, write(text, "two.txt"))
        return caught.value

    bad = error(FeatureError, "gene\tref\tc\ng1\t0\t1\ng3\t0\t1\n")
    assert "one.txt and two.txt do not have the same features: 1 only in one.txt ('g2')" in bad.what
    assert "1 only in two.txt ('g3')" in bad.what
    bad = error(DataValueError, "gene\tref\tb\ng1\t0\t1\ng2\t0\t1\n")
    assert "1 sample name used more than once: 'b'" in bad.what
    bad = error(DataValueError, "gene\tref\ng1\t0\ng2\t0\n")
    assert "two.txt has 2 columns, so no sample" in bad.what
    assert "column 3" in bad.remedy
    bad = error(DataValueError, "gene\tref\tc\ng1\t0\t1\ng2\t0\t-\n")
    assert "two.txt, line 3, column 'c' (number 3): '-' is not a number" in bad.what
