"""The form of the iDASH 2019 Track IV data: one file of positive samples, one of negative.

Genes are in rows. Column 1 names the gene, column 2 holds a reference value that is not a sample,
samples start at column 3, and ``null`` is a missing value.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from cohortium.data.cohort import Cohort, concatenate
from cohortium.data.expression import genes_in_rows
from cohortium.data.opening import open_table
from cohortium.data.wording import counted
from cohortium.errors import DataValueError

_FIRST_SAMPLE = 2


def read_idash(
    positive_path: str | Path,
    negative_path: str | Path,
    *,
    positive: str = "positive",
    negative: str = "negative",
) -> Cohort:
    """Return the cohort of two files, the positive samples first, genes in the first file's order.

    ``positive`` and ``negative`` name the classes. Raises FeatureError where the files do not have
    the same genes; DataFileError or DataValueError where a file is damaged or a sample is in both.
    """
    classes = (positive, negative)
    first = _read_class(Path(positive_path), 1, classes)
    second = _read_class(Path(negative_path), 0, classes)
    return concatenate([first, second], source=f"{first.source} and {second.source}")


def _read_class(path: Path, label: int, classes: tuple[str, str]) -> Cohort:
    table = open_table(path)
    if len(table.header) <= _FIRST_SAMPLE:
        raise DataValueError(
            f"{table.source} has {counted(len(table.header), 'column')}, so no sample.",
            remedy="Column 1 must name the gene, column 2 hold the reference value, and samples "
            "start at column 3.",
        )
    cohort = genes_in_rows(table, first_sample=_FIRST_SAMPLE)
    labels = np.full(len(cohort.samples), label, dtype=np.int64)
    return replace(cohort, labels=labels, positive=classes[0], negative=classes[1])
