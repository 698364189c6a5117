"""What a cell of a table means: a number, a missing value, or neither."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import polars as pl

from cohortium.data.wording import shown
from cohortium.errors import DataValueError

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


def as_numbers(cells: list[str]) -> npt.NDArray[np.float64] | None:
    """Return the numbers of cells, None where one is neither a number nor missing as usual."""
    try:
        values = pl.Series(cells, dtype=pl.String).replace(_COMMON_SPELLINGS, None)
        numbers = values.cast(pl.Float64).to_numpy()
    except pl.exceptions.PolarsError:
        return None
    return None if np.isinf(numbers).any() else numbers


def not_a_number(where: str, cell: str) -> DataValueError:
    """Return the error for a cell that is neither missing nor a finite number."""
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
            "Correct the cell, or write NA where the value is missing; leave out columns that do "
            "not hold measurements, or name the labels' by --label or in the study's [data]."
        )
    return DataValueError(
        f"{where}: {shown(cell)} {problem}.",
        remedy=remedy,
    )


def _is_number(cell: str) -> bool:
    try:
        as_number(cell)
    except ValueError:
        return False
    return True
