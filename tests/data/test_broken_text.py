"""Broken text tables, GCT files and series matrices: more than twenty of each are refused."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import zstandard
from broken_files import check_refused

from cohortium.data import read_cohort
from cohortium.data.files import open_text
from cohortium.errors import DataFileError

TABLE = "id,g1,g2\na,1,2\nb,3,4\nc,5,6\n"
GCT = "#1.2\n2\t2\nName\tAbout\tp\tq\ng\tx\t1\t2\nh\tx\t3\t4\n"
SERIES = (
    '!Series_title\t"t"\n!Sample_title\t"p"\t"q"\n!series_matrix_table_begin\n'
    '"ID_REF"\t"p"\t"q"\n"g"\t1\t2\n"h"\t3\t4\n!series_matrix_table_end\n'
)
BEGIN, END = "!series_matrix_table_begin", "!series_matrix_table_end"


def of_any_text(good: str) -> dict[str, tuple[bytes | str, str]]:
    """Return faults that any text may have: the content, and what is said."""
    plain = good.encode()
    packed = gzip.compress(plain * 9)
    return {
        "gzip cut off": (packed[:-20], "ends in the middle of its gzip data"),
        "gzip damaged": (packed[:-8] + bytes(8), "damaged gzip data"),
        "gzip with more after it": (packed + b"garbage", "damaged gzip data"),
        "gzip twice": (gzip.compress(packed), "is compressed twice"),
        "zstd cut off": (zstandard.compress(plain * 9)[:-6], "in the middle of its zstd data"),
        "xz": (b"\xfd7zXZ\x00" + plain, "compressed by xz"),
        "UTF-16": (good.encode("utf-16"), "text in UTF-16"),
        "UTF-16 without a mark": (good.encode("utf-16-le"), "line 1 has a zero byte"),
        "a zero byte": (plain[:-1] + b"\0\n", "has a zero byte"),
        "Latin-1": (plain[:-1] + b"\xe9\n", "is not UTF-8 text"),
    }


PLAIN = {
    **of_any_text(TABLE),
    "empty": ("", "x.csv is empty"),
    "empty gzip": (gzip.compress(b""), "is empty"),
    "spaces only": (" \n\t\n", "is empty"),
    "a bomb of zeros": (gzip.compress(bytes(1 << 27), 1), "line 1 has a zero byte"),
    "a bomb of zeros, zstd": (zstandard.compress(bytes(1 << 27)), "line 1 has a zero byte"),
    "a bomb of one line": (
        gzip.compress(b"1," * (1 << 26), 1),
        "line 1 has more than 67,108,864 characters",
    ),
    "a bomb of line ends": (
        gzip.compress(b"id,g\na,1\n" + b"\n" * (1 << 27) + b"b,2\n", 1),
        "line 3 is empty",
    ),
    "a cell of a million digits": (f"id,g\na,{'1' * 10**6}\n", "more than 131,072 characters"),
    "a name of a million letters": (f"id,g\n{'a' * 10**6},1\n", "more than 131,072 characters"),
    "semicolons and decimal commas": (
        "id;g1;g2\na;1,5;2,5\nb;3,5;4,5\n",
        "line 2, column 'g1' (number 2): '1,5' is not a number",
    ),
    "two separators": (
        "id\tg\th\na\t1\t2\nb,3,4\n",
        "line 3 is separated by commas, the header by tabs",
    ),
    "spaces for separators": (TABLE.replace(",", " "), "one column only"),
    "bars for separators": (TABLE.replace(",", "|"), "one column only"),
    "a comment first": (f"# made by x, y\n{TABLE}", "'g1' is not a number"),
    "a spreadsheet's error": ("id,g\na,#VALUE!\nb,1\n", "'#VALUE!' is not a number"),
    "below detection": ("id,g\na,<0.1\n", "'<0.1' is not a number"),
    "percent": ("id,g\na,5%\n", "'5%' is not a number"),
    "a word for missing": ("id,g\na,missing\n", "'missing' is not a number"),
    "thousands": ('id,g\na,"1,234"\nb,2\n', "'1,234' is not a number"),
    "infinity": ("id,g\na,-Inf\n", "'-Inf' is not a finite number"),
    "a typographer's minus": ("id,g\na,\u22121\n", "is not a number"),
    "dates": ("id,g\na,2020-01-01\n", "'2020-01-01' is not a number"),
    "a short row": ("id,g,h\na,1\n", "line 2 has 2 cells where the header has 3"),
    "cut in a row": ("id,g,h\na,1,2\nb,3", "line 3 has 2 cells"),
    "an empty line": ("id,g\na,1\n\nb,2\n", "line 3 is empty"),
    "a quotation mark left open": ('id,g\n"a,1\nb,2\n', "line 2: the quotation marks"),
    "samples that differ in spaces": ("id,g\na,1\n a ,2\n", "'a' in lines 2 and 3"),
    "genes in two columns": ("id,g,g\na,1,2\n", "'g' in columns 2 and 3"),
    "a gene without name": ("id,,g\na,1,2\n", "column number 2 has no name"),
    "a sample without name": ("id,g\n,1\n", "line 2, column 'id' (number 1)"),
    "no rows": ("id,g\n", "a header and no rows"),
    "a web page": ("<html><body>404</body></html>\n", "one column only"),
    "a pointer to the file": ("version https://git-lfs.github.com/spec/v1\n", "one column only"),
    "an R object": (gzip.compress(b"X\n\0\0\0\3"), "is an R object (rds)"),
    "an R workspace": (gzip.compress(b"RDX3\nX\n"), "is an R workspace"),
    "a NumPy array": (b"\x93NUMPY\x01\x00", "is a NumPy array without names"),
}
MATRIX = {
    **of_any_text(GCT),
    "without sizes": (GCT.replace("2\t2\n", "", 1), "line 2: 2 whole numbers"),
    "of negative size": (GCT.replace("2\t2", "-2\t2", 1), "line 2: 2 whole numbers"),
    "of a size beyond all": (GCT.replace("2\t2", f"{'9' * 5000}\t2", 1), "line 2: 2 whole"),
    "of rows that are not there": (
        "#1.3\n1\t2\t1\t99999999\nid\tD\ta\tb\nk\tna\tt\tn\ng\td\t1\t2\n",
        "a header and no rows",
    ),
    "of columns that are not there": (
        "#1.3\n1\t2\t9\t1\nid\tD\ta\tb\nk\tna\tt\tn\ng\td\t1\t2\n",
        "says 1 gene × 2 samples, but the table has 1 × 0",
    ),
    "the first line alone": ("#1.2\n", "line 2: 2 whole numbers"),
    "no rows": (GCT.split("g\t")[0], "a header and no rows"),
    "a row less": (GCT[:-8], "line 2 says 2 genes × 2 samples, but the table has 1 × 2"),
    "a sample less": (GCT.replace("2\t2", "2\t3", 1), "line 2 says 2 genes × 3 samples"),
    "without descriptions": (GCT.replace("\tAbout", "").replace("\tx", ""), "has 2 × 1"),
    "a short row": (GCT.replace("3\t4", "3"), "line 5 has 3 cells where the header has 4"),
    "a long row": (GCT.replace("3\t4", "3\t4\t5"), "line 5 has 5 cells"),
    "commas in a row": (GCT.replace("h\tx\t3\t4", "h,x,3,4"), "line 5 is separated by commas"),
    "a word": (GCT.replace("4", "high"), "line 5, column 'q' (number 4): 'high' is not"),
    "infinity": (GCT.replace("4", "inf"), "line 5, column 'q' (number 4)"),
    "decimal commas": (GCT.replace("4", "4,5"), "'4,5' is not a number"),
    "a gene twice": (GCT.replace("h\tx", "g\tx"), "'g' in lines 4 and 5"),
    "a sample twice": (GCT.replace("p\tq", "p\tp"), "'p' in columns 3 and 4"),
    "an empty line": (GCT.replace("h\t", "\nh\t"), "line 5 is empty"),
    "a gene without name": (GCT.replace("h\tx", "\tx"), "line 5, column 'Name' (number 1)"),
    "a sample without name": (GCT.replace("p\tq", "p\t"), "column number 4 has no name"),
    "an open quotation mark": (GCT.replace("\tx\t1", '\t"x\t1'), "line 4: the quotation marks"),
}
GEO = {
    **of_any_text(SERIES),
    "without a beginning": (SERIES.replace(f"{BEGIN}\n", ""), f"has no line {BEGIN}"),
    "without an end": (SERIES.replace(f"{END}\n", ""), f"has no line {END}"),
    "cut at its beginning": (SERIES.split(BEGIN)[0] + BEGIN, f"has no line {END}"),
    "end before beginning": (
        SERIES.replace(END, "?").replace(BEGIN, END).replace("?", BEGIN),
        "no line",
    ),
    "no rows": (SERIES.replace('"g"\t1\t2\n"h"\t3\t4\n', ""), "without rows"),
    "no table": (f'!Sample_title\t"p"\n{BEGIN}\n{END}\n', "without rows"),
    "a short row": (SERIES.replace("3\t4", "3"), "line 6 has 2 cells where the header has 3"),
    "a long row": (SERIES.replace("3\t4", "3\t4\t5"), "line 6 has 4 cells"),
    "a word": (SERIES.replace("4", "high"), "line 6, column 'q' (number 3): 'high' is not"),
    "a word in quotation marks": (SERIES.replace("4", '"absent"'), "'absent' is not a number"),
    "infinity": (SERIES.replace("4", "Inf"), "is not a finite number"),
    "decimal commas": (SERIES.replace("3\t4", "3,5\t4"), "'3,5' is not a number"),
    "a gene twice": (SERIES.replace('"h"', '"g"'), "'g' in lines 5 and 6"),
    "a sample twice": (SERIES.replace('F"\t"p"\t"q"', 'F"\t"p"\t"p"'), "'p' in columns 2 and 3"),
    "facts of fewer samples": (SERIES.replace('e\t"p"\t"q"', 'e\t"p"'), "tells of 1 sample"),
    "facts of more samples": (SERIES.replace('e\t"p"', 'e\t"o"\t"p"'), "tells of 3 samples"),
    "an empty line": (SERIES.replace('"h"', '\n"h"'), "line 6 is empty"),
    "an open quotation mark": (SERIES.replace('"h"', '"h'), "line 6: the quotation marks"),
    "a gene without name": (SERIES.replace('"h"', '""'), "line 6, column 'ID_REF' (number 1)"),
    "a sample without name": (SERIES.replace('F"\t"p"', 'F"\t""'), "number 2 has no name"),
    "the family's SOFT file": ("^DATABASE = Geo\n!Database_name = x\n", "one column only"),
}


@pytest.mark.parametrize("fault", PLAIN)
def test_tables(write, fault):
    check_refused(write(PLAIN[fault][0], "x.csv"), PLAIN[fault][1])


@pytest.mark.parametrize("fault", MATRIX)
def test_gct(write, fault):
    check_refused(write(MATRIX[fault][0], "x.gct"), MATRIX[fault][1])


@pytest.mark.parametrize("fault", GEO)
def test_series_matrix(write, fault):
    check_refused(write(GEO[fault][0], "x_series_matrix.txt"), GEO[fault][1])


def test_each_reader_of_text_meets_more_than_twenty():
    assert min(map(len, (PLAIN, MATRIX, GEO))) > 20


def test_what_is_no_file(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_refused(pipe, "pipe is a pipe or a device")
    check_refused(Path("/dev/zero"), "zero is a pipe or a device")
    check_refused(tmp_path, f"{tmp_path.name} is a folder")
    check_refused(tmp_path / "no.csv", "no.csv: there is no such file")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    check_refused(loop, "loop can not be read (Too many levels of symbolic links)")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read all files")
def test_a_file_without_the_right_to_read_it(write):
    path = write(TABLE)
    path.chmod(0)
    check_refused(path, "can not be opened: permission denied")


def test_what_only_looks_odd_is_read(write):
    expected = read_cohort(write(TABLE), orientation="samples_in_rows")
    for text in (
        "\ufeff" + TABLE,
        TABLE.replace("\n", "\r\n"),
        TABLE.replace("\n", "\r"),
        TABLE.replace("a", '"a"'),
        TABLE + "\n" * 3,
        zstandard.compress(TABLE[:9].encode()) + zstandard.compress(TABLE[9:].encode()),
    ):
        found = read_cohort(write(text), orientation="samples_in_rows")
        assert (found.samples, found.features) == (expected.samples, expected.features)
        assert found.values.tolist() == expected.values.tolist()
    odd = read_cohort(write("id,g\na\x0bb,1\nc\u2028d,2\n"), orientation="samples_in_rows")
    assert odd.samples == ("a\x0bb", "c\u2028d")


def test_zstd_that_yields_nothing_for_a_while_is_read_on(write):
    """A block of its data is larger than what is read at a time."""
    random = np.random.default_rng(1)
    names = [random.bytes(40).hex() for _ in range(4000)]
    text = "id,g\n" + "".join(f"{name},1\n" for name in names)
    found = read_cohort(write(zstandard.compress(text.encode())), orientation="samples_in_rows")
    assert found.samples == tuple(names)


def test_blocks_are_whole_lines_wherever_the_file_is_cut(write, monkeypatch):
    """A line end of two bytes, a letter of two and an empty line may lie between two chunks."""
    lines = ["id,g\r\n", *(f"é{place},{place}\r\n" for place in range(50)), "\r\n", "z,1\r\n"]
    path = write("".join(lines) + "\r\n\r\n")
    expected = "".join(lines).replace("\r\n", "\n")
    for size in range(1, 12):
        monkeypatch.setattr("cohortium.data.files._CHUNK", size)
        monkeypatch.setattr("cohortium.data.files._BLOCK", 20)
        text = open_text(path)
        blocks = list(text.blocks())
        assert "".join(blocks) == expected
        assert len(blocks) > 5
        assert all(block.endswith("\n") for block in blocks)
        assert "".join(text.after(3).blocks()) == expected.split("\n", 3)[3]
        for line in (2, 30, 53):
            # The count of lines is right however many chunks went before.
            spoilt = "".join(lines).encode().split(b"\r\n")
            spoilt[line - 1] += b"\xff"
            faulty = write(b"\r\n".join(spoilt), "faulty.csv")
            with pytest.raises(DataFileError, match=f": line {line} is not UTF-8"):
                list(open_text(faulty).blocks())
