"""Covariates: what a study says of age, sex or principal components, and a site's columns of them.

A covariate is a number within a stated range, or one of stated levels, so that all sites mean the
same by it. Its cells come from a covariate file or a label file, joined by sample name, or from the
data file itself. What is missing, beyond the range or of no stated level is an error at the site,
unless the study states what replaces a missing value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cohortium.data.annotated import Annotated
from cohortium.data.attributes import SampleTexts
from cohortium.data.cohort import Cohort
from cohortium.data.labels import refuse_repeated_samples, sample_column
from cohortium.data.opening import open_table
from cohortium.data.wording import counted, examples, nearest, shown, some
from cohortium.errors import DataValueError, FeatureError


@dataclass(frozen=True)
class Covariate:
    """A covariate as all sites understand it: either ``range`` or ``levels`` is given.

    A level but the first is a column of 0 and 1. ``fill`` replaces missing values; without it they
    are an error.
    """

    name: str
    range: tuple[float, float] | None = None
    levels: tuple[str, ...] = ()
    fill: float | str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns: of a number one, of levels all but the first."""
        if self.range is not None:
            return (self.name,)
        return tuple(f"{self.name} = {level}" for level in self.levels[1:])

    @property
    def middle(self) -> float:
        """The middle of the range; of levels 0."""
        return 0.0 if self.range is None else (self.range[0] + self.range[1]) / 2

    @property
    def half_width(self) -> float:
        """Half the range's width; of levels 1."""
        return 1.0 if self.range is None else (self.range[1] - self.range[0]) / 2

    def coded(self, text: str) -> list[float]:
        """Return the columns' numbers for a cell that is not missing.

        ValueError, saying why in words, where it is no number, beyond the range or of no level.
        """
        if self.range is None:
            if text not in self.levels:
                raise ValueError(
                    f"{shown(text)} is none of the study's levels ({examples(self.levels, 10)})"
                )
            return [float(text == level) for level in self.levels[1:]]
        low, high = self.range
        try:
            # float() also takes 1_000, a slip in a data file.
            value = float(text.replace("_", "?"))
        except ValueError:
            raise ValueError(f"{shown(text)} is not a number") from None
        if not low <= value <= high:
            raise ValueError(f"{text} is beyond the study's range of {low:g} to {high:g}")
        return [value]


def scaled(
    columns: npt.NDArray[np.float64], wanted: Sequence[Covariate]
) -> npt.NDArray[np.float64]:
    """Return covariates' columns brought to −1 … 1 by their ranges; levels stay 0 and 1."""
    middle, half_width = scale(wanted)
    return (columns - middle) / half_width


def scale(
    wanted: Sequence[Covariate],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the middle and half the width of each column's range."""
    middle = [each.middle for each in wanted for _ in each.columns]
    half_width = [each.half_width for each in wanted for _ in each.columns]
    return np.array(middle), np.array(half_width)


class FurtherFile(NamedTuple):
    """A file besides the data: the names of its columns, and those of them that are covariates."""

    header: tuple[str, ...]
    columns: Mapping[str, SampleTexts]


def read_columns(path: Path, names: Sequence[str]) -> FurtherFile:
    """Return those of the named columns that a file has; its first column holds sample names.

    Raises DataValueError where a sample is there twice, and the errors of ``open_table``.
    """
    table = open_table(path)
    refuse_repeated_samples(table)
    own = [name for name in names if name in table.header[1:]]
    return FurtherFile(table.header[1:], {name: sample_column(table, name) for name in own})


def with_covariates(
    cohort: Cohort,
    wanted: Sequence[Covariate],
    files: Sequence[FurtherFile],
    found: Annotated | None = None,
) -> Cohort:
    """Return the cohort with the covariates' columns, in the order wanted; notes say what was done.

    A covariate is taken from the first of ``files`` that has it, else from what the data file tells
    of its samples (``found``). Raises DataValueError where it is nowhere, where a sample of the
    cohort is not in the file, and where a cell is wrong or missing; FeatureError where the
    covariate is a feature as well.
    """
    if not wanted:
        return cohort
    known = cohort.samples if found is None else found.cohort.samples
    notes, columns, unmatched = list(cohort.notes), [], list(cohort.unmatched)
    for covariate in wanted:
        if covariate.name in cohort.features:
            raise FeatureError(
                f"The covariate {shown(covariate.name)} is a feature of {cohort.source} as well.",
                remedy="Take it out of one of the two, or rename it.",
            )
        texts = _texts(cohort, covariate, files, found)
        numbers, filled = _numbers(cohort, covariate, texts)
        columns.append(numbers)
        if filled:
            notes.append(
                f"{covariate.name}: {counted(filled, 'missing value')} replaced by "
                f"{covariate.fill}, as the study says."
            )
        others = sorted(set(texts.texts) - set(known))
        line = f"{texts.source}: {counted(len(others), 'sample name')} not in {cohort.source}."
        if others and line not in notes:
            notes.append(line)
            unmatched += others
    return replace(
        cohort,
        covariates=np.hstack(columns),
        notes=tuple(notes),
        unmatched=tuple(dict.fromkeys(unmatched)),
    )


def _texts(
    cohort: Cohort,
    covariate: Covariate,
    files: Sequence[FurtherFile],
    found: Annotated | None,
) -> SampleTexts:
    for file in files:
        if covariate.name in file.columns:
            return file.columns[covariate.name]
    if found is not None and covariate.name in found.columns:
        return found.texts(covariate.name)
    told = [name for file in files for name in file.header] + list(found.columns if found else ())
    raise DataValueError(
        f"There is no column {shown(covariate.name)}, a covariate of the study, for "
        f"{cohort.source}.",
        remedy=nearest(covariate.name, told)
        or "Give a file that has it: --data FILE,covariates=COVARIATEFILE, or name the column as "
        "the study does.",
    )


def _numbers(
    cohort: Cohort, covariate: Covariate, texts: SampleTexts
) -> tuple[npt.NDArray[np.float64], int]:
    """Return samples × columns, and how many missing values were filled in."""
    absent = [sample for sample in cohort.samples if sample not in texts.texts]
    if absent:
        raise DataValueError(
            f"{len(absent):,} of {counted(len(cohort.samples), 'sample')} of {cohort.source} are "
            f"not in {texts.source}, which has the covariate {shown(covariate.name)}: "
            f"{examples(absent)}.",
            remedy="Use the same sample names in both, in the first column of the covariate file; "
            "add the samples there, or take them out of the data.",
        )
    rows, missing, wrong = [], [], []
    for sample in cohort.samples:
        cell = texts.texts[sample]
        where = f"line {texts.lines[sample]} (sample {shown(sample)})"
        if not cell:
            missing.append(where)
            if covariate.fill is None:
                continue
            cell = str(covariate.fill)
        try:
            rows.append(covariate.coded(cell))
        except ValueError as error:
            wrong.append(f"{where}: {error}")
    column = f"{texts.source}, column {shown(covariate.name)}"
    if wrong:
        raise DataValueError(
            f"{column}, {some(wrong)}.",
            remedy="Correct the cell; or change the covariate's range or levels in the study, at "
            "every site.",
        )
    if missing and covariate.fill is None:
        raise DataValueError(
            f"{column}: the covariate is missing for {len(missing):,} of "
            f"{counted(len(cohort.samples), 'sample')}: {some(missing)}.",
            remedy="Fill in the cells, take the samples out, or state in the study's [data.fill] "
            "what replaces a missing value.",
        )
    return np.array(rows, dtype=np.float64), len(missing)
