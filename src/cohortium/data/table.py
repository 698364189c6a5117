"""A table: a header, a name in the first column of each row, and cells, however it is stored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from cohortium.data.values import Matrix
from cohortium.data.wording import shown


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

    def place(self, line: int, position: int) -> str:
        """Return where a cell is, for a message."""
        column = f"column {shown(self.header[position])} (number {position + 1})"
        return f"{self.source}, line {line}, {column}"

    def _wanted(self, skip: Collection[int]) -> list[int]:
        return [i for i in range(1, len(self.header)) if i not in skip]

    def _shape(self, columns: Sequence[int], *, genes_in_rows: bool) -> tuple[int, int]:
        rows = len(self.names), len(columns)
        return rows[::-1] if genes_in_rows else rows
