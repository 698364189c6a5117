"""The commands of a study file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cohortium.cli.options import DEFAULT_IDENTITY, IdentityOption
from cohortium.cli.terminal import ask_passphrase, new_console, say

app = typer.Typer(no_args_is_help=True, help="The study file: the sites' agreement.")


@app.command("new")
def study_new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")] = Path(
        "study.toml"
    ),
    owner: Annotated[
        list[str] | None, typer.Option(help="A data owner's party name; once for each of them.")
    ] = None,
    dealer: Annotated[str, typer.Option(help="The dealer's party name.")] = "university",
) -> None:
    """Write a study file with every key explained, to be filled in."""
    from cohortium.study import new_study

    console = new_console()
    new_study(file, owner or ["north", "south"], dealer)
    say(console, f"Wrote {file}. Fill it in, then: cohortium study check {file}")


@app.command("check")
def study_check(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="The study file.")],
) -> None:
    """Validate a study and say in plain language who does and learns what."""
    from cohortium.screen import show_study
    from cohortium.study import (
        check_signatures,
        describe,
        load_signatures,
        load_study,
        missing,
        signatures_path,
    )

    console = new_console()
    loaded = load_study(study)
    path = signatures_path(study)
    signed = check_signatures(loaded, load_signatures(path), str(path))
    show_study(console, loaded, describe(loaded), missing(loaded.study, signed))


@app.command("sign")
def study_sign(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="The study file.")],
    name: Annotated[str, typer.Option("--as", help="This site's party name in the study.")],
    identity: IdentityOption = DEFAULT_IDENTITY,
) -> None:
    """Agree to a study: write this site's signature of its digest into STUDY.signatures."""
    from cohortium.net import load_identity
    from cohortium.run.peers import check_identity
    from cohortium.study import (
        DisclosureLedger,
        load_signatures,
        load_study,
        missing,
        save_signatures,
        sign_study,
        signatures_path,
    )

    console = new_console()
    loaded = load_study(study)
    key = load_identity(identity.expanduser(), ask_passphrase)
    check_identity(loaded.study, name, key)
    path = signatures_path(study)
    # Of another version of the file: its signers will have to sign this one.
    kept = [each for each in load_signatures(path) if each.study == loaded.digest]
    signatures = [*kept, sign_study(loaded.digest, name, key)]
    save_signatures(path, signatures)
    say(console, f"{name} agrees to the study {loaded.study.study.name!r}.")
    say(console, f"digest  {loaded.digest}")
    for line in DisclosureLedger.of(loaded.study).lines():
        say(console, line)
    say(console, f"The signature is in {path}")
    absent = missing(loaded.study, {each.party: each for each in signatures})
    if absent:
        say(console, f"Not in this file yet: {', '.join(absent)}. Each site signs its own copy.")
