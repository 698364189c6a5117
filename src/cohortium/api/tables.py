"""A site's data as Python has them – a table, arrays, a cohort – as the arrays of an npz file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from cohortium.data import Cohort
from cohortium.data.wording import counted, examples
from cohortium.errors import DataValueError, LabelError, ParameterError
from cohortium.study.schema import DataSection

# What the arrays besides the label's are called in the file (``read_npz``), and in np.savez.
_TAKEN = ("values", "samples", "features", "file", "allow_pickle")


def site_arrays(
    given: Any, settings: DataSection, party: str, group: str | None = None
) -> dict[str, Any]:
    """Return ``values``, ``samples``, ``features`` and the label's column, as npz files have them.

    A DataFrame has samples in rows and a column of the name ``settings.label``, and those of
    ``settings.weight`` and ``group`` where the study names them. Its first other column
    names the samples if it is text; otherwise the index of a pandas DataFrame does. ``(X, y)`` and
    ``(X, y, feature names)``: y holds the classes' names, or 1 and 0 for the positive and the
    negative one; features without names are x0, x1, …

    Raises ParameterError for anything else, DataValueError where a value is not a number,
    LabelError where the label's column is not there; more is found when the file is read.
    """
    label = settings.label or "label"
    besides = [name for name in (label, settings.weight, group) if name is not None]
    for taken in set(besides) & set(_TAKEN):
        raise ParameterError(
            f"A column of a table in Python can not be called {taken!r} in the study.",
            remedy="Rename the column, there and in the study.",
        )
    if isinstance(given, Cohort):
        return _of_cohort(given, label, settings.weight, group)
    if isinstance(given, pl.DataFrame):
        return _of_table(given, besides, party)
    if type(given).__module__.partition(".")[0] == "pandas" and hasattr(given, "columns"):
        return _of_table(_from_pandas(given), besides, party)
    if isinstance(given, (tuple, list)) and len(given) in (2, 3):
        return _of_arrays(given, settings, label, party)
    raise ParameterError(
        f"A {type(given).__name__} is no data of {party}.",
        remedy="Give a path, a DataFrame, (X, y), (X, y, feature names) or a Cohort.",
    )


def feature_names(X: Any, count: int) -> list[str]:
    """Return the names of a DataFrame's columns, of an array's x0, x1, …"""
    columns = getattr(X, "columns", None)
    return [f"x{i}" for i in range(count)] if columns is None else [str(each) for each in columns]


def _of_cohort(
    cohort: Cohort, label: str, weight: str | None, group: str | None
) -> dict[str, NDArray[Any]]:
    arrays = _named(cohort.values[:, :], cohort.samples, cohort.features)
    if cohort.labels is not None and cohort.numeric:
        arrays[label] = _texts(cohort.labels.tolist())
    elif cohort.labels is not None:
        names = np.array([cohort.negative, cohort.positive], dtype=str)
        arrays[label] = names[cohort.labels.astype(np.int64)]
    if weight is not None and cohort.weights is not None:
        arrays[weight] = _texts(cohort.weights.tolist())
    if group is not None and cohort.groups is not None:
        arrays[group] = _texts(list(cohort.groups))
    return arrays


def _from_pandas(frame: Any) -> pl.DataFrame:
    """Return a polars table of the same columns, the index before them if there is no text."""
    columns = {str(name): frame.iloc[:, place] for place, name in enumerate(frame.columns)}
    if len(columns) < frame.shape[1]:
        raise DataValueError("Two columns have the same name.", remedy="Rename one of them.")
    table = {name: _cells(column) for name, column in columns.items()}
    first = next(iter(table.values()), pl.Series([]))
    if frame.index.dtype.kind == "O" and first.dtype != pl.String:
        table = {"sample (index)": pl.Series([str(each) for each in frame.index]), **table}
    return pl.DataFrame(table)


def _cells(column: Any) -> pl.Series:
    if column.dtype.kind in "biuf":
        return pl.Series(np.asarray(column))
    return pl.Series([None if missing else str(cell) for cell, missing in _pairs(column)])


def _pairs(column: Any) -> list[tuple[Any, bool]]:
    return list(zip(column, column.isna(), strict=True))


def _of_table(table: pl.DataFrame, besides: Sequence[str], party: str) -> dict[str, NDArray[Any]]:
    for name in besides:
        if name not in table.columns:
            raise LabelError(
                f"The table of {party} has no column {name!r}.",
                remedy="The study names the columns of labels, weights and groups: correct either.",
                party=party,
            )
    columns = [name for name in table.columns if name not in besides]
    samples: Sequence[str] = [str(row + 1) for row in range(len(table))]
    if columns and not _is_number(table[columns[0]]):
        samples = ["" if cell is None else str(cell) for cell in table[columns.pop(0)]]
    if text := [name for name in columns if not _is_number(table[name])]:
        raise DataValueError(
            f"The table of {party} has {counted(len(text), 'column')} that are not numbers: "
            f"{examples(text)}.",
            remedy="Leave them out; text in the first column names the samples.",
            party=party,
        )
    values = np.empty((len(table), len(columns)))
    for place, name in enumerate(columns):
        # A missing cell becomes NaN.
        values[:, place] = table[name].cast(pl.Float64).to_numpy()
    told = {name: _texts(table[name].to_list()) for name in besides}
    return {**_named(values, samples, columns), **told}


def _is_number(column: pl.Series) -> bool:
    return column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null)


def _of_arrays(
    given: Sequence[Any], settings: DataSection, label: str, party: str
) -> dict[str, NDArray[Any]]:
    try:
        values = np.asarray(given[0], dtype=np.float64)
    except (TypeError, ValueError):
        raise DataValueError(
            f"X of {party} is not a table of numbers.",
            remedy="Give numbers, samples in rows, NaN where missing.",
            party=party,
        ) from None
    if values.ndim != 2:
        raise DataValueError(
            f"X of {party} has the shape {values.shape}.",
            remedy="Give samples in rows and features in columns.",
            party=party,
        )
    names = list(given[2]) if len(given) == 3 else feature_names(given[0], values.shape[1])
    labels = _classes(given[1], settings)
    if len(labels) != len(values):
        raise LabelError(
            f"{party} has {counted(len(values), 'sample')} and {counted(len(labels), 'label')}.",
            remedy="Give one label for each sample.",
            party=party,
        )
    samples = [str(row + 1) for row in range(len(values))]
    return {**_named(values, samples, names), label: labels}


def _classes(y: ArrayLike, settings: DataSection) -> NDArray[Any]:
    """Return labels as text; 1 and 0 as the names of the classes, unless these are numbers."""
    texts = _texts(np.asarray(y).ravel().tolist())
    if settings.positive is None or not set(texts) <= {"0", "1", ""}:
        return texts
    if {settings.positive, settings.negative} & {"0", "1"}:
        return texts
    names = {"1": settings.positive, "0": settings.negative or "0", "": ""}
    return np.array([names[text] for text in texts], dtype=str)


def _texts(cells: Sequence[Any]) -> NDArray[Any]:
    """Return cells as text, "" where missing; True is 1, and a whole number has no point."""
    return np.array([_text(cell) for cell in cells], dtype=str)


def _text(cell: Any) -> str:
    if cell is None or cell != cell:
        return ""
    if isinstance(cell, (bool, float)) and int(cell) == cell:
        return str(int(cell))
    return str(cell)


def _named(
    values: NDArray[np.float64], samples: Sequence[str], features: Sequence[Any]
) -> dict[str, NDArray[Any]]:
    names = [str(each) for each in features]
    return {
        "values": values,
        "samples": np.array(samples, dtype=str),
        "features": np.array(names, dtype=str),
    }
