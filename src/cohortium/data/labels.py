"""From the words of a label column to classes, 1 for the positive and 0 for the negative.

Or to numbers, where they are asked for. Every reader uses this module, whatever its format, so that
a label means the same everywhere. The label is a column of the cohort's own table, or of a label
file whose first column holds the names of the samples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from cohortium.data.attributes import GROUP, WEIGHT, SampleTexts, numbers_of, with_attributes
from cohortium.data.cohort import Cohort
from cohortium.data.opening import open_table
from cohortium.data.table import Table
from cohortium.data.wording import (
    class_list,
    counted,
    examples,
    nearest,
    repeated,
    shown,
    some,
    stated,
)
from cohortium.errors import DataValueError, LabelError, ParameterError

_NAME_IT = f"Name the label's column ({stated('label')}), or its file: FILE,labels=LABELFILE."
MissingLabel = Literal["error", "drop"]


@dataclass(frozen=True)
class LabelRequest:
    """Which label a cohort is to have.

    ``column`` is the label's column, in ``file`` if given, else in the cohort's own table; with
    a file it may be None where the file has one column beside the samples' names. ``positive``
    names the class coded as 1; without it, 1 is positive where the classes are 0 and 1.
    ``negative`` is needed where there are more than two classes: samples of the others are left
    out. ``missing`` says what happens to samples without a label. With ``numbers`` labels are
    numbers, not classes. ``weight`` and ``group`` are further columns where the label's is. Raises
    ParameterError where these contradict one another.
    """

    column: str | None = None
    file: Path | None = None
    positive: str | None = None
    negative: str | None = None
    missing: MissingLabel = "error"
    numbers: bool = False
    weight: str | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        if self.missing not in ("error", "drop"):
            raise ParameterError(
                f"missing_label is {shown(str(self.missing))}.",
                remedy="Choose error or drop.",
            )
        if not self.wanted and (self.positive is not None or self.negative is not None):
            raise ParameterError(
                "A class is named, but no label.",
                remedy=_NAME_IT,
            )
        if self.numbers and (self.positive is not None or self.negative is not None):
            raise ParameterError(
                "A class is named, but labels are to be numbers.",
                remedy="Leave out positive and negative, or ask for classes.",
            )
        if self.further and not self.wanted:
            raise ParameterError(
                f"A column is named for each sample's {' and '.join(self.further)}, but no label.",
                remedy=_NAME_IT,
            )
        columns = [self.column, *self.further.values()]
        if len(set(columns)) < len(columns):
            raise ParameterError(
                f"Label, weight and group can not be one column ({shown(str(self.column))}).",
                remedy="Name a column for each.",
            )
        if self.negative is not None and self.positive is None:
            raise ParameterError(
                "The negative class is named, but not the positive.",
                remedy=f"Name the positive one too: {stated('positive')}.",
            )
        if self.positive is not None and self.positive == self.negative:
            raise ParameterError(
                f"The positive and the negative class are both {shown(self.positive)}.",
                remedy="Name two different classes.",
            )

    @property
    def wanted(self) -> bool:
        """Whether the cohort is to have labels at all."""
        return self.column is not None or self.file is not None

    @property
    def further(self) -> dict[str, str]:
        """The columns of weights and groups, by what they are."""
        named = {WEIGHT: self.weight, GROUP: self.group}
        return {what: column for what, column in named.items() if column is not None}


def read_label_file(request: LabelRequest) -> SampleTexts:
    """Return the label column of the request's file.

    Raises LabelError where the column is not in the file, DataValueError where a sample has two
    rows, and the errors of ``open_table``.
    """
    if request.file is None:
        raise ParameterError("There is no label file.", remedy="Give one: FILE,labels=LABELFILE.")
    table = open_table(request.file)
    taken = set(request.further.values())
    choices = [name for name in table.header[1:] if name not in taken]
    if request.column is None and len(choices) > 1:
        raise LabelError(
            f"{table.source} has {len(choices)} columns that could be the label: "
            f"{examples(choices, 10)}.",
            remedy=f"Name one of them: {stated('label')}.",
        )
    if request.column is None and not choices:
        raise LabelError(
            f"{table.source} has no column that could be the label.",
            remedy="Give a file with a column of labels.",
        )
    refuse_repeated_samples(table)
    further = {what: sample_column(table, name) for what, name in request.further.items()}
    column = choices[0] if request.column is None else request.column
    return replace(sample_column(table, column), further=further)


def place_of(table: Table, column: str) -> int:
    """Return a column's place after the first; LabelError unless there is just one of the name."""
    if (times := table.header[1:].count(column)) != 1:
        found = f"has {times} columns" if times else "has no column"
        remedy = nearest(column, table.header[1:]) or (
            "Rename all but one." if times else f"Its columns are {examples(table.header[1:], 10)}."
        )
        raise LabelError(f"{table.source} {found} {shown(column)}.", remedy=remedy)
    return table.header.index(column, 1)


