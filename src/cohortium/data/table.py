"""A delimited text table: a header, a name in the first column of each row, and cells.

The csv module walks the table once and settles its form: quotation marks, the number of cells in
each row, the line where each row starts. It walks it again for the numbers, which polars parses
some rows at a time; where it stumbles, a slower way goes cell by cell, and either understands the
cell (spaces around a number, ``nULL``) or names the line and column of the first that is wrong.
The text itself is never held as a whole.
"""

from __future__ import annotations

import csv
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import numpy.typing as npt
import polars as pl

from cohortium.data.files import Text
from cohortium.data.gathering import gathered
from cohortium.data.values import Matrix
from cohortium.data.wording import counted, shown
from cohortium.errors import DataFileError, DataValueError

MISSING = frozenset({"", "na", "nan", "null", "n/a", "#n/a"})
"""What stands for a missing value, in lower case."""

_COMMON_SPELLINGS = [
    "",
    "NA",
    "na",
    "NaN",
    "nan",
    "NAN",
    "null",
    "NULL",
    "Null",
    "N/A",
    "n/a",
    "#N/A",
]
# Missing by habit, but also what is left of a number that was cut: not taken for either.
_MARKS = frozenset({"-", "--", ".", "?", "*"})
_SEPARATOR_NAMES = {"\t": "tabs", ",": "commas", ";": "semicolons"}
_SEPARATORS = "\t,;"
# As Python has them, a cell takes some sixty bytes.
_CELLS_AT_ONCE = 1 << 18
_QUOTED = re.compile(r'"[^"]*"?')
_LINE = re.compile(r'(?:[^"\n]+|"[^"]*"?)+')  # line ends in quotation marks do not end it


@dataclass(frozen=True)
class Table(ABC):
    """A table whose rows all have as many cells as the header.

    ``header`` and ``names`` (the cells of the first column) have no spaces around them;
    ``lines[i]`` is the line of the file, counted from 1, where row i starts.
    """

    source: str
    header: tuple[str, ...]
    names: tuple[str, ...]
    lines: tuple[int, ...]

    @abstractmethod
    def columns(self, positions: Sequence[int]) -> list[list[str]]:
        """Return the cells of each of these columns as text without spaces around them.

        ``""`` where missing.
        """

    @abstractmethod
    def numbers(self, skip: Collection[int] = (), *, genes_in_rows: bool = False) -> Matrix:
        """Return the columns but the first and those in ``skip``, samples × features.

        Rows are samples, or else features. NaN where missing. Raises DataValueError, naming line
        and column, where a cell is neither missing nor a finite number, and as ``gathered``.
        """

    def _wanted(self, skip: Collection[int]) -> list[int]:
        return [i for i in range(1, len(self.header)) if i not in skip]

    def _shape(self, columns: Sequence[int], *, genes_in_rows: bool) -> tuple[int, int]:
        rows = len(self.names), len(columns)
        return rows[::-1] if genes_in_rows else rows


