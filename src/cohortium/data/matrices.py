"""Matrices in binary files: AnnData (h5ad) and NumPy (npz); samples in rows."""

from __future__ import annotations

import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cohortium.data.annotated import Annotated
from cohortium.data.cohort import Cohort
from cohortium.data.extras import imported
from cohortium.data.gathering import gathered
from cohortium.data.values import BLOCK_ELEMENTS, Matrix
from cohortium.data.wording import counted, said
from cohortium.errors import CohortiumError, DataFileError, DataValueError

_NPZ = "values (samples × features), samples, features, and a text for each sample in any others"
# RuntimeError: it is encrypted, or compressed by a method that Python lacks.
_OF_ARCHIVES = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
_NEEDED = ("values", "samples", "features")


def read_h5ad(path: Path) -> Annotated:
    """Return an AnnData file's X, its observations as samples; columns are those of ``obs``.

    Of the file's other parts nothing is read. Raises DataFileError where it can not be read,
    DataValueError where X holds no numbers.
    """
    anndata = imported("anndata", "h5ad", path.name)
    h5py = imported("h5py", "h5ad", path.name)
    try:
        with warnings.catch_warnings(), h5py.File(path, "r") as file:
            warnings.simplefilter("ignore")
            if missing := [part for part in ("X", "obs", "var") if part not in file]:
                raise DataFileError(
                    f"{path.name} is an HDF5 file without {' and '.join(missing)}, so no AnnData.",
                    remedy="Save it with anndata, measurements in X: a file of 10x Genomics, say, "
                    "by anndata's or scanpy's readers.",
                )
            obs, var = (anndata.io.read_elem(file[part]) for part in ("obs", "var"))
            columns = {
                str(name): [
                    "" if missing else str(cell)
                    for cell, missing in zip(obs[name], obs[name].isna(), strict=True)
                ]
                for name in obs.columns
            }
            samples, features = tuple(map(str, obs.index)), tuple(map(str, var.index))
            stored = file["X"]
            if not hasattr(stored, "dtype"):
                stored = anndata.io.sparse_dataset(stored)
            values = _from_hdf5(stored, (len(samples), len(features)), path.name)
    except CohortiumError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the library thinks of a damaged file
        # What others say is of Python's objects.
        told = said(error) if isinstance(error, OSError) else ""
        raise DataFileError(
            f"{path.name} can not be read as an AnnData file{told}.",
            remedy="Check that it was copied completely, and that anndata wrote it; one of a very "
            "old version should be opened with anndata and saved anew.",
        ) from None
    return Annotated(Cohort(values, samples, features, source=path.name), columns)


def _from_hdf5(stored: Any, names: tuple[int, int], source: str) -> Matrix:
    """Return X, dense or sparse, read some rows at a time, of columns that are stored as such."""
    _check_numbers(stored.dtype, stored.shape, names, source)
    turned = getattr(stored, "format", "") == "csc"
    if hasattr(stored, "group"):
        _check_pointers(stored.group, stored.shape[turned])
    rows, width = stored.shape[::-1] if turned else stored.shape

    def batches() -> Iterator[npt.NDArray[Any]]:
        for some in _slices(rows, width):
            batch = stored[:, some] if turned else stored[some]
            if hasattr(batch, "toarray"):
                # Places beyond the matrix would be written to beyond its memory.
                batch.check_format(full_check=True)
                batch = batch.toarray()
            yield batch.T if turned else batch

    return gathered(batches(), names, source=source, turned=turned, dtype=_exact(stored.dtype))


def _check_pointers(group: Any, rows: int) -> None:
    """Raise ValueError where a sparse matrix's rows are not one after the other in its data."""
    pointers = group["indptr"][:].astype(np.int64)
    length = len(group["data"])
    whole = len(pointers) == rows + 1 and len(group["indices"]) == length
    if not whole or pointers[0] != 0 or pointers[-1] != length or (np.diff(pointers) < 0).any():
        raise ValueError("pointers that lead out of the data")


