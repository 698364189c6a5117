"""Broken Parquet, h5ad and npz files: more than twenty of each are refused, none crashes."""

from __future__ import annotations

import datetime
import gzip
import io
import zipfile

import numpy as np
import polars as pl
import pytest
from broken_files import check_refused

from cohortium.data import read_cohort

INF = float("inf")
SPANS = [datetime.timedelta(1), None]
DAYS = [datetime.date(2020, 1, 1), None]
FRAMES = {
    "lists": ({"g": [[1.0, 2.0], [3.0]]}, "column 'g' holds neither numbers nor text, but List"),
    "structures": ({"g": [{"x": 1}, {"x": 2}]}, "but Struct"),
    "bytes": ({"g": [b"1", b"2"]}, "but Binary"),
    "dates": ({"g": DAYS}, "but Date"),
    "spans": ({"g": SPANS}, "but Duration"),
    "times": ({"g": [datetime.datetime(2020, 1, 1), None]}, "but Datetime"),
    "a word": ({"g": ["1", "high"]}, "line 3, column 'g' (number 2): 'high' is not a number"),
    "decimal commas": ({"g": ["1", "2,5"]}, "'2,5' is not a number"),
    "a dash": ({"g": ["1", "-"]}, "'-' is not a number"),
    "infinity": ({"g": [1.0, INF]}, "line 3, column 'g' (number 2): 'inf' is not a finite"),
    "infinity as text": ({"g": ["-Inf", "1"]}, "line 2, column 'g' (number 2): '-Inf' is not a"),
    "a sample twice": ({"id": ["a", "a"], "g": [1, 2]}, "'a' in lines 2 and 3"),
    "a sample without name": ({"id": ["a", None], "g": [1, 2]}, "line 3, column 'id' (number 1)"),
    "genes that differ in spaces": ({"g": [1, 2], " g": [1, 2]}, "'g' in columns 2 and 3"),
    "a gene without name": ({"": [1, 2]}, "column number 2 has no name"),
    "a gene that is a date": ({"1-Mar": [1, 2]}, "'1-Mar'"),
    "no rows": ({"id": [], "g": []}, "a header and no rows"),
    "one column": ({"id": ["a"]}, "has 1 of the two columns"),
}


def parquet(frame):
    written = io.BytesIO()
    pl.DataFrame({"id": ["a", "b"], **frame}).write_parquet(written)
    return written.getvalue()


GOOD = parquet({"g": [1.0, 2.0], "h": [3, 4]})
BYTES = {
    "cut off": (GOOD[:-10], "as a Parquet table"),
    "cut in its first part": (GOOD[:100], "as a Parquet table"),
    "the first bytes alone": (b"PAR1", "as a Parquet table"),
    "damaged values": (GOOD[:30] + b"\xff" * 60 + GOOD[90:], "as a Parquet table"),
    "damaged description": (GOOD[:-60] + b"\xff" * 50 + GOOD[-10:], "as a Parquet table"),
    "copied as text": (GOOD.replace(b"\n", b"\r\n") + b"x", "as a Parquet table"),
    "more after its end": (GOOD + b"more", "as a Parquet table"),
    "encrypted": (b"PARE" + GOOD[4:-4] + b"PARE", "an encrypted Parquet table"),
    "compressed": (gzip.compress(GOOD), "is compressed"),
}


@pytest.mark.parametrize("fault", [*FRAMES, *BYTES])
def test_parquet(write, fault):
    content = parquet(FRAMES[fault][0]) if fault in FRAMES else BYTES[fault][0]
    check_refused(write(content, "x.parquet"), {**FRAMES, **BYTES}[fault][1])


def test_a_parquet_column_may_be_of_any_numbers(write):
    frame = pl.DataFrame(
        {
            "id": ["a", "b"],
            "text": ["1.5", " NA "],
            "class": pl.Series(["1", "2"], dtype=pl.Categorical),
            "decimal": pl.Series(["1.5", "2.25"]).cast(pl.Decimal(10, 2)),
            "bool": [True, None],
            "nothing": pl.Series([None, float("nan")], dtype=pl.Float32),
        }
    )
    content = io.BytesIO()
    frame.write_parquet(content)
    found = read_cohort(write(content.getvalue(), "x"), orientation="samples_in_rows")
    nan = np.nan
    expected = [[1.5, 1, 1.5, 1, nan], [nan, 2, 2.25, nan, nan]]
    np.testing.assert_array_equal(found.values, expected)


def replaced(name, value):
    def change(file):
        group, _, last = name.rpartition("/")
        place = file[group] if group else file
        del place[last]
        if value is not None:
            place[last] = value

    return change


def attribute(name, value):
    return lambda file: file["X"].attrs.__setitem__(name, value)