@dataclass(frozen=True)
class TextTable(Table):
    """A table in a delimited text, of which ``_rows`` are what follows the header."""

    _rows: Text = field(repr=False)
    _separator: str

    def columns(self, positions: Sequence[int]) -> list[list[str]]:
        """Return the cells of these columns, from one walk."""
        found: list[list[str]] = [[] for _ in positions]
        for _, cells in _records(self._rows, self._separator):
            for column, position in zip(found, positions, strict=True):
                cell = cells[position].strip()
                column.append("" if is_missing(cell) else cell)
        return found

    def numbers(self, skip: Collection[int] = (), *, genes_in_rows: bool = False) -> Matrix:
        """Return the numbers, from one walk."""
        columns = self._wanted(skip)
        return gathered(
            self._batches(columns, drop=bool(skip)),
            self._shape(columns, genes_in_rows=genes_in_rows),
            source=self.source,
            turned=genes_in_rows,
        )

    def _batches(self, columns: list[int], *, drop: bool) -> Iterator[npt.NDArray[np.float64]]:
        at_once = max(1, _CELLS_AT_ONCE // len(self.header))
        records = _records(self._rows, self._separator)
        while batch := list(islice(records, at_once)):
            flat: list[str] = []
            for _, cells in batch:
                flat += [cells[i] for i in columns] if drop else cells[1:]
            values = _by_polars(flat)
            if values is None:
                values = self._by_cell(batch, columns)
            yield values.reshape(len(batch), len(columns))

    def _by_cell(
        self, batch: list[tuple[int, list[str]]], columns: list[int]
    ) -> npt.NDArray[np.float64]:
        values = np.empty((len(batch), len(columns)))
        for row, (line, cells) in enumerate(batch):
            try:
                values[row] = [as_number(cells[i]) for i in columns]
            except ValueError as error:
                raise self._first_wrong(line, cells, columns) from error
        return values

    def _first_wrong(self, line: int, cells: list[str], columns: list[int]) -> DataValueError:
        column = next(i for i in columns if not _is_number(cells[i]))
        return not_a_number(self, line, column, cells[column].strip())


def not_a_number(table: Table, line: int, position: int, cell: str) -> DataValueError:
    """Return the error for a cell, which is neither missing nor a finite number."""
    try:
        infinite = math.isinf(float(cell))
    except ValueError:
        infinite = False
    problem = "is not a finite number" if infinite else "is not a number"
    if cell.count(",") == 1 and _is_number(cell.replace(",", ".")):
        remedy = "Write decimals with a point, without a thousands separator."
    elif cell in _MARKS:
        remedy = "Write NA where the value is missing."
    else:
        remedy = (
            "Correct the cell, or write NA where the value is missing; "
            "leave out columns that do not hold measurements."
        )
    return DataValueError(
        f"{table.source}, line {line}, column {shown(table.header[position])} "
        f"(number {position + 1}): {shown(cell)} {problem}.",
        remedy=remedy,
    )


def parse_table(text: Text, *, leave_out: int = 0) -> Table:
    """Return the table in a text, its separator (tab, comma, semicolon) found by content.

    ``leave_out`` lines after the header are no rows. A header with one name less than every row
    has cells, as R's write.table makes it, lacks the name of the first column. Raises DataFileError
    where there is no header, no row or one column only; DataValueError where a row has more or
    fewer cells than the header.
    """
    source, separator = text.name, _find_separator(text)
    header_lines, cells = next(_numbered(text, separator))
    header = tuple(cell.strip() for cell in cells)
    if not header:
        raise DataFileError(
            f"{source}, line 1 is empty, where the header should be.", remedy="Delete the line."
        )
    rows = text.after(header_lines + leave_out)
    names: list[str] = []
    lines: list[int] = []
    width = 0
    for line, cells in _records(rows, separator):
        if not width:
            width = len(cells)
            header = _header_as_wide_as(header, cells)
        if len(cells) != len(header):
            raise _ragged(source, line, cells, len(header), separator)
        names.append(cells[0].strip())
        lines.append(line)
    if not names:
        raise DataFileError(
            f"{source} has a header and no rows.", remedy="Check that it was copied completely."
        )
    return TextTable(source, header, tuple(names), tuple(lines), rows, separator)


def is_missing(cell: str) -> bool:
    """Return whether a cell stands for a missing value, as ``MISSING`` has it, in any case."""
    return cell.strip().lower() in MISSING


def as_number(cell: str) -> float:
    """Return a cell's number, NaN where missing; ValueError where it is neither, or infinite."""
    cell = cell.strip()
    if cell.lower() in MISSING:
        return math.nan
    # float() also takes 1_000 and the digits of other scripts: both are slips in a data file.
    if "_" in cell or not cell.isascii():
        raise ValueError
    value = float(cell)
    if math.isinf(value):
        raise ValueError
    return value


def _records(text: Text, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row, and the line of the file where it starts."""
    line = text.skip + 1
    for lines, cells in _numbered(text, separator):
        yield line, cells
        line = text.skip + lines + 1


def _numbered(text: Text, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row, and how many lines of the text were read by then."""
    reader = csv.reader(text.lines(), delimiter=separator, strict=True)
    done = 0
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise DataValueError(
                f"{text.name}, line {text.skip + done + 1}: the quotation marks of a cell that "
                "starts here do not pair up, or a cell has more than "
                f"{csv.field_size_limit():,} characters.",
                remedy="Double the quotation marks inside a quoted cell, and close it.",
            ) from error
        if cells is None:
            return
        done = reader.line_num
        yield done, cells


def _find_separator(text: Text) -> str:
    beginning = ""
    for block in text.blocks():
        beginning += block
        if beginning.count("\n") > 1:
            break
    first_lines = [_QUOTED.sub("", line.group()) for line in islice(_LINE.finditer(beginning), 2)]
    best = ("", 1, False)
    for separator in _SEPARATORS:
        widths = [line.count(separator) + 1 for line in first_lines]
        # Gene names may hold commas or semicolons, numbers do not: header and first row agree
        # on the true separator.
        agree = len(set(widths)) == 1 or widths[0] + 1 == widths[-1]
        if widths[0] > 1 and (agree, widths[0]) > (best[2], best[1]):
            best = (separator, widths[0], agree)
    if not best[0]:
        raise DataFileError(
            f"{text.name} has one column only: its first line holds no tab, comma or semicolon.",
            remedy="Give a table with a header, separated by tabs, commas or semicolons.",
        )
    return best[0]


def _by_polars(cells: list[str]) -> npt.NDArray[np.float64] | None:
    """Return the numbers of cells, None where one is neither a number nor missing as usual."""
    try:
        values = pl.Series(cells, dtype=pl.String).replace(_COMMON_SPELLINGS, None)
        numbers = values.cast(pl.Float64).to_numpy()
    except pl.exceptions.PolarsError:
        return None
    return None if np.isinf(numbers).any() else numbers


def _header_as_wide_as(header: tuple[str, ...], first_row: Sequence[str]) -> tuple[str, ...]:
    # An empty last cell is a separator too many at the end of the row, not R's short header.
    if len(first_row) == len(header) + 1 and first_row[-1].strip():
        return ("", *header)
    return header


def _ragged(source: str, line: int, cells: list[str], width: int, separator: str) -> DataValueError:
    if not cells:
        return DataValueError(f"{source}, line {line} is empty.", remedy="Delete the empty line.")
    for other in _SEPARATORS.replace(separator, ""):
        if sum(cell.count(other) for cell in cells) == width - 1:
            return DataValueError(
                f"{source}, line {line} is separated by {_SEPARATOR_NAMES[other]}, the header by "
                f"{_SEPARATOR_NAMES[separator]}.",
                remedy="Use one separator in the whole file.",
            )
    surplus = len(cells) - width
    where = (
        f"column {width + 1} and after have no name in the header"
        if surplus > 0
        else f"nothing from column {len(cells) + 1} on"
    )
    return DataValueError(
        f"{source}, line {line} has {counted(len(cells), 'cell')} where the header has "
        f"{width:,}: {where}.",
        remedy="Give every row as many cells as the header; write NA where a value is missing.",
    )


def _is_number(cell: str) -> bool:
    try:
        as_number(cell)
    except ValueError:
        return False
    return True