def is_npz(path: Path) -> bool:
    """Return whether a ZIP archive is one that NumPy wrote."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def read_npz(path: Path) -> Annotated:
    """Return the arrays ``values``, ``samples``, ``features`` of an npz file; others are columns.

    Nothing in it is executed: pickled arrays are refused. Raises DataFileError or DataValueError.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files if name != "values"}
            absent = [name for name in _NEEDED if name not in stored.files]
        if absent:
            raise DataFileError(
                f"{path.name} has no array {' and no array '.join(absent)}.",
                remedy=f"Save {_NPZ}.",
            )
        samples, features = (_names(arrays.pop(name), name, path.name) for name in _NEEDED[1:])
        values = _from_npz(path, (len(samples), len(features)))
    except CohortiumError:
        raise
    except (*_OF_ARCHIVES, OSError, ValueError, MemoryError) as error:
        raise DataFileError(
            f"{path.name} can not be read as NumPy arrays{said(error)}.",
            remedy="If it is not cut off or damaged, save it anew with numpy.savez, without "
            f"objects: {_NPZ}.",
        ) from None
    wrong = [name for name, array in arrays.items() if array.shape != (len(samples),)]
    if wrong:
        raise DataValueError(
            f"{path.name}: {wrong[0]} has not one text for each of {len(samples):,} samples.",
            remedy=f"Save {_NPZ}.",
        )
    columns = {name: [str(cell) for cell in array] for name, array in arrays.items()}
    return Annotated(Cohort(values, samples, features, source=path.name), columns)


def _from_npz(path: Path, names: tuple[int, int]) -> Matrix:
    """Return the array ``values``, read some rows at a time."""
    npy = np.lib.format
    with zipfile.ZipFile(path) as archive, archive.open("values.npy") as member:
        version = npy.read_magic(member)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, turned, dtype = read(member)
        if dtype.hasobject:
            raise ValueError("it holds objects, which are never loaded")
        _check_numbers(dtype, shape, names, path.name)
        rows, width = shape[::-1] if turned else shape

        def batches() -> Iterator[npt.NDArray[Any]]:
            for some in _slices(rows, width):
                count = len(range(*some.indices(rows)))
                data = member.read(count * width * dtype.itemsize)
                yield np.frombuffer(data, dtype).reshape(count, width)

        return gathered(batches(), names, source=path.name, turned=turned, dtype=_exact(dtype))


def _slices(rows: int, width: int) -> Iterator[slice]:
    at_once = max(1, BLOCK_ELEMENTS // max(1, width))
    return (slice(start, start + at_once) for start in range(0, rows, at_once))


def _exact(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the smaller of float32 and float64 that holds all numbers of a type."""
    return np.promote_types(dtype, np.float32)


def _check_numbers(
    dtype: np.dtype[Any], shape: tuple[int, ...], names: tuple[int, int], source: str
) -> None:
    if dtype.kind not in "biuf" or len(shape) != 2:
        raise DataValueError(
            f"{source}: the values are not a table of numbers.",
            remedy="Save a matrix of numbers, samples in rows, NaN where missing.",
        )
    if tuple(shape) != names:
        raise DataValueError(
            f"{source}: the values have shape {tuple(shape)}, but there are "
            f"{counted(names[0], 'sample')} and {counted(names[1], 'feature')}.",
            remedy="Give one row for each sample and one column for each feature.",
        )


def _names(array: npt.NDArray[Any], name: str, source: str) -> tuple[str, ...]:
    if array.ndim != 1 or array.dtype.kind not in "USiu":
        raise DataValueError(f"{source}: {name} is not a list of names.", remedy=f"Save {_NPZ}.")
    try:
        return tuple(cell.decode() if isinstance(cell, bytes) else str(cell) for cell in array)
    except UnicodeDecodeError:
        raise DataValueError(
            f"{source}: {name} has names that are not UTF-8.",
            remedy="Save them as text, not as bytes.",
        ) from None
