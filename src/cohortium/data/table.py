"""A delimited text table: a header, a name in the first column of each row, and cells.

The csv module walks the table once and settles its form: quotation marks, the number of cells in
each row, the line where each row starts. Numbers are then parsed by polars; where it stumbles, or
where there are quotation marks, a slower walk parses cell by cell, and either understands the cell
(spaces around a number, ``nULL``) or names the line and column of the first that is wrong.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from cohortium.data.files import read_text
from cohortium.data.wording import counted, shown
from cohortium.errors import DataFileError, DataValueError

MISSING = frozenset({"", "na", "nan", "null", "n/a", "#n/a"})
"""What stands for a missing value, in lower case."""

_COMMON_SPELLINGS = ["NA", "na", "NaN", "nan", "NAN", "null", "NULL", "Null", "N/A", "n/a", "#N/A"]
# Missing by habit, but also what is left of a number that was cut: not taken for either.
_MARKS = frozenset({"-", "--", ".", "?", "*"})
_SEPARATOR_NAMES = {"\t": "tabs", ",": "commas", ";": "semicolons"}
_SEPARATORS = "\t,;"
_QUOTED = re.compile(rb'"[^"]*"?')
_LINE = re.compile(rb'(?:[^"\n]+|"[^"]*"?)+')  # line ends in quotation marks do not end it


@dataclass(frozen=True)
class Table:
    """A table whose rows all have as many cells as the header.

    ``header`` and ``names`` (the cells of the first column) have no spaces around them;
    ``lines[i]`` is the line of the file, counted from 1, where row i starts.
    """

    source: str
    header: tuple[str, ...]
    names: tuple[str, ...]
    lines: tuple[int, ...]
    _text: bytes = field(repr=False)
    _separator: str
    _before: int = 0

    def column(self, position: int) -> list[str]:
        """Return the cells of one column as text without spaces around them, ``""`` if missing."""
        cells = (cells[position].strip() for _, cells in self._rows())
        return ["" if is_missing(cell) else cell for cell in cells]

    def numbers(self, skip: Collection[int] = ()) -> npt.NDArray[np.float64]:
        """Return the columns but the first and those in ``skip``, shape (rows, columns).

        NaN where missing. Raises DataValueError, naming line and column, where a cell is neither
        missing nor a finite number.
        """
        columns = [i for i in range(1, len(self.header)) if i not in skip]
        values = self._numbers_by_polars(columns)
        return self._numbers_by_cell(columns) if values is None else values

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        rows = _records(self.source, self._text, self._separator, self._before)
        next(rows)
        return rows

    def _numbers_by_polars(self, columns: list[int]) -> npt.NDArray[np.float64] | None:
        if b'"' in self._text:
            return None
        wanted = set(columns)
        schema: dict[str, type[pl.DataType]] = {
            str(i): pl.Float64 if i in wanted else pl.String for i in range(len(self.header))
        }
        try:
            frame = pl.read_csv(
                self._text[self._text.index(b"\n") + 1 :],
                has_header=False,
                separator=self._separator,
                quote_char=None,
                schema=schema,
                null_values=_COMMON_SPELLINGS,
            )
        except pl.exceptions.PolarsError:
            return None
        values = frame.select([str(i) for i in columns]).to_numpy()
        if values.shape != (len(self.names), len(columns)) or np.isinf(values).any():
            return None
        return np.ascontiguousarray(values, dtype=np.float64)

    def _numbers_by_cell(self, columns: list[int]) -> npt.NDArray[np.float64]:
        values = np.empty((len(self.names), len(columns)))
        for row, (line, cells) in enumerate(self._rows()):
            try:
                values[row] = [_number(cells[i]) for i in columns]
            except ValueError as error:
                raise self._not_a_number(line, cells, columns) from error
        return values

    def _not_a_number(self, line: int, cells: list[str], columns: list[int]) -> DataValueError:
        column = next(i for i in columns if not _is_number(cells[i]))
        cell = cells[column].strip()
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
            f"{self.source}, line {line}, column {shown(self.header[column])} "
            f"(number {column + 1}): {shown(cell)} {problem}.",
            remedy=remedy,
        )


def open_table(path: Path) -> Table:
    """Return the table in a text file; errors as ``read_text`` and ``parse_table``."""
    return parse_table(path.name, read_text(path))


def parse_table(source: str, text: bytes, *, before: int = 0) -> Table:
    """Return the table in a text, its separator (tab, comma, semicolon) found by content.

    ``before`` is the number of lines of the file that come before the text. A header with one name
    less than every row has cells, as R's write.table makes it, lacks the name of the first column.
    Raises DataFileError where there is no header, no row or one column only; DataValueError where
    a row has more or fewer cells than the header.
    """
    separator = _find_separator(source, text)
    records = _records(source, text, separator, before)
    header = tuple(cell.strip() for cell in next(records)[1])
    if not header:
        raise DataFileError(
            f"{source}, line 1 is empty, where the header should be.", remedy="Delete the line."
        )
    names: list[str] = []
    lines: list[int] = []
    width = 0
    for line, cells in records:
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
    return Table(source, header, tuple(names), tuple(lines), text, separator, before)


def is_missing(cell: str) -> bool:
    """Return whether a cell stands for a missing value, as ``MISSING`` has it, in any case."""
    return cell.strip().lower() in MISSING


def _records(
    source: str, text: bytes, separator: str, before: int
) -> Iterator[tuple[int, list[str]]]:
    lines = io.TextIOWrapper(io.BytesIO(text), encoding="utf-8", newline="\n")
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        line = before + reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise DataValueError(
                f"{source}, line {line}: the quotation marks of a cell that starts here do not "
                f"pair up, or a cell has more than {csv.field_size_limit():,} characters.",
                remedy="Double the quotation marks inside a quoted cell, and close it.",
            ) from error
        if cells is None:
            return
        yield line, cells


def _find_separator(source: str, text: bytes) -> str:
    first_lines = [_QUOTED.sub(b"", line.group()) for line in islice(_LINE.finditer(text), 2)]
    best = ("", 1, False)
    for separator in _SEPARATORS:
        widths = [line.count(separator.encode()) + 1 for line in first_lines]
        # Gene names may hold commas or semicolons, numbers do not: header and first row agree
        # on the true separator.
        agree = len(set(widths)) == 1 or widths[0] + 1 == widths[-1]
        if widths[0] > 1 and (agree, widths[0]) > (best[2], best[1]):
            best = (separator, widths[0], agree)
    if not best[0]:
        raise DataFileError(
            f"{source} has one column only: its first line holds no tab, comma or semicolon.",
            remedy="Give a table with a header, separated by tabs, commas or semicolons.",
        )
    return best[0]


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


def _number(cell: str) -> float:
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


def _is_number(cell: str) -> bool:
    try:
        _number(cell)
    except ValueError:
        return False
    return True
