"""Pages: of a finished run, with its model card, from its directory; of a data file's check."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cohortium.errors import ParameterError
from cohortium.report.finished import FinishedRun, read_run

if TYPE_CHECKING:
    from cohortium.data import Cohort, DataCheck

REPORT_FILE = "report.html"
CARD_FILE = "model-card.md"


def write_reports(directories: Sequence[Path]) -> list[Path]:
    """Write report.html into each party's directory of one run; return the pages.

    A party that received a model gets model-card.md as well, and TensorBoard's event files are
    written where the study asks for them. Raises AuditError where a directory does not hold an
    intact, finished run, ParameterError where it can not be written.
    """
    # Templates and plots are loaded only where a report is made.
    from cohortium.report.page import page_contents, render_page
    from cohortium.report.rendering import page_environment
    from cohortium.report.tensorboard import write_events
    from cohortium.report.twin import compare_with_twin

    runs = [read_run(directory) for directory in directories]
    if not runs:
        return []
    first = runs[0]
    twin = compare_with_twin(
        first.study.study, sum(first.record["samples"].values()), first.record["features"]
    )
    pages = []
    for run in runs:
        page, card = run.directory / REPORT_FILE, run.directory / CARD_FILE
        try:
            page.write_text(render_page(run, twin), encoding="utf-8")
            card.unlink(missing_ok=True)
            if run.models:
                template = page_environment().get_template("model-card.md")
                card.write_text(template.render(**page_contents(run, twin)), encoding="utf-8")
            write_events(run)
        except OSError as error:
            raise ParameterError(
                f"The report can not be written to {run.directory} ({error.strerror}).",
                remedy="Free space; the results are there: `cohortium report` writes it anew.",
            ) from error
        pages.append(page)
    return pages


def write_data_page(check: DataCheck, cohort: Cohort, path: Path) -> None:
    """Write the page of a cohort's check; ParameterError where it can not be written."""
    from cohortium.report.data_page import render_data_page

    try:
        path.write_text(render_data_page(check, cohort), encoding="utf-8")
    except OSError as error:
        raise ParameterError(
            f"The page can not be written to {path} ({error.strerror}).",
            remedy="Give a file name in a folder that is there, with free space.",
        ) from error


__all__ = [
    "CARD_FILE",
    "REPORT_FILE",
    "FinishedRun",
    "read_run",
    "write_data_page",
    "write_reports",
]
