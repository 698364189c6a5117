"""The commands of this site's key and certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cohortium.cli.options import DEFAULT_IDENTITY, IdentityOption
from cohortium.cli.terminal import ask_new_passphrase, ask_passphrase, new_console, say

if TYPE_CHECKING:
    from cohortium.net import Identity

_WORDS_A_LINE = 8

app = typer.Typer(no_args_is_help=True, help="This site's key and certificate.")


@app.command("new")
def identity_new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="This site's party name: a-z, 0-9 and '-'.")
    ],
    identity: IdentityOption = DEFAULT_IDENTITY,
    days: Annotated[
        int,
        typer.Option(help="How long the identity is valid; what links use is renewed each year."),
    ] = 3650,
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Encrypt the key with a passphrase; asks for it.")
    ] = False,
) -> None:
    """Make this site's key and certificate; the key never leaves this machine."""
    from cohortium.net import create_identity

    phrase = ask_new_passphrase() if passphrase else None
    made = create_identity(name, identity.expanduser(), days, passphrase=phrase)
    _print_identity(made)


@app.command("renew")
def identity_renew(
    identity: IdentityOption = DEFAULT_IDENTITY,
    days: Annotated[int, typer.Option(help="How long the link certificate is valid.")] = 365,
) -> None:
    """Renew the certificate that links use; study files and the other sites stay as they are."""
    from cohortium.net import certificate_expiry, renew_identity

    made = renew_identity(identity.expanduser(), days, ask_passphrase)
    say(
        new_console(),
        f"{made.name} has a new link certificate and key, valid to "
        f"{certificate_expiry(made.link_pem):%Y-%m-%d}.\nIts fingerprint is the same as before: "
        "no study file changes, and no other site has to do anything.",
    )


@app.command("show")
def identity_show(identity: IdentityOption = DEFAULT_IDENTITY) -> None:
    """Show what the study file needs of this site: fingerprint and certificate."""
    from cohortium.net import load_identity

    loaded = load_identity(identity.expanduser(), ask_passphrase)
    _print_identity(loaded)


def _print_identity(identity: Identity) -> None:
    from cohortium.net import (
        certificate_expiry,
        expiry_warning,
        fingerprint,
        fingerprint_words,
    )

    console = new_console()
    certificate, link = identity.certificate_pem, identity.link_pem
    say(console, f"name         {identity.name}")
    say(console, f"expires      {certificate_expiry(certificate):%Y-%m-%d}")
    say(console, f"link expires {certificate_expiry(link):%Y-%m-%d}")
    say(console, f"fingerprint  {fingerprint(certificate)}")
    words = fingerprint_words(certificate)
    for first in range(0, len(words), _WORDS_A_LINE):
        label = "in words" if first == 0 else ""
        say(console, f"{label:<13}{' '.join(words[first : first + _WORDS_A_LINE])}")
    for warning in filter(None, map(expiry_warning, (certificate, link))):
        say(console, warning)
    say(console, "\nFor the study file, under this site's [[party]]:\n")
    say(console, f'certificate = """\n{certificate.strip()}\n"""')
