"""Forms of a table that must be read alike, and round trips."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cohortium.data import parse_data_argument, read_cohort
from cohortium.errors import CohortiumError, DataValueError, ParameterError

PLAIN = "id,g1,g2,y\na,1,2.5,t\nb,,-3e2,n\nc,7,0,t\n"


def check_plain(cohort):
    np.testing.assert_array_equal(cohort.values, [[1, 2.5], [math.nan, -300], [7, 0]])
    assert cohort.samples == ("a", "b", "c")
    assert cohort.features == ("g1", "g2")
    assert cohort.labels.tolist() == [1, 0, 1]
    assert (cohort.positive, cohort.negative) == ("t", "n")
    assert cohort.values.dtype == np.float64
    assert cohort.labels.dtype == np.int64


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", ";"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        "\ufeff" + PLAIN,
        "\ufeff" + PLAIN.replace("id,", ""),
        PLAIN + "\n\n",
        PLAIN.rstrip(),
        PLAIN.replace("g1", '"g1"').replace("b,", '"b",'),
        PLAIN.replace("2.5", '"2.5"'),
        PLAIN.replace("2.5", " 2.5 ").replace("a,", " a ,").replace("t\n", " t\n"),
        PLAIN.replace("id,", ""),  # the header of R's write.table
        *(PLAIN.replace(",,", f",{token},") for token in ("NA", "nan", "NULL", "n/A", " Na ")),
        gzip.compress(PLAIN.encode()),
        gzip.compress(PLAIN[:20].encode()) + gzip.compress(PLAIN[20:].encode()),
    ],
)
def test_the_same_table_in_other_clothes(write, content):
    check_plain(read_cohort(write(content), label="y", positive="t"))


def test_names_may_hold_other_separators_and_quoted_line_ends(write):
    path = write('id\tHLA-A;B\t"g,\n2, 3"\ty\na\t1\t2\t0\nb\t3\t4\t1\n')
    cohort = read_cohort(path, label="y")
    assert cohort.features == ("HLA-A;B", "g,\n2, 3")
    assert cohort.values.tolist() == [[1, 2], [3, 4]]
    assert cohort.positive == "1"


def test_the_separator_is_the_one_that_header_and_rows_agree_on(write):
    cohort = read_cohort(write("id,a;b;c;d,y\ns,1,0\nt,2,1\n"), label="y")
    assert cohort.features == ("a;b;c;d",)


def test_orientation_comes_from_the_label_file(write):
    labels = write("s\ty\nb\tn\na\tt\nunused\tn\nc\tt\n", "labels.tsv")
    genes = write("gene,a,b,c\ng1,1,NA,7\ng2,2.5,-300,0\n", "genes.csv")
    samples = write("id,g1,g2\na,1,2.5\nb,,-3e2\nc,7,0\n", "samples.csv")
    check_plain(read_cohort(genes, label="y", label_file=labels, positive="t"))
    check_plain(read_cohort(samples, label_file=labels, positive="t"))


def test_orientation_may_be_stated_without_a_label(write):
    path = write("id,a,b\nx,1,2\ny,3,4\n")
    by_row = read_cohort(path, orientation="samples_in_rows")
    by_column = read_cohort(path, orientation="genes_in_rows")
    assert by_row.samples == by_column.features == ("x", "y")
    assert by_row.labels is None
    np.testing.assert_array_equal(by_row.values, by_column.values.T)


def test_stated_orientation_settles_names_on_both_sides(write):
    labels = write("s,y\na,t\nb,n\n", "labels.csv")
    path = write("id,a,b\na,1,2\nb,3,4\n")
    with pytest.raises(ParameterError, match=r"both in the header.*State it"):
        read_cohort(path, label_file=labels, positive="t")
    rows = read_cohort(path, label_file=labels, positive="t", orientation="samples_in_rows")
    genes = read_cohort(path, label_file=labels, positive="t", orientation="genes_in_rows")
    assert rows.values.tolist() == [[1, 2], [3, 4]]
    assert genes.values.tolist() == [[1, 3], [2, 4]]


def test_more_than_two_classes_and_missing_labels(write):
    path = write("id,g,y\na,1,x\nb,2,z\nc,3,w\nd,4,NA\ne,5,x\n")
    cohort = read_cohort(path, label="y", positive="z", negative="x", missing_label="drop")
    assert cohort.samples == ("a", "b", "e")
    assert cohort.labels.tolist() == [0, 1, 0]
    assert cohort.notes == (
        "1 sample left out: no label 'y'",
        "1 sample left out: neither 'z' nor 'x'",
    )


names = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=6)
    .map(str.strip)
    .filter(bool),
    min_size=2,
    max_size=6,
    unique=True,
)


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(samples=names, features=names, data=st.data(), separator=st.sampled_from("\t,;"))
def test_what_is_written_is_read(tmp_path, samples, features, data, separator):
    number = st.floats(allow_nan=True, allow_infinity=False)
    values = data.draw(
        st.lists(
            st.lists(number, min_size=len(features), max_size=len(features)),
            min_size=len(samples),
            max_size=len(samples),
        )
    )

    def quoted(name):
        return '"' + name.replace('"', '""') + '"'

    lines = [separator.join(quoted(name) for name in ("id", *features))]
    for sample, row in zip(samples, values, strict=True):
        lines.append(separator.join([quoted(sample), *map(repr, row)]))
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    cohort = read_cohort(path, orientation="samples_in_rows")
    np.testing.assert_array_equal(cohort.values, values)
    assert cohort.samples == tuple(samples)
    assert cohort.features == tuple(features)


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cell=st.text("0123456789+-.eE_naifNx %", max_size=6))
@example("1_0")
@example("infinity")
@example("1e999")
@example("١")
@example("0x1")
@example("+-1")
@example("1d3")
@example(".")
@example("-")
def test_fast_and_careful_parsing_agree(tmp_path, cell):
    path = tmp_path / "table.csv"
    read = []
    for name in ("a", '"a"'):  # a quotation mark anywhere makes the parsing careful
        path.write_text(f"id,g,h\n{name},{cell},1\nb,2,3\n", encoding="utf-8")
        try:
            read.append(read_cohort(path, orientation="samples_in_rows").values.tolist())
        except DataValueError as error:
            read.append(str(error))
    assert repr(read[0]) == repr(read[1])


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.one_of(st.binary(max_size=60), st.text('a1,;\t"\n\r.NA', max_size=40)))
def test_any_content_is_read_or_refused_in_our_words(tmp_path, content):
    path = tmp_path / "any"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        cohort = read_cohort(path, orientation="genes_in_rows")
    except CohortiumError as error:
        refused = error
    else:
        assert cohort.values.size > 0
        return
    assert refused.what.startswith("any")
    assert refused.remedy


def test_data_arguments(tmp_path):
    assert parse_data_argument("expr.tsv.gz") == {"path": Path("expr.tsv.gz")}
    assert parse_data_argument("x/e.tsv, labels=y/l.tsv") == {
        "path": Path("x/e.tsv"),
        "label_file": Path("y/l.tsv"),
    }
    assert parse_data_argument("p.txt,n.txt") == {
        "positive_path": Path("p.txt"),
        "negative_path": Path("n.txt"),
    }
    odd = tmp_path / "a,b.csv"
    odd.touch()
    assert parse_data_argument(str(odd)) == {"path": odd}
    for text in ("", " ", "a,", ",b", "a,b,c", "labels=a", "a,labels="):
        with pytest.raises(ParameterError, match=r"does not name data.*Give FILE"):
            parse_data_argument(text)
