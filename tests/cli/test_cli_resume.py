"""A party dies in mid-training; all join again with the same commands, and the work is not lost."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from cli_consortium import Command, Consortium, Here, check_error, end_all
from run_sites import OWNER, Ended, Terminal, cells, genes, largest_difference, parsed, twin

from cohortium.run.verifying import verify_run

EVERY, ITERATIONS = 20, 300
PARTIES = {"north": OWNER, "south": OWNER, "west": ("data",), "uni": ("deal",)}
FOLDS = """
[validation]
folds = 4
[[reveal]]
what = "auc"
to = ["north"]
"""


def sites(terminal: Terminal, **settings: object) -> Consortium:
    """Two hospitals that compute, one that does not, and a dealer; a cross-validation by folds."""
    group = Consortium(
        terminal,
        parties=PARTIES,
        checkpoint_every=EVERY,
        iterations=ITERATIONS,
        more=FOLDS,
        **settings,
    )
    west = cells("west", genes(1), samples=16)
    group.data["west"] = str(west.write(terminal.folder / "west.csv"))
    return group


def kept(group: Consortium, name: str) -> Path:
    return group.folder / f"out-{name}" / "checkpoint"


def states(group: Consortium, name: str) -> list[int]:
    """Return after how many iterations a party has kept a state."""
    return sorted(int(path.stem) for path in kept(group, name).glob("*.state"))


def with_policy(group: Consortium) -> list[str]:
    """Return the command of north, which allows its rows in one run."""
    policy = group.folder / "policy.toml"
    policy.write_text("[policy]\nmaximum_runs = 1\n")
    return group.command("north", "--policy", str(policy))


def join_all(group: Consortium, north: list[str] | None = None) -> dict[str, Command]:
    if north is None:
        return group.join_all()
    return {**group.join_all("north"), "north": group.terminal.start(*north)}


def killed_in_training(
    group: Consortium, victim: str, least: int, north: list[str] | None = None
) -> dict[str, Ended]:
    """Join with all, kill one when the computing ones have come so far; return how all ended."""
    commands = join_all(group, north)
    while min(max(states(group, name), default=0) for name in ("north", "south")) < least:
        gone = [it for it in commands.values() if it.process.poll() is not None]
        assert not gone, [it.end() for it in gone]
        time.sleep(0.005)
    commands[victim].signal(signal.SIGKILL)
    ended = end_all(commands)
    assert all(it.code == (-9 if name == victim else 6) for name, it in ended.items()), ended
    return ended


def test_a_run_goes_on_whoever_was_killed(terminal: Terminal) -> None:
    group = sites(terminal)
    before, stops = None, []
    for least, victim in enumerate(("south", "uni", "west"), 1):
        ended = killed_in_training(group, victim, least * 3 * EVERY)
        if before is not None:
            said = f"Goes on after iteration {before}, where an earlier run stopped."
            assert all(said in it.out for name, it in ended.items() if name != victim)
        before = max(set(states(group, "north")) & set(states(group, "south")))
        stops.append(before)
        assert f"{max(states(group, 'north'))} iterations are kept here" in ended["north"].out
        assert states(group, "west") == states(group, "uni") == []
        for name in PARTIES:
            if name == "uni":
                assert not kept(group, name).exists()
                continue
            assert kept(group, name).stat().st_mode & 0o777 == 0o700
            assert {path.stat().st_mode & 0o777 for path in kept(group, name).iterdir()} == {0o600}
    ended = end_all(group.join_all())
    assert [it.code for it in ended.values()] == [0] * 4, ended
    assert all(f"Goes on after iteration {before}" in it.out for it in ended.values())
    record = json.loads((group.folder / "out-north" / "record.json").read_text())
    assert 2 * (ITERATIONS - before) < record["rounds"] < 2 * (ITERATIONS - before) + 60
    weights = twin(parsed(group.text), group.data)[:, 0]
    assert largest_difference(group.folder / "out-north" / "model.json", weights) < 0.005
    auc = json.loads((group.folder / "out-north" / "metrics.json").read_text())
    assert "auc" in json.dumps(auc)
    for name in PARTIES:
        assert not kept(group, name).exists()
        verdict = verify_run(group.folder / f"out-{name}")
        assert verdict.finished
        assert verdict.went_on == stops
        page = (group.folder / f"out-{name}" / "report.html").read_text(encoding="utf-8")
        went_on = f"went on after iterations {', '.join(map(str, stops))}."
        assert went_on in page
        assert "Rounds, bytes and seconds are the last session's" in page


@pytest.fixture
def stopped(terminal: Terminal) -> Consortium:
    """A run of which a part is kept at every party."""
    group = sites(terminal)
    killed_in_training(group, "uni", 2 * EVERY)
    return group


def check_that_one_partys_files_look_uniform(stopped: Consortium) -> None:
    """Those of its own samples too: each byte value is about as frequent."""
    for name in ("north", "south"):
        content = b"".join(
            path.read_bytes().split(b"\n", 2)[2] for path in kept(stopped, name).glob("*.state")
        )
        counts = np.bincount(np.frombuffer(content, np.uint8), minlength=256)
        expected = len(content) / 256
        assert ((counts - expected) ** 2 / expected).sum() < 400, name


def test_what_is_not_of_this_run_is_refused(stopped: Consortium, here: Here) -> None:
    """At the site itself, before it connects."""
    check_that_one_partys_files_look_uniform(stopped)
    files = {path: path.read_bytes() for path in kept(stopped, "north").iterdir()}
    begun, first = kept(stopped, "north") / "run.json", kept(stopped, "north") / "000020.state"
    for path in (begun, first, kept(stopped, "north") / "000000.state"):
        content = files[path]
        middle, end = len(content) // 2, len(content) - 1
        spoiled = [content[:-1], content + b"\0", b""]
        for place in (0, 20, content.index(b"\n") + 5, middle, end):
            spoiled.append(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        for other in spoiled:
            path.write_bytes(other)
            check_error(here(*stopped.command("north")), "COH-506", 7, f"{path.name}, which an")
        path.unlink()
        check_error(here(*stopped.command("north")), "COH-506", 7, "is damaged", "--fresh")
        path.write_bytes(content)
    # A state of another party, or of another time, in its place.
    for other in (kept(stopped, "south") / first.name, kept(stopped, "north") / "000040.state"):
        first.write_bytes(other.read_bytes())
        check_error(here(*stopped.command("north")), "COH-506", 7, "000020.state, which an")
    first.write_bytes(files[first])

    table = Path(stopped.data["north"])
    content = table.read_text()
    lines = content.splitlines()
    swapped = "\n".join([lines[0], lines[2], lines[1], *lines[3:]]) + "\n"
    label = content.replace("BCR/ABL", "-", 1).replace("NEG", "BCR/ABL", 1).replace("-", "NEG", 1)
    for other in (content.replace("7.", "6.", 1), swapped, label):
        assert other != content
        table.write_text(other)
        ended = here(*stopped.command("north"))
        check_error(ended, "COH-506", 7, "not those of the run that stopped")
    table.write_text(content)

    for change in (("iterations = 300", "iterations = 301"), ("checkpoint_every = 20", "")):
        other = stopped.write("other.toml", stopped.text.replace(*change))
        ended = here(*stopped.command("north", study=other))
        check_error(ended, "COH-506", 7, "is of another study file", "--fresh")

    log = stopped.folder / "out-north" / "events.jsonl"
    content = log.read_text()
    log.unlink()
    check_error(here(*stopped.command("north")), "COH-506", 7, "its log, which would tell")
    log.write_text(content.replace('"event"', '"evnt"', 1))
    check_error(here(*stopped.command("north")), "COH-506", 7, "its log, which would tell")
    log.write_text(content)


def test_who_lost_what_it_kept_is_named_and_all_may_start_anew(stopped: Consortium) -> None:
    done = states(stopped, "north")[-1]
    assert stopped.terminal.run("discard", "out-south").out.startswith("Removed what was kept")
    assert stopped.terminal.run("discard", "out-south").out.startswith("Nothing was kept")
    for name, ended in end_all(stopped.join_all()).items():
        code, exit_code = ("COH-501", 7) if ended.code == 7 else ("COH-407", 6)
        says = f"south kept nothing of the run that north would go on with, after {done} iterations"
        check_error(ended, code, exit_code, says, *["--fresh"] * (code == "COH-501"))
        assert states(stopped, name) == (states(stopped, "north") if name == "north" else [])
    fresh = {
        name: stopped.terminal.start(*stopped.command(name, "--fresh")) for name in stopped.parties
    }
    for name, ended in end_all(fresh).items():
        assert ended.code == 0, ended
        assert "Goes on" not in ended.out
        assert not kept(stopped, name).exists()


def test_nothing_is_revealed_twice_and_a_row_is_used_once(stopped: Consortium, here: Here) -> None:
    copies = {name: stopped.folder / f"copy-{name}" for name in stopped.parties if name != "uni"}
    for name, copy in copies.items():
        shutil.copytree(kept(stopped, name), copy)
    # The first time north had no policy: its rows are counted when it has one, and only once.
    north, register = with_policy(stopped), stopped.folder / "register.jsonl"
    assert not register.exists()
    killed_in_training(stopped, "uni", states(stopped, "north")[-1] + 2 * EVERY, north)
    assert len(register.read_text().splitlines()) == 1
    # What is kept says that they were counted; an older copy of it, that they were not.
    later = shutil.move(kept(stopped, "north"), stopped.folder / "later")
    shutil.copytree(copies["north"], kept(stopped, "north"))
    check_error(here(*north), "COH-503", 7, "rows were in as many runs already")
    shutil.rmtree(kept(stopped, "north"))
    shutil.move(later, kept(stopped, "north"))
    # As a power failure leaves the log.
    log = stopped.folder / "out-north" / "events.jsonl"
    log.write_bytes(log.read_bytes() + b'{"seq":')
    assert {ended.code for ended in end_all(join_all(stopped, north)).values()} == {0}
    assert verify_run(log.parent).finished
    assert len(register.read_text().splitlines()) == 1
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [event["bytes"] for event in events if event["event"] == "cut"] == [7]
    last = [event["event"] for event in events].index("goes on")
    told = [event["what"] for event in events[last:] if event["event"] == "authorised"]
    assert told == ["bounds", "auc", "model"]
    # A backup of what was kept is put back, and the record taken away.
    for name, copy in copies.items():
        shutil.copytree(copy, kept(stopped, name))
        (stopped.folder / f"out-{name}" / "record.json").unlink()
    commands = {name: stopped.join(name) for name in ("north", "south")}
    for ended in end_all(commands).values():
        check_error(
            ended, "COH-506", 7, "can not be gone on with: it has revealed bounds, auc, model"
        )


def test_nothing_is_kept_of_a_training_in_vain(terminal: Terminal) -> None:
    """A stated bound did not hold, which it would not the next time either."""
    group = Consortium(terminal, checkpoint_every=10, iterations=60, l2="0.001")
    text = group.text.replace("[model]", "[model]\nlogit_bound = 1.0")
    study = group.write("study.toml", text)
    ended = end_all({name: group.join(name, study=study) for name in group.parties})
    for name in ("north", "south"):
        assert "COH-303" in ended[name].err, ended[name]
        assert not kept(group, name).exists()
