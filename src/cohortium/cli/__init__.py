"""The commands: parse, call, print. No logic of their own."""

from __future__ import annotations

import sys

import typer

from cohortium.cli import audits, data, identities, models, runs, studies
from cohortium.cli.terminal import new_console
from cohortium.errors import CohortiumError

# What a command needs is imported when it runs: `--help` stays quick.
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train one model on the genomic data that several sites hold; nobody sees another's "
    "records.",
)
for command in (
    runs.demo,
    runs.simulate,
    runs.join,
    runs.check,
    runs.report,
    runs.discard,
    models.predict,
):
    app.command()(command)
app.add_typer(identities.app, name="identity")
app.add_typer(studies.app, name="study")
app.add_typer(data.app, name="data")
app.add_typer(models.app, name="model")
app.add_typer(audits.app, name="audit")


def main() -> None:
    """Run the command line; an error of ours is one message and its exit code."""
    try:
        app()
    except CohortiumError as error:
        from cohortium.screen import show_error

        show_error(new_console(error=True), error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
