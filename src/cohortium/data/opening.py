"""A table, whatever it is stored in: delimited text or Parquet."""

from __future__ import annotations

from pathlib import Path

from cohortium.data.delimited import parse_table
from cohortium.data.files import PARQUET, first_bytes, open_text
from cohortium.data.parquet import parquet_table
from cohortium.data.table import Table


def open_table(path: Path) -> Table:
    """Return the table in a file; errors: as ``parquet_table``, ``open_text``, ``parse_table``."""
    if first_bytes(path).startswith(PARQUET):
        return parquet_table(path)
    return parse_table(open_text(path))
