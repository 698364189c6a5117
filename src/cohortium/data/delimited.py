"""A delimited text table, walked a few rows at a time.

The csv module walks the table once and settles its form: quotation marks, the number of cells in
each row, the line where each row starts. It walks it again for the numbers, which polars parses
some rows at a time; where it stumbles, a slower way goes cell by cell, and either understands the
cell (spaces around a number, ``nULL``) or names the line and column of the first that is wrong.
The text itself is never held as a whole.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import numpy.typing as npt

from cohortium.data.cells import as_number, as_numbers, is_missing, not_a_number
from cohortium.data.files import Text
from cohortium.data.gathering import gathered
from cohortium.data.table import Table
from cohortium.data.values import Matrix
from cohortium.data.wording import counted
from cohortium.errors import DataFileError, DataValueError

_SEPARATOR_NAMES = {"\t": "tabs", ",": "commas", ";": "semicolons"}
_SEPARATORS = "\t,;"
# As Python has them, a cell takes some sixty bytes.
_CELLS_AT_ONCE = 1 << 18
_QUOTED = re.compile(r'"[^"]*"?')
_LINE = re.compile(r'(?:[^"\n]+|"[^"]*"?)+')  # line ends in quotation marks do not end it


@dataclass(frozen=True)
class TextTable(Table):
    """A table in a delimited text, of which ``_rows`` are what follows the header."""

    _rows: Text = field(repr=False)
    _separator: str

    def columns(self, positions: Sequence[int]) -> list[list[str]]:
        """Return the cells of these columns, from one walk."""
        found: list[list[str]] = [[] for _ in positions]
        if not found:
            return found
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
            values = as_numbers(flat)
            if values is None:
                values = self._by_cell(batch, columns)
            yield values.reshape(len(batch), len(columns))

    def _by_cell(
        self, batch: list[tuple[int, list[str]]], columns: list[int]
    ) -> npt.NDArray[np.float64]:
        values = np.empty((len(batch), len(columns)))
        for row, (line, cells) in enumerate(batch):
            for column, i in enumerate(columns):
                try:
                    values[row, column] = as_number(cells[i])
                except ValueError as error:
                    raise not_a_number(self.place(line, i), cells[i].strip()) from error
        return values


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
