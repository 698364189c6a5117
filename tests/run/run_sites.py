"""Small sites on this machine: their tables, the study between them, and a process for each."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cohortium.data import Cohort, common_features, prepare
from cohortium.learn import Model, plan_dual, train
from cohortium.mpc.clear import EXACT, ClearProtocol
from cohortium.net import Identity
from cohortium.run.local import thread_limits
from cohortium.run.planning import dual_parameters
from cohortium.run.preparing import preparation_of, read_site_data
from cohortium.study import StudyFile, parse_study

LABEL, POSITIVE, NEGATIVE = "subtype", "BCR/ABL", "NEG"
OWNER = ("data", "compute", "receive")
TWO_SITES: Mapping[str, Sequence[str]] = {"north": OWNER, "south": OWNER, "uni": ("deal",)}
SECONDS = 100.0


def genes(first: int, count: int = 30) -> list[str]:
    return [f"GENE{number:02d}" for number in range(first, first + count)]


@dataclass
class Cells:
    """A site's table before it is written: tests spoil it."""

    header: list[str]
    rows: list[list[str]]

    def write(self, path: Path) -> Path:
        lines = [",".join(row) for row in [self.header, *self.rows]]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path


def cells(site: str, features: Sequence[str], *, samples: int = 24, seed: int = 0) -> Cells:
    """Samples in rows, the label in the second column; the classes differ in the first genes."""
    random = np.random.default_rng([seed, *site.encode()])
    labels = np.arange(samples) % 2
    values = random.normal(7.0, 1.0, (samples, len(features)))
    values[:, :5] += 1.5 * labels[:, None]
    names = (NEGATIVE, POSITIVE)
    rows = [
        [f"{site}-{row}", names[label], *(f"{value:.3f}" for value in line)]
        for row, (label, line) in enumerate(zip(labels, values, strict=True))
    ]
    return Cells(["sample", LABEL, *features], rows)


def write_with_label_file(table: Cells, folder: Path, site: str) -> str:
    """Write genes and labels to two files; return the --data argument that names them."""
    Cells(["sample", LABEL], [row[:2] for row in table.rows]).write(folder / f"{site}-labels.csv")
    columns = Cells(
        ["sample", *table.header[2:]], [[row[0], *row[2:]] for row in table.rows]
    ).write(folder / f"{site}.csv")
    return f"{columns},labels={folder / f'{site}-labels.csv'}"


def study_text(
    parties: Mapping[str, Sequence[str]] = TWO_SITES,
    *,
    to: Sequence[str] | None = None,
    l2: str = "1.0",
    iterations: int = 12,
    deadline: float = 20,
    connect_timeout: float = 20,
    features: str = 'mode = "intersection"',
    checkpoint_every: int | None = None,
    more: str = "",
    extra: Mapping[str, str] | None = None,
) -> str:
    """Return a study file; ``extra`` holds more lines of a party's section, ``more`` sections."""
    receivers = to or [name for name, roles in parties.items() if "receive" in roles]
    sections = [
        f'[[party]]\nname = "{name}"\nroles = {list(roles)}\n{(extra or {}).get(name, "")}'
        for name, roles in parties.items()
    ]
    return "\n".join(
        [
            "[study]",
            'name = "test"',
            f"deadline = {deadline}",
            f"connect_timeout = {connect_timeout}",
            *([] if checkpoint_every is None else [f"checkpoint_every = {checkpoint_every}"]),
            *sections,
            "[data]",
            f'label = "{LABEL}"',
            f'positive = "{POSITIVE}"',
            f'negative = "{NEGATIVE}"',
            "[features]",
            features,
            "[model]",
            f"l2 = {l2}",
            f"iterations = {iterations}",
            "[[reveal]]",
            'what = "model"',
            f"to = {list(receivers)}",
            more,
            "",
        ]
    )


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


def placed(identities: Mapping[str, Identity], ports: Sequence[int]) -> dict[str, str]:
    """Return the lines of each party's section that say where and who it is."""
    return {
        name: f'address = "127.0.0.1:{port}"\nfingerprint = "{identity.fingerprint}"\n'
        f'certificate = """\n{identity.certificate_pem.strip()}\n"""\n'
        for (name, identity), port in zip(identities.items(), ports, strict=True)
    }


