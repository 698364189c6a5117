"""What a reader finds: a cohort, and what its file says of each sample besides the measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cohortium.data.attributes import SampleTexts
from cohortium.data.cohort import Cohort
from cohortium.data.labels import LabelRequest, labelled, read_label_file
from cohortium.data.wording import examples, nearest, shown
from cohortium.errors import LabelError


@dataclass(frozen=True)
class Annotated:
    """A cohort without labels, and columns of text by name, a cell for each sample ("" missing).

    ``lines`` are where the samples are in the file, None where that is their number.
    """

    cohort: Cohort
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    lines: Sequence[int] | None = None

    def texts(self, column: str) -> SampleTexts:
        """Return a column by sample, as a label file's."""
        samples = self.cohort.samples
        lines = self.lines or range(1, len(samples) + 1)
        return SampleTexts(
            source=self.cohort.source,
            column=column,
            texts=dict(zip(samples, self.columns[column], strict=True)),
            lines=dict(zip(samples, lines, strict=True)),
        )


def with_labels(found: Annotated, request: LabelRequest) -> Cohort:
    """Return the cohort with the labels asked for: of a label file, or of the file's own columns.

    Raises LabelError where the column is not there, and as ``labelled``.
    """
    cohort = found.cohort
    if request.file is not None:
        return labelled(cohort, read_label_file(request), request)
    if request.column is None:
        return cohort
    further = {what: _texts(found, column) for what, column in request.further.items()}
    texts = _texts(found, request.column)
    return labelled(cohort, replace(texts, further=further), request)


def _texts(found: Annotated, column: str) -> SampleTexts:
    cohort = found.cohort
    if column not in found.columns:
        remedy = nearest(column, found.columns)
        if not remedy and found.columns:
            remedy = f"It tells of each sample: {examples(list(found.columns), 10)}."
        raise LabelError(
            f"{cohort.source} tells no {shown(column)} of its samples.",
            remedy=remedy or "Give a label file: FILE,labels=LABELFILE.",
        )
    return found.texts(column)
