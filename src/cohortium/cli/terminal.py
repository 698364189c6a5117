"""What commands print to, and what they ask for at the terminal."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

import typer

from cohortium.errors import IdentityFileError

if TYPE_CHECKING:
    from rich.console import Console


def new_console(*, error: bool = False) -> Console:
    """Return what prints to standard output, or to standard error."""
    from rich.console import Console

    stream = sys.stderr if error else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        # A terminal that has no × or → shows a question mark; it is no reason to end a run.
        stream.reconfigure(errors="replace")
    # No emoji: a fingerprint may hold ":CD:".
    return Console(stderr=error, emoji=False)


def say(console: Console, text: str) -> None:
    """Print a text as it is, to be copied: no markup, no line ends but its own."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def ask_passphrase() -> str:
    """Return the passphrase of an encrypted key: the environment's, or what is typed."""
    told = os.environ.get("COHORTIUM_PASSPHRASE")
    if told is not None:
        return told
    if not sys.stdin.isatty():
        raise IdentityFileError(
            "The key is encrypted, and nobody can be asked for the passphrase.",
            remedy="Set COHORTIUM_PASSPHRASE, or run the command at a terminal.",
        )
    return str(typer.prompt("Passphrase of this site's key", hide_input=True, err=True))


def ask_new_passphrase() -> bytes:
    """Return the passphrase of a key that is to be made: the environment's, or what is typed."""
    told = os.environ.get("COHORTIUM_PASSPHRASE")
    if told is None:
        if not sys.stdin.isatty():
            return ask_passphrase().encode()
        told = str(
            typer.prompt("New passphrase", hide_input=True, confirmation_prompt=True, err=True)
        )
    if not told:
        raise IdentityFileError(
            "The passphrase is empty.", remedy="Give one, or leave --passphrase out."
        )
    return told.encode()