def sample_column(table: Table, column: str) -> SampleTexts:
    """Return the cells of one column by sample. Errors: as ``place_of``."""
    [cells] = table.columns([place_of(table, column)])
    return SampleTexts(
        source=table.source,
        column=column,
        texts=dict(zip(table.names, cells, strict=True)),
        lines=dict(zip(table.names, table.lines, strict=True)),
    )


def refuse_repeated_samples(table: Table) -> None:
    """Raise DataValueError where a sample's name in the first column is empty or used twice."""
    if "" in table.names:
        line = table.lines[table.names.index("")]
        raise DataValueError(
            f"{table.source}, line {line}, column {shown(table.header[0])} (number 1): "
            "the sample has no name.",
            remedy="Give the sample a name, or delete the line.",
        )
    if twice := repeated(table.names):
        where = [
            f"{shown(name)} in lines {' and '.join(str(table.lines[row]) for row in rows)}"
            for name, rows in twice.items()
        ]
        raise DataValueError(
            f"{table.source}: {counted(len(twice), 'sample name')} used more than once: "
            f"{some(where)}.",
            remedy="Keep one line for each sample, or give them different names.",
        )


def labelled(cohort: Cohort, labels: SampleTexts, request: LabelRequest) -> Cohort:
    """Return the cohort's samples that are of the two classes asked for, with their labels.

    Or all with a label, where it is a number; with their weights and groups, if asked for. Samples
    that the labels do not mention count as missing a label; labels of samples that are not in the
    cohort are not used, and counted in the notes. Raises LabelError where no sample is mentioned,
    where labels are missing and are not to be dropped, where there are not two classes to choose
    from, where a label is no number.
    """
    texts = [labels.texts.get(sample, "") for sample in cohort.samples]
    _refuse_missing(cohort, labels, texts, request)
    if request.numbers:
        found = _with_numbers(cohort, labels, texts)
        return with_attributes(_with_unmatched(found, labels, cohort), labels.further)
    positive, negative = _two_classes(labels, texts, request)
    kept = [row for row, text in enumerate(texts) if text in (positive, negative)]
    coded = np.array([texts[row] == positive for row in kept], dtype=np.int64)
    unlabelled = texts.count("")
    others = len(texts) - len(kept) - unlabelled
    notes = [
        f"{counted(number, 'sample')} left out: {why}"
        for number, why in (
            (unlabelled, f"no label {shown(labels.column)}"),
            (others, f"neither {shown(positive)} nor {shown(negative)}"),
        )
        if number
    ]
    found = replace(
        cohort.take(kept),
        labels=coded,
        positive=positive,
        negative=negative,
        notes=(*cohort.notes, *notes),
    )
    return with_attributes(_with_unmatched(found, labels, cohort), labels.further)


