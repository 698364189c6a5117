"""What the pages tell people to type is typed here: whole pages as they stand, the rest parsed."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import typer
from docs_tables import write_table

from cohortium.cli import app
from cohortium.study import load_policy
from cohortium.study.loading import parse_study

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SECONDS = 200
# Up to eighteen processes, three at a time: more than the usual 120 s on a busy machine.
pytestmark = pytest.mark.timeout(400)
# Where a page shows a part of a study file, these are its other parts.
REST = {
    "study": '[study]\nname = "a part"\n',
    "party": "".join(
        f'[[party]]\nname = "{name}"\nroles = {roles}\n'
        for name, roles in (
            ("north", ["data", "compute", "receive"]),
            ("south", ["data", "compute", "receive"]),
            ("university", ["deal"]),
        )
    ),
    "data": '[data]\nlabel = "relapse"\n',
    "reveal": '[[reveal]]\nwhat = "model"\nto = ["north", "south"]\n',
}


def blocks(page: Path, language: str) -> list[str]:
    """Return the blocks of code of a page that are marked with this language."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def lines(block: str) -> list[list[str]]:
    """Return the words of each command of a block."""
    return [shlex.split(line, comments=True) for line in block.splitlines()]


def start(words: list[str], folder: Path) -> subprocess.Popen[str]:
    """Start `cohortium …` as a process of its own, at home in this folder."""
    assert words[0] == "cohortium", words
    return subprocess.Popen(
        [sys.executable, "-m", "cohortium", *words[1:]],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "NO_COLOR": "1", "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, (process.args, out, err)
    return out


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


def test_the_tutorial_works_as_it_is_written(tmp_path: Path) -> None:
    page = ROOT / "docs" / "tutorial.md"
    write_table(tmp_path / "north.csv", "N", 48, 1)
    write_table(tmp_path / "south.csv", "S", 40, 2)
    write_table(tmp_path / "new.csv", "X", 30, 3, label=False)
    (study,) = blocks(page, "toml")
    (tmp_path / "study.toml").write_text(study, encoding="utf-8")
    commands = [words for block in blocks(page, "sh") for words in lines(block)]
    assert len(commands) == 7
    printed = "".join(end(start(words, tmp_path)) for words in commands)
    # What the page says that one will see, numbers apart.
    for told in (
        "samples   40",
        "classes   yes 20, no 20",
        "What becomes readable, and to whom",
        "88 samples (north 48, south 40).",
        "60 features, the same at every site.",
        "north, south: 5-fold cross-validation, mean over the folds:",
        "The report of the run: cohortium-run/north/report.html",
        "intact  22 events, chained",
        "revealed    model (61 × 3) to north, south; ",
        "A simulation on one machine: its certificates were made for the run.",
    ):
        assert told in printed, told
    assert "<h1>relapse, on our machine</h1>" in (
        tmp_path / "cohortium-run" / "north" / "report.html"
    ).read_text(encoding="utf-8")
    assert not list((tmp_path / "cohortium-run" / "university").glob("model*"))
    weights = (tmp_path / "weights.csv").read_text(encoding="utf-8").splitlines()
    assert weights[0] == "feature,weight"
    assert len(weights) == 1 + 60 + 1
    predictions = (tmp_path / "predictions.csv").read_text(encoding="utf-8").splitlines()
    assert predictions[0] == "sample,probability of yes,class"
    assert len(predictions) == 1 + 30


@pytest.fixture
def readme(tmp_path: Path) -> tuple[list[str], str]:
    """The README's blocks of commands and its study, and in the folder the files that it names."""
    write_table(tmp_path / "north.csv.gz", "N", 48, 1)
    write_table(tmp_path / "south.tsv", "S", 40, 2)
    (study,) = blocks(ROOT / "README.md", "toml")
    (tmp_path / "study.toml").write_text(study, encoding="utf-8")
    return blocks(ROOT / "README.md", "sh"), study


def test_the_readme_works_on_one_machine(readme: tuple[list[str], str], tmp_path: Path) -> None:
    first, alone = readme[0][:2]
    # The demo itself is run by .ci/run.
    assert first.splitlines()[1:] == ["make demo"]
    assert "\ndemo: $(VENV)/demo.installed\n\t$(BIN)/cohortium demo\n" in (
        ROOT / "Makefile"
    ).read_text(encoding="utf-8")
    ((simulate),) = lines(alone)
    printed = end(start(simulate, tmp_path))
    assert "north received cohortium-run/north/model.json" in printed
    assert "The report of the run: cohortium-run/north/report.html" in printed


def test_the_readme_works_at_three_sites(readme: tuple[list[str], str], tmp_path: Path) -> None:
    # Each command is run at all sites at once, under the site's own name and with its own file.
    together, study = readme[0][2:], readme[1]
    files = {"north": "north.csv.gz", "south": "south.tsv", "university": None}
    homes = {site: tmp_path / site for site in files}
    for site, home in homes.items():
        home.mkdir()
        if files[site]:
            (home / str(files[site])).write_bytes((tmp_path / str(files[site])).read_bytes())

    def at(site: str, words: list[str]) -> list[str]:
        if files[site] is None and "--data" in words:
            place = words.index("--data")
            words = words[:place] + words[place + 2 :]
        own = {"north": site, "north.csv.gz": str(files[site])}
        return [own.get(word, word) for word in words]

    identities, *rest = (lines(block) for block in together)
    for words in identities:
        shown = {site: start(at(site, words), home) for site, home in homes.items()}
        printed = {site: end(process) for site, process in shown.items()}
    for (site, text), port in zip(printed.items(), free_ports(len(homes)), strict=True):
        certificate = re.search(r'^certificate = """\n.*?^"""$', text, re.MULTILINE | re.DOTALL)
        assert certificate, text
        named = f'name = "{site}"\n'
        assert study.count(named) == 1
        study = study.replace(named, f'{named}address = "127.0.0.1:{port}"\n{certificate[0]}\n')
    for home in homes.values():
        (home / "study.toml").write_text(study, encoding="utf-8")
    commands = [words for block in rest for words in block]
    assert [words[1] for words in commands] == ["study", "study", "check", "join", "audit"]
    for words in commands:
        running = {site: start(at(site, words), home) for site, home in homes.items()}
        printed = {site: end(process) for site, process in running.items()}
    assert all(text.startswith("intact") for text in printed.values()), printed
    for site, home in homes.items():
        run = home / "cohortium-run"
        assert (run / "report.html").exists()
        assert (run / "model.json").exists() == (site != "university")
    models = [
        (homes[site] / "cohortium-run" / "model.json").read_bytes() for site in files if files[site]
    ]
    assert models[0] == models[1]


def mentioned(page: Path) -> Iterator[str]:
    """Yield what a page shows as commands: lines of blocks, and words in backticks."""
    text = page.read_text(encoding="utf-8")
    blockless, fenced = [], []
    for place, part in enumerate(re.split(r"^ *```.*$", text, flags=re.MULTILINE)):
        (fenced if place % 2 else blockless).append(part)
    for part in fenced:
        yield from re.findall(
            r"^ *(?:[a-z]*\$ )?(?:\.venv/bin/)?(cohortium [^#\n]*)", part, re.MULTILINE
        )
    for part in blockless:
        yield from re.findall(r"`(cohortium\s[^`]*)`", part)
        yield from re.findall(r"^    \$? ?(cohortium [^#\n]*)", part, re.MULTILINE)


def complaint(command: str) -> str | None:
    """Return what is wrong with a command as a page shows it, which may leave out arguments."""
    words = shlex.split(command)[1:]
    # Of the shell, not of the program.
    words = words[: next((n for n, word in enumerate(words) if word in "|;&"), len(words))]
    group: Any = typer.main.get_command(app)
    while hasattr(group, "commands"):
        if not words:
            return None
        name = words.pop(0).rstrip("…")
        if name not in group.commands:
            return f"no command {name!r}"
        group = group.commands[name]
    options = {
        name: parameter
        for parameter in group.params
        if parameter.param_type_name == "option"
        for name in parameter.opts
    }
    arguments = sum(parameter.param_type_name == "argument" for parameter in group.params)
    given = 0
    while words:
        word = words.pop(0)
        if word.startswith("--"):
            if word not in options and word != "--help":
                return f"no option {word!r}"
            if word in options and not options[word].is_flag and words:
                words.pop(0)
        elif word != "…":
            given += 1
    return None if given <= arguments else f"{given} arguments where there are {arguments}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_in_the_docs_exists_with_its_options(page: Path) -> None:
    wrong = {command: complaint(command) for command in mentioned(page)}
    assert {command: what for command, what in wrong.items() if what} == {}


def test_commands_are_found_and_wrong_ones_are_seen() -> None:
    found = {command for page in PAGES for command in mentioned(page)}
    assert len(found) > 45
    # All commands that there are, are shown somewhere.
    shown = {tuple(command.split()[1:2]) for command in found}
    known = cast(Any, typer.main.get_command(app)).commands
    assert {(name,) for name in known} <= shown
    assert complaint("cohortium studies check x.toml") == "no command 'studies'"
    assert complaint("cohortium join study.toml --az north") == "no option '--az'"
    assert complaint("cohortium report a b") == "2 arguments where there are 1"
    assert complaint("cohortium join study.toml --as north --data x.csv") is None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_part_of_a_study_in_the_docs_is_valid(page: Path, tmp_path: Path) -> None:
    for block in blocks(page, "toml"):
        if block.startswith("[policy]"):
            policy = tmp_path / "policy.toml"
            policy.write_text(block, encoding="utf-8")
            load_policy(policy)
        elif "…" not in block:
            there = set(re.findall(r"^\[+(\w+)", block, re.MULTILINE))
            rest = "".join(text for name, text in REST.items() if name not in there)
            parse_study(block + "\n" + rest, page.name)
