"""A study among three parties that join it, each a process that is told its command line only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from run_sites import TWO_SITES, Command, Ended, Terminal, free_ports, placed, study_text, two_sites

from cohortium.net import Identity, create_identity
from cohortium.study import save_signatures, sign_study, signatures_path

# The fixture that runs a command in the tests' own process.
Here = Callable[..., Ended]


class Consortium:
    """Identities, data and the study file of parties on this machine."""

    def __init__(
        self,
        terminal: Terminal,
        *,
        parties: Mapping[str, Sequence[str]] = TWO_SITES,
        identities: Mapping[str, Identity] | None = None,
        **settings: Any,
    ) -> None:
        self.terminal = terminal
        self.folder = terminal.folder
        self.parties = parties
        self.environment: dict[str, str] = {}
        self.data = two_sites(self.folder).data
        self.identities = dict(identities or {})
        for name in parties:
            if name not in self.identities:
                self.identities[name] = create_identity(name, self.folder / f"{name}-identity")
        self.ports = dict(zip(parties, free_ports(len(parties)), strict=True))
        extra = placed({name: self.identities[name] for name in parties}, list(self.ports.values()))
        self.text = study_text(parties, extra=extra, **settings)
        self.study = self.write("study.toml", self.text)

    def write(self, name: str, text: str) -> Path:
        """Write a study file, and the signatures of all parties beside it."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        digest = hashlib.sha256(text.encode()).hexdigest()
        signatures = [
            sign_study(digest, name, identity) for name, identity in self.identities.items()
        ]
        save_signatures(signatures_path(path), signatures)
        return path

    def command(
        self,
        name: str,
        *more: str,
        study: Path | None = None,
        identity: Path | None = None,
        data: str | None = None,
    ) -> list[str]:
        """Return the arguments with which a party joins."""
        arguments = ["join", str(study or self.study), "--as", name]
        arguments += ["--identity", str(identity or self.identities[name].key_path.parent)]
        arguments += ["--out", f"out-{name}", *more]
        files = data or (self.data.get(name) if "data" in self.parties[name] else None)
        return [*arguments, "--data", files] if files else arguments

    def join(self, name: str, **changes: Any) -> Command:
        return self.terminal.start(*self.command(name, **changes), **self.environment)

    def join_all(self, *but: str) -> dict[str, Command]:
        return {name: self.join(name) for name in self.parties if name not in but}


def end_all(commands: Mapping[str, Command]) -> dict[str, Ended]:
    return {name: command.end() for name, command in commands.items()}


def check_error(ended: Ended, code: str, exit_code: int, *texts: str) -> None:
    """Check that a command ended with one error that says what, and what to do; no traceback."""
    assert ended.code == exit_code, ended
    assert ended.err.count("Error COH-") == 1, ended
    assert f"Error {code}" in ended.err, ended
    assert "\n→ " in ended.err, ended
    assert "Traceback" not in ended.err + ended.out, ended
    for text in texts:
        assert text in ended.err, ended
