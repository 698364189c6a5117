"""Tables beyond a size go through a file: values equal, memory bounded, nothing left behind."""

from __future__ import annotations

import errno
import os
import tempfile

import numpy as np
import polars as pl
import pytest

from cohortium.data import Preparation, concatenate, prepare, read_cohort, read_idash
from cohortium.data.gathering import Filed, Growing, gathered
from cohortium.data.values import Stored, in_blocks
from cohortium.errors import DataFileError, DataValueError

SAMPLES, FEATURES = 23, 57


@pytest.fixture
def filed(monkeypatch, tmp_path):
    """Nothing fits in memory, and samples are written three or so at a time."""
    monkeypatch.setattr("cohortium.data.gathering.MOST_IN_MEMORY", 0)
    monkeypatch.setattr("cohortium.data.gathering._HELD", 3 * FEATURES * 8)
    monkeypatch.setattr("cohortium.data.delimited._CELLS_AT_ONCE", 2 * FEATURES)
    monkeypatch.setattr("cohortium.data.matrices.BLOCK_ELEMENTS", 5 * FEATURES)
    monkeypatch.setattr("cohortium.data.parquet.BLOCK_ELEMENTS", 5 * SAMPLES)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def numbers():
    values = np.random.default_rng(5).normal(size=(SAMPLES, FEATURES)).astype(np.float32)
    values[3, 4] = values[22, 0] = np.nan
    return values.astype(np.float64)


def written(folder, kind):
    """Return a file of the numbers."""
    values = numbers()
    samples, features = [f"s{i}" for i in range(SAMPLES)], [f"g{i}" for i in range(FEATURES)]
    path = folder / f"x.{kind}"
    if kind in ("csv", "genes.csv", "parquet", "genes.parquet"):
        turned = kind.startswith("genes")
        rows, header, cells = (
            (features, samples, values.T) if turned else (samples, features, values)
        )
        frame = pl.DataFrame({"id": rows, **dict(zip(header, cells.T, strict=True))})
        if kind.endswith("csv"):
            frame.write_csv(path)
        else:
            frame.write_parquet(path)
    elif kind.endswith("npz"):
        order = "F" if kind.startswith("fortran") else "C"
        np.savez(path, values=np.asarray(values, order=order), samples=samples, features=features)
    else:
        anndata = pytest.importorskip("anndata")
        pandas, sparse = pytest.importorskip("pandas"), pytest.importorskip("scipy.sparse")
        stored = {"dense": np.asarray, "csr": sparse.csr_matrix, "csc": sparse.csc_matrix}
        anndata.AnnData(
            stored[kind.split(".")[0]](values.astype(np.float32)),
            pandas.DataFrame(index=samples),
            pandas.DataFrame(index=features),
        ).write_h5ad(path)
    return path


KINDS = [
    *("csv", "genes.csv", "parquet", "genes.parquet", "npz", "fortran.npz"),
    *("dense.h5ad", "csr.h5ad", "csc.h5ad"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_beyond_memory_is_read_as_any_other(tmp_path, filed, kind):
    path = written(tmp_path, kind)
    orientation = "genes_in_rows" if "genes" in kind else "samples_in_rows"
    cohort = read_cohort(path, orientation=orientation)
    assert isinstance(cohort.values, Stored)
    expected = numbers()
    np.testing.assert_array_equal(cohort.values[:, :], expected)
    np.testing.assert_array_equal(cohort.values[:, 7:9], expected[:, 7:9])
    places = np.array([56, 3, -1, 3])
    np.testing.assert_array_equal(cohort.values[:, places], expected[:, places])
    assert cohort.features[:2] == ("g0", "g1")
    # The temporary file has no name from the beginning.
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_file_in_memory(tmp_path, kind):
    path = written(tmp_path, kind)
    orientation = "genes_in_rows" if "genes" in kind else "samples_in_rows"
    cohort = read_cohort(path, orientation=orientation)
    assert isinstance(cohort.values, np.ndarray)
    assert cohort.values.dtype == np.float64
    assert cohort.values.flags.c_contiguous
    np.testing.assert_array_equal(cohort.values, numbers())


def test_what_is_filed_is_prepared_as_what_is_not(tmp_path, filed, monkeypatch):
    path = written(tmp_path, "csv")
    found = prepare(read_cohort(path, orientation="samples_in_rows"), Preparation())
    monkeypatch.setattr("cohortium.data.gathering.MOST_IN_MEMORY", 1 << 20)
    expected = prepare(read_cohort(path, orientation="samples_in_rows"), Preparation())
    assert isinstance(found[0].values, type(expected[0].values))
    np.testing.assert_array_equal(found[0].values[:, :], expected[0].values[:, :])
    assert found[1] == expected[1]


def test_a_pair_of_files_beyond_memory(write, filed):
    one = write("gene\tref\ta\tb\ng1\t0\t1\t2\ng2\t0\tnull\t4\n", "one.txt")
    two = write("gene\tref\tc\ng2\t0\t6\ng1\t0\t5\n", "two.txt")
    cohort = read_idash(one, two)
    assert not isinstance(cohort.values, np.ndarray)
    expected = [[1, np.nan], [2, 4], [5, 6]]
    np.testing.assert_array_equal(cohort.values[:, :], expected)
    np.testing.assert_array_equal(next(in_blocks(cohort.values))[1], expected)
    again = concatenate([cohort.take([0]), cohort.take([2])], source="both")
    np.testing.assert_array_equal(again.values[:, :], [[1, np.nan], [5, 6]])


def test_no_room_is_said_and_what_to_do(tmp_path, filed, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = written(tmp_path, "csv")
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(DataFileError, match=r"x\.csv is too large for memory") as caught:
        read_cohort(path, orientation="samples_in_rows")
    assert f"{tmp_path} (No space left on device)" in caught.value.what
    assert "TMPDIR" in caught.value.remedy


def test_others_can_not_open_the_temporary_file(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    filed = Filed(2, np.dtype(np.int8), "x")
    filed.append(np.ones((3, 2)))
    status = os.fstat(filed._file)
    assert (status.st_nlink, status.st_mode & 0o777, status.st_size) == (0, 0o600, 6)


@pytest.mark.parametrize("most", [1 << 20, 40])
def test_features_whose_number_is_not_known_before(monkeypatch, most):
    monkeypatch.setattr("cohortium.data.gathering.MOST_IN_MEMORY", most)
    monkeypatch.setattr("cohortium.data.gathering._HELD", 20)
    growing = Growing(4, np.int8, "x")
    rows = np.random.default_rng(3).integers(-127, 127, (33, 4)).astype(np.int8)
    for row in rows:
        growing.append(row[None])
    whole = growing.whole()
    assert isinstance(whole, Filed if most == 40 else np.ndarray)
    assert whole.shape == rows.shape
    np.testing.assert_array_equal(whole[:], rows)


def test_rows_that_are_infinite_or_not_as_many_as_promised(filed):
    rows = np.array([[1.0, 2.0], [np.inf, 3.0]])
    with pytest.raises(DataValueError, match="x: sample number 2, feature number 1 is infinite"):
        gathered([rows], (2, 2), source="x")
    with pytest.raises(DataValueError, match="x: sample number 1, feature number 2 is infinite"):
        gathered([rows], (2, 2), source="x", turned=True)
    for count in (1, 3):
        with pytest.raises(DataFileError, match="x changed while it was read"):
            gathered([np.ones((count, 2))], (2, 2), source="x")
