"""Text tables of public repositories: GCT (Broad Institute) and the series matrix (GEO).

Both have genes in rows, and say something of each sample before the measurements.
"""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from itertools import islice

from cohortium.data.annotated import Annotated
from cohortium.data.delimited import parse_table
from cohortium.data.expression import genes_in_rows
from cohortium.data.files import Text
from cohortium.data.wording import counted, shown
from cohortium.errors import DataFileError

GCT = (b"#1.2", b"#1.3")
SERIES = (b"!Series_", b"!Sample_")
_BEGIN, _END = "!series_matrix_table_begin", "!series_matrix_table_end"
_CHARACTERISTICS = "!Sample_characteristics_ch1"
_WHOLE = re.compile(r"[0-9]{1,12}")
_ABOUT = re.compile(r"!Sample_(\w+)")


def read_gct(text: Text) -> Annotated:
    """Return a GCT table, version 1.2 or 1.3; columns are 1.3's rows about samples.

    Raises DataFileError where its second line does not fit the table.
    """
    name, lines = text.name, text.lines()
    version, numbers = next(lines).strip(), next(lines, "").split()
    wanted = 4 if version == "#1.3" else 2
    if len(numbers) < wanted or not all(_WHOLE.fullmatch(each) for each in numbers[:wanted]):
        raise DataFileError(
            f"{name}, line 2: {wanted} whole numbers should say how large the table is.",
            remedy="Export the file again.",
        )
    genes, samples, about_genes, about_samples = [*map(int, numbers[:wanted]), 1, 0][:4]
    header = next(lines, "")
    if not header.strip():
        raise DataFileError(
            f"{name} has no table after line 2.", remedy="Check that it was copied completely."
        )
    about = list(islice(lines, about_samples))
    first = 1 + about_genes
    table = parse_table(text.after(2), leave_out=about_samples)
    if len(table.names) != genes or len(table.header) - first != samples:
        raise DataFileError(
            f"{name}, line 2 says {counted(genes, 'gene')} × {counted(samples, 'sample')}, but the "
            f"table has {len(table.names):,} × {max(0, len(table.header) - first):,}.",
            remedy="It is cut off or was edited: export it again.",
        )
    columns = {}
    for number, line in enumerate(about, 4):
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) != len(table.header):
            raise DataFileError(
                f"{name}, line {number} has {counted(len(cells), 'cell')} where the header "
                f"has {len(table.header):,}.",
                remedy="It is cut off or was edited: export it again.",
            )
        columns[cells[0]] = ["" if cell == "-666" else cell for cell in cells[first:]]
    return Annotated(genes_in_rows(table, first), columns)


def read_series_matrix(text: Text) -> Annotated:
    """Return a GEO series matrix; columns are the samples' characteristics and other facts.

    A characteristic "key: value" is the column "key". Raises DataFileError where the table is not
    there or not whole.
    """
    head: list[str] = []
    for line in text.lines():
        if line.startswith(_BEGIN):
            break
        head.append(line)
    else:
        raise DataFileError(
            f"{text.name} has no line {_BEGIN}: the table is not there, or cut off.",
            remedy="Download the series matrix again; a series of RNA sequencing often has none, "
            "its counts are in a supplementary file.",
        )
    body = replace(text.after(len(head) + 1), until=_END)
    if len(list(islice(body.lines(), 2))) < 2:
        raise DataFileError(
            f"{text.name} has a series matrix without rows.",
            remedy="Its measurements are elsewhere: see the series' supplementary files.",
        )
    cohort = genes_in_rows(parse_table(body))
    return Annotated(cohort, _facts(head, len(cohort.samples), text.name))


def _facts(head: list[str], samples: int, source: str) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {}
    for line in head:
        found = _ABOUT.match(line)
        if found is None:
            continue
        # One line at a time: quotation marks in what people wrote need not pair up.
        try:
            cells = next(csv.reader([line], delimiter="\t"))
        except csv.Error:
            continue  # a cell too long to be a label
        values = cells[1:]
        if len(values) != samples:
            raise DataFileError(
                f"{source}: {shown(cells[0])} tells of {counted(len(values), 'sample')}, the table "
                f"has {samples:,}.",
                remedy="It was edited or is damaged: download it again.",
            )
        if cells[0] == _CHARACTERISTICS:
            # A line may mix keys: each cell goes where its own key says.
            for place, cell in enumerate(values):
                key, colon, value = cell.partition(":")
                if colon:
                    columns.setdefault(key.strip(), [""] * samples)[place] = value.strip()
        else:
            columns.setdefault(found.group(1), values)
    return columns
