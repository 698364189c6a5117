"""Matrices in binary files: AnnData (h5ad) and NumPy (npz); samples in rows."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cohortium.data.annotated import Annotated
from cohortium.data.cohort import Cohort
from cohortium.data.extras import imported
from cohortium.errors import DataFileError, DataValueError

_NPZ = "values (samples × features), samples, features, and a text for each sample in any others"


def read_h5ad(path: Path) -> Annotated:
    """Return an AnnData file's X, its observations as samples; columns are those of ``obs``.

    Raises DataFileError where it can not be read, DataValueError where X holds no numbers.
    """
    anndata = imported("anndata", "h5ad", path.name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = anndata.read_h5ad(path)
        values = data.X.toarray() if hasattr(data.X, "toarray") else np.asarray(data.X)
        columns = {
            str(name): ["" if missing else str(cell) for cell, missing in _cells(data.obs[name])]
            for name in data.obs.columns
        }
        samples, features = map(str, data.obs_names), map(str, data.var_names)
    except Exception as error:  # noqa: BLE001 - whatever the library thinks of a damaged file
        raise DataFileError(
            f"{path.name} can not be read as an AnnData file ({type(error).__name__}).",
            remedy="Check that it was copied completely, and that anndata wrote it.",
        ) from None
    numbers = _numbers(values, path.name)
    return Annotated(Cohort(numbers, tuple(samples), tuple(features), source=path.name), columns)


def _cells(column: Any) -> list[tuple[object, bool]]:
    return list(zip(column, column.isna(), strict=True))


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
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise DataFileError(
            f"{path.name} can not be read as NumPy arrays ({type(error).__name__}).",
            remedy=f"Save it anew with numpy.savez, without objects: {_NPZ}.",
        ) from None
    absent = [name for name in ("values", "samples", "features") if name not in arrays]
    if absent:
        raise DataFileError(
            f"{path.name} has no array {' and no array '.join(absent)}.", remedy=f"Save {_NPZ}."
        )
    values, samples, features = (arrays.pop(name) for name in ("values", "samples", "features"))
    numbers = _numbers(values, path.name)
    wrong = [name for name, array in arrays.items() if array.shape != (len(numbers),)]
    if wrong:
        raise DataValueError(
            f"{path.name}: {wrong[0]} has not one text for each of {len(numbers):,} samples.",
            remedy=f"Save {_NPZ}.",
        )
    columns = {name: [str(cell) for cell in array] for name, array in arrays.items()}
    cohort = Cohort(
        numbers,
        _names(samples, "samples", path.name),
        _names(features, "features", path.name),
        source=path.name,
    )
    return Annotated(cohort, columns)


def _numbers(values: npt.NDArray[Any], source: str) -> npt.NDArray[np.float64]:
    if values.dtype.kind not in "biuf" or values.ndim != 2:
        raise DataValueError(
            f"{source}: the values are not a table of numbers.",
            remedy="Save a matrix of numbers, samples in rows, NaN where missing.",
        )
    return np.asarray(values, dtype=np.float64)


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
