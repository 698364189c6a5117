"""Expression tables: text with one number for each sample and gene, either of them in rows.

Which of the two is in rows is found from the label, never from the shape: a label file's sample
names are either in the header or in the first column, and a label column in the table itself means
samples in rows. Where the label does not tell, the user has to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from cohortium.data.annotated import Annotated
from cohortium.data.attributes import SampleTexts
from cohortium.data.cohort import Cohort
from cohortium.data.labels import (
    LabelRequest,
    place_of,
    read_label_file,
    refuse_repeated_samples,
)
from cohortium.data.table import Table
from cohortium.data.wording import counted, examples, nearest, repeated, shown, some, stated
from cohortium.errors import DataValueError, FeatureError, LabelError, ParameterError

Orientation = Literal["samples_in_rows", "genes_in_rows"]

_STATE_IT = (
    f"State it ({stated('orientation')}): samples_in_rows (one line a sample) or genes_in_rows "
    "(one line a gene)."
)
_ONE_VALUE_A_GENE = (
    "Keep one value for each gene (the mean of its probes, say), or give them different names."
)


def read_expression(
    table: Table,
    request: LabelRequest,
    orientation: Orientation | None = None,
    apart: Sequence[str] = (),
) -> Annotated:
    """Return the cohort in an expression table, and its columns that are no features.

    Those are the label's and the ones ``apart``, of a table with samples in rows.
    ``orientation`` None finds it from the label. Raises DataFileError, DataValueError,
    FeatureError, LabelError or, where the orientation can not be found, ParameterError.
    """
    label_file = read_label_file(request) if request.file is not None else None
    if orientation is None:
        orientation = _find_orientation(table, request, label_file)
    if orientation == "genes_in_rows":
        if label_file is None and request.column is not None:
            raise LabelError(
                f"{table.source} has genes in rows: a label can not be one of its columns.",
                remedy="Give the labels in a file of their own: FILE,labels=LABELFILE.",
            )
        return Annotated(genes_in_rows(table))
    return _samples_in_rows(table, request, label_file, apart)


def genes_in_rows(table: Table, first_sample: int = 1) -> Cohort:
    """Return the cohort, without labels, of a table with genes in rows.

    Samples are the columns from ``first_sample`` on. Raises DataValueError or FeatureError.
    """
    samples = table.header[first_sample:]
    _refuse_unnamed(table, first_sample, "sample")
    if twice := repeated(samples):
        raise DataValueError(
            f"{table.source}, header: {counted(len(twice), 'sample name')} used more than once: "
            f"{some(_columns_of(twice, first_sample))}.",
            remedy="Give every sample a name of its own.",
        )
    if "" in table.names:
        line = table.lines[table.names.index("")]
        raise FeatureError(
            f"{table.source}, line {line}, column {shown(table.header[0])} (number 1): "
            "the gene has no name.",
            remedy="Give the gene a name, or delete the line.",
        )
    if twice := repeated(table.names):
        where = [
            f"{shown(name)} in lines {' and '.join(str(table.lines[row]) for row in rows)}"
            for name, rows in twice.items()
        ]
        raise FeatureError(
            f"{table.source}: {counted(len(twice), 'gene')} found more than once: {some(where)}.",
            remedy=_ONE_VALUE_A_GENE,
        )
    values = table.numbers(range(1, first_sample), genes_in_rows=True)
    return Cohort(values, samples, table.names, source=table.source)


def _samples_in_rows(
    table: Table, request: LabelRequest, label_file: SampleTexts | None, apart: Sequence[str]
) -> Annotated:
    _refuse_unnamed(table, 1, "gene")
    if twice := repeated(table.header[1:]):
        raise FeatureError(
            f"{table.source}, header: {counted(len(twice), 'gene')} found more than once: "
            f"{some(_columns_of(twice, 1))}.",
            remedy=_ONE_VALUE_A_GENE,
        )
    refuse_repeated_samples(table)
    if label_file is not None and label_file.column in table.header[1:]:
        # It would be trained on as a gene, and predict itself.
        raise LabelError(
            f"The label {shown(label_file.column)} is a column of {table.source} as well as of "
            f"{label_file.source}.",
            remedy=f"Take it out of {table.source}, or read it from there without a label file.",
        )
    own = [name for name in apart if name in table.header[1:]]
    if label_file is None and request.column is not None:
        own += [*request.further.values(), request.column]
    skip = {name: place_of(table, name) for name in own}
    features = [name for i, name in enumerate(table.header) if i and i not in skip.values()]
    numbers = table.numbers(set(skip.values()))
    cohort = Cohort(numbers, table.names, tuple(features), source=table.source)
    columns = dict(zip(skip, table.columns(list(skip.values())), strict=True))
    return Annotated(cohort, columns, table.lines)


def _find_orientation(
    table: Table, request: LabelRequest, label_file: SampleTexts | None
) -> Orientation:
    if label_file is not None:
        in_header = sum(name in label_file.texts for name in table.header[1:])
        in_rows = sum(name in label_file.texts for name in table.names)
        if in_header and in_rows:
            raise ParameterError(
                f"{table.source}: names of {label_file.source} are both in the header "
                f"({in_header:,}) and in the first column ({in_rows:,}).",
                remedy=_STATE_IT,
            )
        if not in_header and not in_rows:
            raise LabelError(
                f"None of the {counted(len(label_file.texts), 'sample')} of {label_file.source} "
                f"({examples(list(label_file.texts))}) is in {table.source}: its header has "
                f"{examples(table.header[1:])}, its first column {examples(table.names)}.",
                remedy="Use the same sample names in both files.",
            )
        return "genes_in_rows" if in_header else "samples_in_rows"
    if request.column is None:
        raise ParameterError(
            f"{table.source}: without a label it can not be told whether samples or genes are in "
            "rows.",
            remedy=_STATE_IT,
        )
    if request.column in table.header[1:]:
        return "samples_in_rows"
    if request.column in table.names:
        line = table.lines[table.names.index(request.column)]
        raise LabelError(
            f"{table.source} has the label {shown(request.column)} as a row (line {line}), not as "
            "a column.",
            remedy="Move it to a file of its own (FILE,labels=LABELFILE), or turn rows into "
            "columns.",
        )
    raise LabelError(
        f"{table.source} has no column {shown(request.column)}.",
        remedy=nearest(request.column, table.header[1:])
        or "Give the column that holds the classes, or a label file: FILE,labels=LABELFILE.",
    )


def _refuse_unnamed(table: Table, first: int, what: str) -> None:
    if "" in table.header[first:]:
        column = table.header.index("", first) + 1
        error = DataValueError if what == "sample" else FeatureError
        raise error(
            f"{table.source}, header: column number {column} has no name, so its {what} has none.",
            remedy="Give the column a name, or delete it (an empty one may come from a separator "
            "at the end of every line).",
        )


def _columns_of(twice: dict[str, list[int]], first: int) -> list[str]:
    return [
        f"{shown(name)} in columns {' and '.join(str(place + first + 1) for place in places)}"
        for name, places in twice.items()
    ]
