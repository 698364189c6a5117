"""A Parquet table, a name in the first column of each row; read some columns at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from cohortium.data.cells import as_number, is_missing, not_a_number
from cohortium.data.gathering import gathered
from cohortium.data.table import Table
from cohortium.data.values import BLOCK_ELEMENTS, Matrix
from cohortium.data.wording import shown
from cohortium.errors import DataFileError, DataValueError

_KINDS = (pl.Boolean, pl.Null, pl.String, pl.Categorical, pl.Enum)
_PANDAS_INDEX = "__index_level_0__"  # the names of the rows: pandas writes them last


@dataclass(frozen=True)
class ParquetTable(Table):
    """A table in a Parquet file; its rows count as lines from 2 on, as under a header."""

    _path: Path
    _stored: tuple[str, ...]

    def columns(self, positions: Sequence[int]) -> list[list[str]]:
        """Return the cells of these columns."""
        found = [_texts(_column(self._path, self._stored[i])) for i in positions]
        return [["" if is_missing(cell) else cell for cell in column] for column in found]

    def numbers(self, skip: Collection[int] = (), *, genes_in_rows: bool = False) -> Matrix:
        """Return the numbers; a column of text is parsed."""
        columns = self._wanted(skip)
        return gathered(
            self._batches(columns),
            self._shape(columns, genes_in_rows=genes_in_rows),
            source=self.source,
            # What is read at a time are columns.
            turned=not genes_in_rows,
        )

    def _batches(self, columns: list[int]) -> Iterator[npt.NDArray[np.float64]]:
        at_once = max(1, BLOCK_ELEMENTS // len(self.names))
        for start in range(0, len(columns), at_once):
            some = columns[start : start + at_once]
            frame = _read(self._path, [self._stored[i] for i in some])
            yield np.stack([self._numbers(i, frame[self._stored[i]]) for i in some])

    def _numbers(self, position: int, column: pl.Series) -> npt.NDArray[np.float64]:
        if column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null):
            numbers = column.cast(pl.Float64).to_numpy()
            if not np.isinf(numbers).any():
                return numbers
        cells = _texts(column)
        values = np.empty(len(cells))
        for row, cell in enumerate(cells):
            try:
                values[row] = as_number(cell)
            except ValueError as error:
                raise not_a_number(self.place(self.lines[row], position), cell) from error
        return values


def parquet_table(path: Path) -> Table:
    """Return the table in a Parquet file.

    Raises DataFileError where it can not be read, has no row or one column only; DataValueError
    where a column holds neither numbers nor text.
    """
    try:
        schema = pl.read_parquet_schema(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _damaged(path) from error
    for name, kind in schema.items():
        if not (kind.is_numeric() or kind in _KINDS):
            raise DataValueError(
                f"{path.name}, column {shown(name)} holds neither numbers nor text, but "
                f"{str(kind).partition('(')[0]}.",
                remedy="Leave it out, or give each of its numbers a column.",
            )
    stored = list(schema)
    if _PANDAS_INDEX in stored:
        stored.remove(_PANDAS_INDEX)
        stored.insert(0, _PANDAS_INDEX)
    if len(stored) < 2:
        raise DataFileError(
            f"{path.name} has {len(stored)} of the two columns that a table needs.",
            remedy="Give a table with a column of names and a column for each feature or sample.",
        )
    names = _texts(_column(path, stored[0]))
    if not names:
        raise DataFileError(
            f"{path.name} has a header and no rows.", remedy="Check that it was copied completely."
        )
    header = tuple(name.strip() for name in stored)
    lines = tuple(range(2, len(names) + 2))
    return ParquetTable(path.name, header, tuple(names), lines, path, tuple(stored))


def _column(path: Path, name: str) -> pl.Series:
    return _read(path, [name])[name]


def _read(path: Path, columns: list[str]) -> pl.DataFrame:
    try:
        return pl.read_parquet(path, columns=columns)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _damaged(path) from error


def _texts(column: pl.Series) -> list[str]:
    return [cell.strip() for cell in column.cast(pl.String).fill_null("").to_list()]


def _damaged(path: Path) -> DataFileError:
    return DataFileError(
        f"{path.name} can not be read as a Parquet table of texts and numbers.",
        remedy="Check that it was copied completely, and that no column holds lists.",
    )
