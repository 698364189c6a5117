from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "run"))

from run_sites import Ended, Terminal, terminal_in

from cohortium import cli


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with terminal_in(tmp_path) as made:
        yield made
        assert made.gone_within(5), "a process was left behind"


@pytest.fixture
def here(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Run a command in this process, for those that start none and wait for nobody."""

    def run(*arguments: str) -> Ended:
        monkeypatch.setenv("COLUMNS", "250")
        monkeypatch.chdir(terminal.folder)
        monkeypatch.setattr(sys, "argv", ["cohortium", *arguments])
        capsys.readouterr()
        code: int | str | None = 0
        try:
            cli.main()
        except SystemExit as exit_:
            code = exit_.code
        told = capsys.readouterr()
        return Ended(code if isinstance(code, int) else 1, told.out, told.err)

    return run