def twin(study: StudyFile, data: Mapping[str, str]) -> npt.NDArray[np.float64]:
    """Return the weights, intercept last, of the same program over exact numbers, in the clear."""
    settings = preparation_of(study.study)
    prepared: dict[str, Cohort] = {}
    for name in study.study.with_role("data"):
        prepared[name] = prepare(read_site_data(data[name], study.study), settings)[0]
    common, _ = common_features({name: cohort.features for name, cohort in prepared.items()})
    aligned = {name: cohort.select_features(common) for name, cohort in prepared.items()}
    sizes = {name: len(cohort.samples) for name, cohort in aligned.items()}
    plan = plan_dual(
        sum(sizes.values()),
        len(common),
        study.study.preparation.clip,
        dual_parameters(study.study),
    )
    owned: dict[str, Any] = {name: (it.values, it.labels) for name, it in aligned.items()}
    told = {"bounds": (), "model": ()}
    return np.asarray(train(ClearProtocol(exact=EXACT), plan, sizes, owned, told)["model"])


def largest_difference(path: Path, weights: npt.NDArray[np.float64]) -> float:
    """Return by how much a model file differs from weights, as a part of the largest weight."""
    model = Model.load(path)
    given = np.append(model.weights, model.intercept)
    return float(np.abs(given - weights).max() / np.abs(weights[:-1]).max())


@dataclass
class Ended:
    """What a command left behind: exit code, standard output, standard error, seconds it ran."""

    code: int
    out: str
    err: str
    seconds: float = 0.0


@dataclass
class Command:
    """A running ``cohortium`` command, a process group of its own."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._started = time.monotonic()
        self._readers = [
            threading.Thread(target=into.extend, args=(stream,), daemon=True)
            for stream, into in (
                (self.process.stdout, self.lines),
                (self.process.stderr, self.errors),
            )
        ]
        for reader in self._readers:
            reader.start()

    def wait_for(self, text: str, seconds: float = SECONDS) -> None:
        """Return when a line of standard output holds ``text``."""
        end = time.monotonic() + seconds
        while not any(text in line for line in list(self.lines)):
            if time.monotonic() > end or not self._readers[0].is_alive():
                raise TimeoutError(f"{text!r} did not come: {self.lines} {self.errors}")
            time.sleep(0.01)

    def end(self, seconds: float = SECONDS) -> Ended:
        """Wait for the end of the command."""
        code = self.process.wait(seconds)
        ended = time.monotonic()
        self.close()
        return Ended(code, "".join(self.lines), "".join(self.errors), ended - self._started)

    def close(self) -> None:
        """End the command, if it runs still, and its pipes."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for reader, stream in zip(
            self._readers, (self.process.stdout, self.process.stderr), strict=True
        ):
            reader.join(SECONDS)
            if stream is not None:
                stream.close()

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send a signal to the command, or to all processes of its group."""
        (os.killpg if group else os.kill)(self.process.pid, number)


class Terminal:
    """Starts commands, and knows every process that came of them by a mark in its environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mark = f"COHORTIUM_TEST_MARK={uuid.uuid4().hex}"
        self._commands: list[Command] = []

    def start(self, *arguments: str, **environment: str) -> Command:
        name, _, value = self._mark.partition("=")
        command = Command(
            subprocess.Popen(
                [sys.executable, "-m", "cohortium", *arguments],
                cwd=self.folder,
                env={
                    **os.environ,
                    **thread_limits(3),
                    "COLUMNS": "250",
                    "TMPDIR": str(self.folder),  # a killed simulation leaves its files there
                    name: value,
                    **environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                start_new_session=True,
            )
        )
        self._commands.append(command)
        return command

    def run(self, *arguments: str, **environment: str) -> Ended:
        return self.start(*arguments, **environment).end()

    def alive(self) -> list[int]:
        """Return the processes that commands of this terminal started and that still run."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    # Empty for a process that has ended and waits for its parent.
                    if self._mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                        found.append(int(entry.name))
                except OSError:
                    continue
        return found

    def close(self) -> None:
        """End whatever a test left running."""
        for process in self.alive():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        for command in self._commands:
            command.close()

    def gone_within(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True


@contextmanager
def terminal_in(folder: Path) -> Iterator[Terminal]:
    """A terminal whose processes are all ended afterwards, whatever a test left running."""
    terminal = Terminal(folder)
    try:
        yield terminal
    finally:
        terminal.close()


@dataclass
class Two:
    """Two hospitals, whose genes differ, and their files: one with a label file."""

    folder: Path
    data: dict[str, str]


def two_sites(folder: Path) -> Two:
    north = cells("north", genes(0)).write(folder / "north.csv")
    south = cells("south", [*reversed(genes(3)), "ONLY[bold]SOUTH"], samples=20)
    return Two(
        folder, {"north": str(north), "south": write_with_label_file(south, folder, "south")}
    )


def data_options(data: Mapping[str, str]) -> list[str]:
    return [part for name, files in data.items() for part in ("--data", f"{name}={files}")]


def parsed(text: str) -> StudyFile:
    return parse_study(text)
