"""The commands of a finished run's record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cohortium.cli.terminal import new_console

app = typer.Typer(no_args_is_help=True, help="The record of a finished run.")


@app.command("verify")
def audit_verify(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a run.")],
) -> None:
    """Check offline that the record of a run is as it was written and countersigned."""
    from cohortium.run.verifying import verify_run
    from cohortium.screen import show_verdict

    show_verdict(new_console(), verify_run(run))
