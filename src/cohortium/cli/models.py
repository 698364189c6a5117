"""The commands of a revealed model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cohortium.cli.terminal import new_console, say

app = typer.Typer(no_args_is_help=True, help="A revealed model.")
ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL", help="A model.json of a run.")]


@app.callback()
def model() -> None:
    """A revealed model."""


@app.command("export")
def model_export(
    model: ModelArgument,
    out: Annotated[Path, typer.Argument(metavar="FILE", help="FILE.csv or FILE.keras.")],
) -> None:
    """Write a model as a table of weights (.csv) or as a Keras model (.keras)."""
    from cohortium.learn import Model
    from cohortium.learn.exporting import save_csv, to_keras

    loaded = Model.load(model)
    if out.suffix == ".csv":
        save_csv(loaded, out)
    elif out.suffix == ".keras":
        to_keras(loaded).save(out)
    else:
        raise typer.BadParameter("The file's name has to end in .csv or .keras.")
    say(new_console(), f"Wrote {out}")


def predict(
    model: ModelArgument,
    data: Annotated[str, typer.Argument(metavar="DATA", help="New samples, as for join.")],
    label: Annotated[
        str | None, typer.Option(help="A column with the true classes: it is no feature.")
    ] = None,
    site: Annotated[
        str | None,
        typer.Option(help="The training's site that they come from; without it, the sites' mean."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the table goes; without it, to the screen.")
    ] = None,
) -> None:
    """Apply a revealed model to new samples, on this computer alone."""
    from cohortium.learn import Model
    from cohortium.run.predicting import predict as predicted
    from cohortium.run.predicting import read_for

    loaded = Model.load(model)
    found = predicted(loaded, read_for(loaded, data, label=label), site=site)
    if out is None:
        say(new_console(), found.as_csv().rstrip("\n"))
    else:
        out.write_text(found.as_csv(), encoding="utf-8")
        say(new_console(), f"Wrote {out}")
    for line in found.warnings:
        say(new_console(error=True), f"Warning: {line}")
