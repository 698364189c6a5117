"""A party dies in mid-training; all join again with the same commands, and the work is not lost."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from cli_consortium import Consortium, end_all
from run_sites import Terminal, largest_difference, parsed, twin

from cohortium.run.verifying import verify_run

ITERATIONS = 600
FOLDERS = ("out-north", "out-south")


def states(folder: Path) -> list[int]:
    """Return after how many iterations a party has kept a state."""
    return sorted(int(path.stem) for path in (folder / "checkpoint").glob("*.npy"))


def killed_in_training(group: Consortium, victim: str, least: int = 2) -> None:
    """Join with all parties and kill one when the computing ones have kept some states."""
    commands = group.join_all()
    end = time.monotonic() + 60
    while any(len(states(group.folder / name)) < least for name in FOLDERS):
        assert time.monotonic() < end, {name: it.end(5) for name, it in commands.items()}
        time.sleep(0.005)
    commands[victim].signal(signal.SIGKILL)
    ended = end_all(commands)
    for name, end_ in ended.items():
        assert name == victim or end_.code == 6, end_


@pytest.mark.parametrize("form", ["dual", "primal"])
def test_a_run_goes_on_where_it_was_killed(terminal: Terminal, form: str) -> None:
    group = Consortium(terminal, iterations=ITERATIONS, form=form)
    killed_in_training(group, "south")
    kept = {name: states(terminal.folder / name) for name in FOLDERS}
    common = max(set(kept["out-north"]) & set(kept["out-south"]))
    for name in FOLDERS:
        folder = terminal.folder / name / "checkpoint"
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    ended = end_all(group.join_all())
    assert [end.code for end in ended.values()] == [0, 0, 0], ended
    said = f"Goes on after iteration {common}, where an earlier run stopped."
    assert all(said in end.out for end in ended.values())
    record = json.loads((terminal.folder / "out-north" / "record.json").read_text())
    a_step = 2 if form == "dual" else 4
    assert record["rounds"] < a_step * (ITERATIONS - common) + common // 10 + 60
    weights = twin(parsed(group.text), group.data)[:, 0]
    assert largest_difference(terminal.folder / "out-north" / "model.json", weights) < 0.005
    for name in (*FOLDERS, "out-uni"):
        assert not (terminal.folder / name / "checkpoint").exists()
        assert verify_run(terminal.folder / name).finished


def test_what_is_damaged_or_of_other_data_is_not_used(terminal: Terminal) -> None:
    group = Consortium(terminal, iterations=ITERATIONS)
    killed_in_training(group, "uni")
    folder = terminal.folder / "out-south" / "checkpoint"
    first = folder / f"{states(terminal.folder / 'out-south')[0]}.npy"
    content = bytearray(first.read_bytes())
    content[-1] ^= 1
    first.write_bytes(content)
    ended = end_all(group.join_all())
    assert [end.code for end in ended.values()] == [0, 0, 0], ended
    assert "What an earlier run kept here is damaged" in ended["south"].out
    assert not any("Goes on after" in end.out for end in ended.values())
    weights = twin(parsed(group.text), group.data)[:, 0]
    assert largest_difference(terminal.folder / "out-north" / "model.json", weights) < 0.005


def test_one_partys_files_tell_nothing(terminal: Terminal) -> None:
    """Shares look uniform: each byte value is about as frequent as any other.

    But for the first residual: of it a site has its own labels, and nothing of the other's.
    """
    group = Consortium(terminal, iterations=ITERATIONS)
    killed_in_training(group, "uni", least=4)
    for name in FOLDERS:
        kept = terminal.folder / name / "checkpoint"
        residuals = np.concatenate([np.load(kept / f"{done}.npy") for done in states(kept.parent)])
        octets = residuals[1:].reshape(-1).view(np.uint8)
        counts = np.bincount(octets, minlength=256)
        expected = octets.size / 256
        assert ((counts - expected) ** 2 / expected).sum() < 400, name
