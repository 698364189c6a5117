"""The commands of a site's own data: nothing leaves this computer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from cohortium.cli.terminal import new_console, say

if TYPE_CHECKING:
    from cohortium.data.expression import Orientation

app = typer.Typer(no_args_is_help=True, help="This site's data file.")


@app.callback()
def data() -> None:
    """This site's data file."""


@app.command("check")
def data_check(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="FILE, as for join: also FILE,labels=LABELFILE."),
    ],
    study: Annotated[
        Path | None, typer.Option(help="Read it as this study says: label, classes, names.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Without a study: the label's column.")] = None,
    positive: Annotated[str | None, typer.Option(help="The positive class.")] = None,
    negative: Annotated[str | None, typer.Option(help="The negative class.")] = None,
    numbers: Annotated[
        bool, typer.Option("--numbers", help="The label is a number, of no classes.")
    ] = False,
    orientation: Annotated[
        str | None, typer.Option(help="samples_in_rows or genes_in_rows, where it is not told.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with plots as well; it names samples.")
    ] = None,
) -> None:
    """Say what a data file holds and what is odd about it, on this computer alone.

    With --study also what a run would refuse; it then ends with that error's exit code.
    """
    from cohortium.data import check_cohort, common_names, read_argument
    from cohortium.errors import CohortiumError
    from cohortium.run.preparing import read_site_data
    from cohortium.run.refusals import refusals
    from cohortium.screen import show_data_check
    from cohortium.study import load_study

    console = new_console()
    refused: list[CohortiumError] = []
    if study is None:
        cohort = read_argument(
            file,
            label=label,
            positive=positive,
            negative=negative,
            numbers=numbers,
            # What it is not is told by the reader.
            orientation=cast("Orientation | None", orientation),
            missing_label="drop",
        )
    else:
        settings = load_study(study).study
        cohort = read_site_data(file, settings)
        named, _ = common_names(cohort, settings.features.names, settings.features.aliases)
        refused = refusals(settings, cohort, len(named.features))
        cohort = named
    found = check_cohort(cohort, [error.finding for error in refused])
    if as_json:
        console.print(json.dumps(found.facts()), markup=False, highlight=False, soft_wrap=True)
    else:
        show_data_check(console, found)
    if html is not None:
        from cohortium.report import write_data_page

        write_data_page(found, cohort, html)
        say(new_console(error=True), f"The page: {html}. It names samples: it is for this site.")
    if refused:
        sys.exit(refused[0].exit_code)