X_OF_TEXT = np.array([[b"x", b"y"], [b"1", b"2"]])
OLD_OBS = np.array([(b"a", 1), (b"b", 2)], dtype=[("index", "S1"), ("k", "i4")])
DENSE = {
    "without X": (replaced("X", None), "is an HDF5 file without X"),
    "without obs": (replaced("obs", None), "without obs"),
    "without var": (replaced("var", None), "without var"),
    "X of text": (replaced("X", X_OF_TEXT), "not a table of numbers"),
    "X of complex numbers": (replaced("X", np.zeros((2, 2), complex)), "not a table of numbers"),
    "X of one dimension": (replaced("X", np.zeros(4)), "not a table of numbers"),
    "X of three dimensions": (replaced("X", np.zeros((2, 2, 2))), "not a table of numbers"),
    "X that is one number": (replaced("X", 3.0), "not a table of numbers"),
    "X of another width": (replaced("X", np.zeros((2, 3))), "the values have shape (2, 3)"),
    "X with infinity": (
        replaced("X", np.array([[0, INF], [0, 0]])),
        "sample number 1, feature number 2 is infinite",
    ),
    "obs without index": (replaced("obs/_index", None), "as an AnnData file"),
    "obs that is no table": (replaced("obs", np.zeros(2)), "as an AnnData file"),
    "obs of a very old version": (replaced("obs", OLD_OBS), "as an AnnData file"),
    "an observation twice": (replaced("obs/_index", ["a", "a"]), "sample name used more than"),
    "an observation without name": (replaced("obs/_index", ["a", ""]), "sample number 2 has no"),
    "a gene twice": (replaced("var/_index", ["g", "g"]), "1 feature name used more than once: 'g'"),
    "a gene without name": (replaced("var/_index", ["", "h"]), "feature number 1 has no name"),
    "a gene that is a date": (replaced("var/_index", ["Sep-02", "h"]), "'Sep-02'"),
}
SPARSE = {
    "places beyond the width": (replaced("X/indices", np.array([0, 7], np.int32)), "as an AnnData"),
    "places below 0": (replaced("X/indices", np.array([0, -7], np.int32)), "as an AnnData file"),
    "pointers beyond the data": (replaced("X/indptr", np.array([0, 9, 1])), "as an AnnData file"),
    "pointers far beyond": (replaced("X/indptr", np.array([0, 2**40, 2**41])), "as an AnnData"),
    "data beyond the pointers": (replaced("X/indptr", np.array([0, 1, 1])), "as an AnnData file"),
    "fewer pointers": (replaced("X/indptr", np.array([0, 2])), "as an AnnData file"),
    "without pointers": (replaced("X/indptr", None), "as an AnnData file"),
    "fewer places than data": (replaced("X/indices", np.array([0], np.int32)), "as an AnnData"),
    "another shape": (attribute("shape", [2, 10**12]), "the values have shape (2, 1000000000000)"),
    "an unknown kind": (attribute("encoding-type", "coo_matrix"), "as an AnnData file"),
    "infinity": (replaced("X/data", np.array([1, INF], np.float32)), "sample number 2, feature"),
}
CUTS = {
    "cut off": (lambda raw: raw[:-100], "truncated file"),
    "half of it": (lambda raw: raw[: len(raw) // 2], "truncated file"),
    "the first bytes alone": (lambda raw: raw[:8], "as an AnnData file"),
    "damaged": (lambda raw: raw[:900] + b"\xff" * 300 + raw[1200:], "as an AnnData file"),
    "compressed": (gzip.compress, "is compressed"),
}


@pytest.fixture(scope="module")
def h5ad(tmp_path_factory):
    """Two good files, dense and sparse."""
    anndata, sparse = pytest.importorskip("anndata"), pytest.importorskip("scipy.sparse")
    pandas, folder = pytest.importorskip("pandas"), tmp_path_factory.mktemp("h5ad")
    values = np.eye(2, dtype=np.float32)
    for name, stored in (("dense", values), ("csr", sparse.csr_matrix(values))):
        obs, var = (pandas.DataFrame(index=list(names)) for names in ("ab", "gh"))
        anndata.AnnData(stored, obs, var).write_h5ad(folder / f"{name}.h5ad")
    return {name: (folder / f"{name}.h5ad").read_bytes() for name in ("dense", "csr")}


@pytest.mark.parametrize("fault", [*DENSE, *SPARSE])
def test_h5ad(write, h5ad, fault):
    h5py = pytest.importorskip("h5py")
    path = write(h5ad["csr" if fault in SPARSE else "dense"], "x.h5ad")
    assert read_cohort(path).values.tolist() == [[1, 0], [0, 1]]
    change, told = {**DENSE, **SPARSE}[fault]
    with h5py.File(path, "r+") as file:
        change(file)
    check_refused(path, told)


@pytest.mark.parametrize("fault", CUTS)
def test_cut_h5ad(write, h5ad, fault):
    change, told = CUTS[fault]
    check_refused(write(change(h5ad["dense"]), "x.h5ad"), told)


def test_h5ad_of_nobody(tmp_path):
    anndata, pandas = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    obs, var = pandas.DataFrame(index=[]), pandas.DataFrame(index=["g"])
    anndata.AnnData(np.zeros((0, 1)), obs, var).write_h5ad(tmp_path / "x.h5ad")
    check_refused(tmp_path / "x.h5ad", "has 0 samples and 1 feature")


ARRAYS = {"values": [[1.0, 2.0], [3.0, 4.0]], "samples": ["a", "b"], "features": ["g", "h"]}
CHANGES = {
    "a sample twice": ({"samples": ["a", "a"]}, "1 sample name used more than once: 'a'"),
    "a gene twice": ({"features": ["g", "g"]}, "1 feature name used more than once: 'g'"),
    "a name less": ({"samples": ["a"]}, "the values have shape (2, 2), but there are 1 sample"),
    "a sample without name": ({"samples": ["a", ""]}, "sample number 2 has no name"),
    "a gene that is a date": ({"features": ["1-Sep", "h"]}, "'1-Sep'"),
    "names that are numbers": ({"samples": [1.5, 2.5]}, "samples is not a list of names"),
    "names in a table": ({"samples": [["a"], ["b"]]}, "samples is not a list of names"),
    "names that are objects": ({"samples": np.array(["a", None], object)}, "as NumPy arrays"),
    "numbers that are text": ({"values": [["1", "2"], ["3", "4"]]}, "not a table of numbers"),
    "numbers that are objects": ({"values": np.array([[1, None]], object)}, "it holds objects"),
    "complex numbers": ({"values": [[1j, 1], [1, 1]]}, "not a table of numbers"),
    "days": ({"values": np.zeros((2, 2), "datetime64[s]")}, "not a table of numbers"),
    "fields": ({"values": np.zeros((2, 2), [("x", float)])}, "not a table of numbers"),
    "three dimensions": ({"values": np.zeros((2, 2, 2))}, "not a table of numbers"),
    "infinity": ({"values": [[1.0, 2.0], [-INF, 4.0]]}, "sample number 2, feature number 1 is inf"),
    "a text less": ({"kind": ["x"]}, "kind has not one text for each of 2 samples"),
    "nobody": ({"values": np.zeros((0, 2)), "samples": np.array([], str)}, "has 0 samples"),
    "no feature": ({"values": np.zeros((2, 0)), "features": np.array([], str)}, "0 features"),
}


def npy(array):
    written = io.BytesIO()
    np.save(written, np.asarray(array))
    return written.getvalue()


def archive(**members):
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as file:
        for name, content in {**{each: npy(ARRAYS[each]) for each in ARRAYS}, **members}.items():
            file.writestr(f"{name}.npy", content)
    return written.getvalue()


VALUES = npy(ARRAYS["values"])
NAMES_BEYOND_MEMORY = npy(np.array(["a" * 99])).replace(
    b"(1,), }" + b" " * 12, b"(99999999999999,), }"
)
WHOLE = archive()
MEMBERS = {
    "values cut off": (archive(values=VALUES[:-9]), "as NumPy arrays"),
    "values that are no array": (archive(values=b"hello, this is no array"), "as NumPy arrays"),
    "values of a later version": (archive(values=VALUES[:6] + b"\x09" + VALUES[7:]), "as NumPy"),
    "a program for a header": (
        archive(values=VALUES[:10] + b"__import__('os').abort()".ljust(117) + b"\n"),
        "as NumPy arrays",
    ),
    "names beyond memory": (archive(samples=NAMES_BEYOND_MEMORY), "as NumPy arrays"),
    "a number damaged": (WHOLE.replace(np.float64(4).tobytes(), bytes(8)), "Bad CRC-32"),
    "cut off": (WHOLE[:-30], "not a zip file"),
    "compressed": (gzip.compress(WHOLE), "is compressed"),
}


@pytest.mark.parametrize("fault", [*CHANGES, *MEMBERS])
def test_npz(write, fault):
    if fault in CHANGES:
        content = io.BytesIO()
        np.savez(content, **{**ARRAYS, **CHANGES[fault][0]})
        path = write(content.getvalue(), "x.npz")
    else:
        path = write(MEMBERS[fault][0], "x.npz")
    check_refused(path, {**CHANGES, **MEMBERS}[fault][1])


def test_each_reader_of_binary_files_meets_more_than_twenty():
    kinds = ({**FRAMES, **BYTES}, {**DENSE, **SPARSE, **CUTS}, {**CHANGES, **MEMBERS})
    assert min(map(len, kinds)) > 20
    assert b"99999999999999" in NAMES_BEYOND_MEMORY
