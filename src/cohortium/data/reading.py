"""One way in: whatever the format of a site's file, ``read_cohort`` returns a Cohort.

Each format has a module of its own that takes a path and a LabelRequest; this one chooses it.
"""

from __future__ import annotations

from pathlib import Path

from cohortium.data.cohort import Cohort
from cohortium.data.expression import Orientation, read_expression
from cohortium.data.labels import LabelRequest, MissingLabel
from cohortium.data.wording import shown
from cohortium.errors import ParameterError

_LABELS = "labels="


def read_cohort(
    path: str | Path,
    *,
    label: str | None = None,
    label_file: str | Path | None = None,
    positive: str | None = None,
    negative: str | None = None,
    orientation: Orientation | None = None,
    missing_label: MissingLabel = "error",
) -> Cohort:
    """Return the cohort in a site's file: an expression table, TSV or CSV, gzipped or not.

    ``label`` is a column of the table, or of ``label_file``, whose first column holds sample
    names. ``positive`` names the class coded as 1; ``negative`` is needed where there are more
    than two classes. ``orientation`` is ``"samples_in_rows"`` or ``"genes_in_rows"``, found from
    the label where it is None. Samples without a label are an error, or are left out where
    ``missing_label`` is ``"drop"``; ``Cohort.notes`` says how many. Without ``label`` and
    ``label_file`` the cohort has no labels.

    Raises DataFileError, DataValueError, FeatureError or LabelError where the data are wrong,
    naming file, line and column; ParameterError where the arguments are.
    """
    if orientation not in (None, "samples_in_rows", "genes_in_rows"):
        raise ParameterError(
            f"orientation is {shown(str(orientation))}.",
            remedy="Choose orientation='samples_in_rows' or 'genes_in_rows'.",
        )
    request = LabelRequest(
        column=label,
        file=None if label_file is None else Path(label_file),
        positive=positive,
        negative=negative,
        missing=missing_label,
    )
    return read_expression(Path(path), request, orientation)


def parse_data_argument(text: str) -> dict[str, Path]:
    """Return the files that a data argument of the command line names, under their parameters.

    ``"expr.tsv.gz"`` gives ``path``; ``"expr.tsv.gz,labels=classes.tsv"`` gives ``path`` and
    ``label_file`` (for ``read_cohort``); ``"tumour.txt,normal.txt"`` gives ``positive_path`` and
    ``negative_path`` (for ``read_idash``). A file whose own name holds a comma is taken as one.
    Raises ParameterError for anything else.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 1 or Path(text).is_file():
        parts = [text.strip()]
    if all(parts) and not parts[0].startswith(_LABELS):
        if len(parts) == 1:
            return {"path": Path(parts[0])}
        if len(parts) == 2 and parts[1].startswith(_LABELS):
            if label_file := parts[1].removeprefix(_LABELS).strip():
                return {"path": Path(parts[0]), "label_file": Path(label_file)}
        elif len(parts) == 2:
            return {"positive_path": Path(parts[0]), "negative_path": Path(parts[1])}
    raise ParameterError(
        f"{shown(text)} does not name data.",
        remedy="Give FILE, or FILE,labels=LABELFILE, or POSITIVEFILE,NEGATIVEFILE.",
    )
