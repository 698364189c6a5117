"""What a site says of each sample in numbers or names: a label that is a number, a weight, a group.

Cells come as text from the columns of a table, with the lines where they are; each error names
sample and line. A group is whom a sample is of, a patient say: its samples stay in one fold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from cohortium.data.cohort import Cohort
from cohortium.data.wording import counted, shown, some
from cohortium.errors import LabelError

WEIGHT, GROUP = "weight", "group"


@dataclass(frozen=True)
class SampleTexts:
    """The cells of a column about samples: by sample, ``""`` where missing; ``lines`` where.

    ``further`` are the columns of weights and groups beside a label's, by what they are.
    """

    source: str
    column: str
    texts: Mapping[str, str]
    lines: Mapping[str, int]
    further: Mapping[str, SampleTexts] = field(default_factory=dict)

    def where(self, sample: str) -> str:
        """Return where a sample's cell is, for a message."""
        line = self.lines.get(sample)
        place = f"{self.source}, " if line is None else f"{self.source}, line {line}, "
        return f"{place}column {shown(self.column)}, sample {shown(sample)}"


def numbers_of(cells: SampleTexts, samples: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return each sample's number; LabelError for the first that is none, or not finite."""
    return np.array([_number(cells, sample) for sample in samples], dtype=np.float64)


def _number(cells: SampleTexts, sample: str) -> float:
    text = cells.texts[sample]
    try:
        # float() also takes 1_000 and the digits of other scripts: slips in a data file.
        value = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        remedy = "Correct the cell; write decimals with a point."
        if not any(character.isdigit() for character in text):
            remedy = (
                "Correct the cell, or name another column. Classes are for [model] "
                "kind = 'logistic'."
            )
        raise LabelError(f"{cells.where(sample)}: {shown(text)} is not a number.", remedy=remedy)
    return value


def with_attributes(cohort: Cohort, found: Mapping[str, SampleTexts]) -> Cohort:
    """Return the cohort with the weights and groups in the columns found.

    Raises LabelError where a cell is missing, or a weight is not a number of 0 or more.
    """
    for what, cells in found.items():
        missing = [sample for sample in cohort.samples if not cells.texts.get(sample)]
        if missing:
            raise LabelError(
                f"{cells.source}, column {shown(cells.column)}: the {what} is missing for "
                f"{len(missing):,} of {counted(len(cohort.samples), 'sample')}: "
                f"{some([shown(name) for name in missing])}.",
                remedy=f"Give every sample a {what}.",
            )
    if WEIGHT in found:
        cells = found[WEIGHT]
        weights = numbers_of(cells, cohort.samples)
        for row in np.flatnonzero(weights < 0)[:1]:
            raise LabelError(
                f"{cells.where(cohort.samples[row])}: the weight {weights[row]:g} is negative.",
                remedy="Weights are 0 or more.",
            )
        cohort = replace(cohort, weights=weights)
    if GROUP in found:
        texts = found[GROUP].texts
        cohort = replace(cohort, groups=tuple(texts[sample] for sample in cohort.samples))
    return cohort