def _with_unmatched(found: Cohort, labels: SampleTexts, cohort: Cohort) -> Cohort:
    """Return the samples found of a cohort, with the names that labels have and the cohort lacks.

    The notes say how many.
    """
    unmatched = sorted(set(labels.texts) - set(cohort.samples))
    if not unmatched:
        return found
    note = f"{labels.source}: {counted(len(unmatched), 'sample name')} not in {cohort.source}."
    return replace(found, notes=(*found.notes, note), unmatched=tuple(unmatched))


def _with_numbers(cohort: Cohort, labels: SampleTexts, texts: Sequence[str]) -> Cohort:
    kept = cohort.take([row for row, text in enumerate(texts) if text])
    if not kept.samples:
        raise LabelError(
            f"{labels.source}, column {shown(labels.column)}: every label is missing.",
            remedy="Choose another label.",
        )
    left_out = texts.count("")
    note = f"{counted(left_out, 'sample')} left out: no label {shown(labels.column)}"
    return replace(
        kept,
        labels=numbers_of(labels, kept.samples),
        notes=(*cohort.notes, *([note] if left_out else [])),
    )


def _refuse_missing(
    cohort: Cohort, labels: SampleTexts, texts: Sequence[str], request: LabelRequest
) -> None:
    unmentioned = [sample for sample in cohort.samples if sample not in labels.texts]
    if len(unmentioned) == len(cohort.samples):
        raise LabelError(
            f"No sample of {cohort.source} ({examples(cohort.samples)}) is in {labels.source} "
            f"({examples(list(labels.texts))}).",
            remedy="Use the same sample names in both, in the first column of the label file; "
            "check whether samples are in the rows or in the columns of the table.",
        )
    if request.missing == "drop":
        return
    drop = 'or leave such samples out: missing_label = "drop" in the study\'s [data].'
    if unmentioned:
        raise LabelError(
            f"{len(unmentioned):,} of {counted(len(cohort.samples), 'sample')} of {cohort.source} "
            f"are not in {labels.source}: {examples(unmentioned)}.",
            remedy=f"Add them to the label file, {drop}",
        )
    if "" in texts:
        where = [
            f"line {labels.lines[sample]} (sample {shown(sample)})"
            for sample, text in zip(cohort.samples, texts, strict=True)
            if not text
        ]
        raise LabelError(
            f"{labels.source}, column {shown(labels.column)}: the label is missing for "
            f"{len(where):,} of {counted(len(texts), 'sample')}: {some(where)}.",
            remedy=f"Fill in the labels, {drop}",
        )


def _two_classes(
    labels: SampleTexts, texts: Sequence[str], request: LabelRequest
) -> tuple[str, str]:
    counts = Counter(text for text in texts if text)
    where = f"{labels.source}, column {shown(labels.column)}"
    found = f"The classes are {class_list(counts)}." if counts else "Every label is missing."
    for role, name in (("positive", request.positive), ("negative", request.negative)):
        if name is not None and name not in counts:
            raise LabelError(
                f"{where}: no sample is of the {role} class {shown(name)}. {found}",
                remedy=nearest(name, counts) or f"Name one of these classes: {stated(role)}.",
            )
    if len(counts) < 2:
        raise LabelError(
            f"{where}: samples of two classes are needed. {found}",
            remedy="Choose another label, or a file with samples of both classes.",
        )
    positive, negative = request.positive, request.negative
    if positive is None and set(counts) == {"0", "1"}:
        positive = "1"
    if positive is None:
        raise LabelError(
            f"{where}: it is not said which class is positive. {found}",
            remedy=f"Name it: {stated('positive')}.",
        )
    if negative is None:
        others = [name for name in counts if name != positive]
        if len(others) > 1:
            raise LabelError(
                f"{where}: there are {len(counts)} classes. {found}",
                remedy=f"Name the negative class too ({stated('negative')}): samples of the others "
                "are left out.",
            )
        negative = others[0]
    return positive, negative
