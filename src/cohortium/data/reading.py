"""One way in: whatever the format of a site's file, ``read_cohort`` returns a Cohort.

The format is found by the file's first bytes, not by its name: people rename files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from cohortium.data.annotated import Annotated, with_labels
from cohortium.data.cohort import Cohort
from cohortium.data.covariates import Covariate, read_columns, with_covariates
from cohortium.data.delimited import parse_table
from cohortium.data.expression import Orientation, read_expression
from cohortium.data.files import PARQUET, first_bytes, is_gzipped, open_text
from cohortium.data.idash import read_idash
from cohortium.data.labels import LabelRequest, MissingLabel
from cohortium.data.matrices import is_npz, read_h5ad, read_npz
from cohortium.data.parquet import parquet_table
from cohortium.data.plink import MAGIC, read_plink
from cohortium.data.repositories import GCT, SERIES, read_gct, read_series_matrix
from cohortium.data.table import Table
from cohortium.data.vcf import read_vcf
from cohortium.data.wording import counted, examples, shown
from cohortium.errors import DataFileError, FeatureError, ParameterError

# Files besides the data, and the parameter that each is given as.
_FURTHER = {"labels=": "label_file", "covariates=": "covariate_file"}
_ZIP, _HDF5 = b"PK\x03\x04", b"\x89HDF"
_VCF = (b"##fileformat=VCF", b"BCF\x02")
# Formats that no text table is taken for: what is named so and begins otherwise is damaged.
_PROMISED = {
    ".h5ad": "an AnnData file",
    ".npz": "NumPy arrays",
    ".bed": "a PLINK 1 .bed file, variant after variant",
    ".vcf": "a VCF file",
    ".bcf": "a BCF file",
}
# Ziemann et al. 2016 (Genome Biol 17:177): symbols like MARCH1 that a spreadsheet took for dates.
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_DATE = re.compile(
    rf"\d{{1,2}}-({_MONTHS})|({_MONTHS})-\d{{1,2}}|\d{{4}}-\d\d-\d\d( 00:00:00)?", re.IGNORECASE
)


def read_cohort(
    path: str | Path,
    *,
    label: str | None = None,
    label_file: str | Path | None = None,
    positive: str | None = None,
    negative: str | None = None,
    orientation: Orientation | None = None,
    missing_label: MissingLabel = "error",
    numbers: bool = False,
    weight: str | None = None,
    group: str | None = None,
    covariates: Sequence[Covariate] = (),
    covariate_file: str | Path | None = None,
) -> Cohort:
    """Return the cohort in a site's file.

    Text tables (TSV, CSV, GCT, GEO's series matrix; as they are, gzipped or by zstd), Parquet,
    AnnData (h5ad), NumPy (npz), PLINK 1 (the .bed file), VCF and BCF. ``label`` is a column of the
    table, or what the file tells of its samples, or a column of ``label_file``, whose first column
    holds sample names. ``positive`` names the class coded as 1; ``negative`` is needed where there
    are more than two classes. ``orientation``, of plain tables, is ``"samples_in_rows"`` or
    ``"genes_in_rows"``, found from the label where it is None. Samples without a label are an
    error, or are left out where ``missing_label`` is ``"drop"``; ``Cohort.notes`` says how many.
    Without ``label`` and ``label_file`` the cohort has no labels. With ``numbers`` labels are
    numbers. ``weight`` and ``group`` are further columns where the label's is: what each sample
    counts in the training, and whom it is of. ``covariates`` are columns of ``covariate_file``, of
    the label file or, as the label, of the file itself.

    Raises DataFileError, DataValueError, FeatureError or LabelError where the data are wrong,
    naming file, line and column; ParameterError where the arguments are.
    """
    if orientation not in (None, "samples_in_rows", "genes_in_rows"):
        raise ParameterError(
            f"The orientation is {shown(str(orientation))}.",
            remedy="Choose samples_in_rows or genes_in_rows.",
        )
    request = LabelRequest(
        column=label,
        file=None if label_file is None else Path(label_file),
        positive=positive,
        negative=negative,
        missing=missing_label,
        numbers=numbers,
        weight=weight,
        group=group,
    )
    names = [covariate.name for covariate in covariates]
    further = [Path(file) for file in (covariate_file, label_file) if file is not None and names]
    files = [read_columns(file, names) for file in further]
    elsewhere = {name for file in files for name in file.columns}
    found = _read_annotated(Path(path))
    if not isinstance(found, Annotated):
        apart = [name for name in names if name not in elsewhere]
        found = read_expression(found, request, orientation, apart)
    _refuse_nothing(found.cohort)
    _refuse_dates(found.cohort)
    return with_covariates(with_labels(found, request), covariates, files, found)


def _refuse_nothing(cohort: Cohort) -> None:
    if not cohort.samples or not cohort.features:
        raise DataFileError(
            f"{cohort.source} has {counted(len(cohort.samples), 'sample')} and "
            f"{counted(len(cohort.features), 'feature')}.",
            remedy="Check that it was copied completely, and that it holds measurements.",
        )


def _refuse_dates(cohort: Cohort) -> None:
    if dates := [name for name in cohort.features if _DATE.fullmatch(name)]:
        raise FeatureError(
            f"{cohort.source}: {counted(len(dates), 'feature name')} that a spreadsheet made a "
            f"date: {examples(dates)}.",
            remedy="Export from the original with the names as text (1-Mar was MARCH1 or MARC1, "
            "now MARCHF1 or MTARC1; 2-Sep was SEPT2, now SEPTIN2).",
        )


def _read_annotated(path: Path) -> Annotated | Table:
    """Return what a file of a format of its own holds, or a plain table."""
    head = first_bytes(path)
    if head.startswith(MAGIC):
        return read_plink(path)
    if head.startswith(_VCF):
        return read_vcf(path)
    if head.startswith((_HDF5, _ZIP, PARQUET)) and is_gzipped(path):
        raise DataFileError(
            f"{path.name} is compressed, and read in parts, as it is no text.",
            remedy="Unpack it first (gunzip).",
        )
    if head.startswith(_HDF5):
        return read_h5ad(path)
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if head.startswith(_ZIP) and (suffix == ".npz" or is_npz(path)):
        return read_npz(path)
    if head and suffix in _PROMISED:
        raise DataFileError(
            f"{path.name} is named as {_PROMISED[suffix]}, and does not begin like one.",
            remedy="It is damaged, or something else (a genome browser's .bed has no genotypes): "
            "export it again. A text table should be named .tsv or .csv.",
        )
    if head.startswith(PARQUET):
        return parquet_table(path)
    text = open_text(path)
    if text.head.startswith(GCT):
        return read_gct(text)
    if text.head.startswith(SERIES):
        return read_series_matrix(text)
    return parse_table(text)


def read_argument(
    text: str,
    *,
    label: str | None = None,
    positive: str | None = None,
    negative: str | None = None,
    orientation: Orientation | None = None,
    missing_label: MissingLabel = "error",
    numbers: bool = False,
    weight: str | None = None,
    group: str | None = None,
    covariates: Sequence[Covariate] = (),
) -> Cohort:
    """Return the cohort in the file or files that a data argument names; as ``read_cohort``.

    Of a pair of files (``read_idash``) the classes have the names given, or "positive" and
    "negative"; it has neither numbers as labels nor weights or groups.
    """
    files = parse_data_argument(text)
    if "positive_path" in files:
        if numbers or weight or group:
            raise ParameterError(
                "A pair of files has two classes, and no column of numbers, weights or groups.",
                remedy="Give one table with a label file: FILE,labels=LABELFILE.",
            )
        cohort = read_idash(
            files["positive_path"],
            files["negative_path"],
            positive=positive or "positive",
            negative=negative or "negative",
        )
        names = [covariate.name for covariate in covariates]
        further = [files["covariate_file"]] if "covariate_file" in files and names else []
        return with_covariates(cohort, covariates, [read_columns(each, names) for each in further])
    return read_cohort(
        files["path"],
        label_file=files.get("label_file"),
        label=label,
        positive=positive,
        negative=negative,
        orientation=orientation,
        missing_label=missing_label,
        numbers=numbers,
        weight=weight,
        group=group,
        covariates=covariates,
        covariate_file=files.get("covariate_file"),
    )


def parse_data_argument(text: str) -> dict[str, Path]:
    """Return the files that a data argument of the command line names, under their parameters.

    ``"expr.tsv.gz"`` gives ``path``; ``"expr.tsv.gz,labels=classes.tsv"`` gives ``path`` and
    ``label_file`` (for ``read_cohort``); ``"tumour.txt,normal.txt"`` gives ``positive_path`` and
    ``negative_path`` (for ``read_idash``). ``covariates=FILE`` after any of them gives
    ``covariate_file``. A file whose own name holds a comma is taken as one.
    Raises ParameterError for anything else.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 1 or Path(text).is_file():
        parts = [text.strip()]
    further: dict[str, Path] = {}
    for sign, parameter in _FURTHER.items():
        named = [part for part in parts[1:] if part.startswith(sign)]
        if len(named) == 1 and (file := named[0].removeprefix(sign).strip()):
            parts.remove(named[0])
            further[parameter] = Path(file)
    if all(parts) and not any(part.startswith(tuple(_FURTHER)) for part in parts):
        if len(parts) == 1:
            return {"path": Path(parts[0]), **further}
        if len(parts) == 2 and "label_file" not in further:
            return {"positive_path": Path(parts[0]), "negative_path": Path(parts[1]), **further}
    raise ParameterError(
        f"{shown(text)} does not name data.",
        remedy="Give FILE, or FILE,labels=LABELFILE, or POSITIVEFILE,NEGATIVEFILE; covariates in "
        "a file of their own follow as ,covariates=COVARIATEFILE.",
    )
