"""All parties of a study on this machine: a process each, real TLS on 127.0.0.1.

The study's addresses and certificates are replaced by local ones, made for this run; everything
else is as in the file, and each process runs just what a remote party would run.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from cohortium import errors
from cohortium.errors import CohortiumError, PartyProcessError, StudyError
from cohortium.net import create_identity
from cohortium.run.results import METRICS_FILE, RECORD_FILE
from cohortium.run.setup import make_engine
from cohortium.run.timeline import Event
from cohortium.study import Study, StudyFile, sign_study

# Errors that tell of another party's trouble: shown only where no party tells of its own.
_SECOND_HAND = ("PeerAbortedError", "PeerLostError", "DeadlineError", "ConnectError")
_EXIT_GRACE = 5.0


@dataclass
class LocalRun:
    """What came of a local run: model files, record and metrics of each party that has such."""

    models: dict[str, list[Path]] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)

    def metrics_received(self) -> list[tuple[dict[str, Any], list[str]]]:
        """Return all metrics that were received, each once with the names of its receivers."""
        found: list[tuple[dict[str, Any], list[str]]] = []
        for name, metrics in self.metrics.items():
            receivers = next((names for other, names in found if other == metrics), None)
            if receivers is None:
                found.append((metrics, [name]))
            else:
                receivers.append(name)
        return found


@dataclass
class _Child:
    name: str
    process: subprocess.Popen[str]
    log: TextIO
    error: CohortiumError | None = None
    done: bool = False


def simulate(
    study: StudyFile,
    data: Mapping[str, str],
    output: Path,
    on_event: Callable[[str, Event], None],
    *,
    engine: str = "numpy",
) -> LocalRun:
    """Run every party of the study in a process of its own and return what came of it.

    ``data`` holds each data owner's ``--data`` argument by party; results go to output/PARTY.
    ``on_event`` gets each party's progress events. Raises the first cause where a party fails;
    all processes have ended when this returns or raises.
    """
    _check_data(study.study, data)
    make_engine(engine)
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cohortium-")))
        sockets = {
            party.name: stack.enter_context(_listening_socket()) for party in study.study.party
        }
        text, signatures = _localised(study, home, sockets)
        children: list[_Child] = []
        stack.callback(_end_all, children)
        for name, listener in sockets.items():
            settings = {
                "study": text,
                "agreed": study.text,
                "digest": study.digest,
                "signatures": signatures,
                "name": name,
                "data": data.get(name),
                "identity": str(home / name),
                "output": str(output / name),
                "engine": engine,
                "listen_fd": listener.fileno(),
            }
            log = stack.enter_context((home / f"{name}.log").open("w+", encoding="utf-8"))
            children.append(_Child(name, _start(settings, listener, log, len(sockets)), log))
        events = _events(children)
        run = LocalRun()
        for child, event in _until_all_ended(children, events):
            if event["event"] == "error":
                child.error = _error(event)
            elif event["event"] == "done":
                child.done = True
                run.models[child.name] = [Path(path) for path in event["models"]]
            on_event(child.name, event)
        failure = _first_cause(children)
        if failure is not None:
            raise failure
    run.models = {child.name: run.models[child.name] for child in children}
    for child in children:
        folder = output / child.name
        run.records[child.name] = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        if (folder / METRICS_FILE).exists():
            text = (folder / METRICS_FILE).read_text(encoding="utf-8")
            run.metrics[child.name] = json.loads(text)
    return run


def _check_data(study: Study, data: Mapping[str, str]) -> None:
    owners = study.with_role("data")
    for name in owners:
        if name not in data:
            raise StudyError(
                f"No data were given for {name!r}, which has the role 'data'.",
                remedy=f"Add --data {name}=FILE.",
            )
    for name in data:
        study.named(name)
        if name not in owners:
            raise StudyError(
                f"Data were given for {name!r}, which does not have the role 'data'.",
                remedy=f"Leave out --data {name}=…, or add the role in the study file.",
            )


def thread_limits(parties: int) -> dict[str, str]:
    """Return environment variables that share this machine's cores among the parties.

    Each numerical library would start a thread for every core in every process, and they would
    wait for each other in busy loops: several times slower than one thread each.
    """
    threads = str(max(1, (os.cpu_count() or 1) // parties))
    return {
        name: os.environ.get(name, threads)
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    }


def _listening_socket() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    return listener


def _localised(
    study: StudyFile, home: Path, sockets: Mapping[str, socket.socket]
) -> tuple[str, str]:
    """Return the study's text with addresses on this machine and certificates made for the run.

    Also the signatures of all parties, by the keys of these certificates.
    """
    parties, signatures = [], []
    for party in study.study.party:
        identity = create_identity(party.name, home / party.name, days=2)
        signatures.append(sign_study(study.digest, party.name, identity).line())
        parties.append(
            party.model_copy(
                update={
                    "address": f"127.0.0.1:{sockets[party.name].getsockname()[1]}",
                    "certificate": identity.certificate_pem,
                    "fingerprint": identity.fingerprint,
                }
            )
        )
    local = study.study.model_copy(update={"party": parties})
    return to_toml(local), "\n".join(signatures)


def to_toml(study: Study) -> str:
    """Return a study as TOML text.

    Its values need no more of TOML than JSON's literals; TOML escapes one character more, DEL.
    """
    lines: list[str] = []
    for section, content in study.model_dump(exclude_none=True).items():
        for table in content if isinstance(content, list) else [content]:
            lines.append(f"[[{section}]]" if isinstance(content, list) else f"[{section}]")
            lines += [f"{key} = {_toml_value(value)}" for key, value in table.items()]
    return "\n".join(lines).replace("\x7f", "\\u007f") + "\n"


def _toml_value(value: object) -> str:
    if isinstance(value, dict):
        pairs = (f"{_toml_value(key)} = {_toml_value(each)}" for key, each in value.items())
        return "{" + ", ".join(pairs) + "}"
    return json.dumps(value, ensure_ascii=False)


def _start(
    settings: Mapping[str, Any], listener: socket.socket, log: TextIO, parties: int
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "cohortium.run.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        encoding="utf-8",
        env={**os.environ, **thread_limits(parties)},
        pass_fds=[listener.fileno()],
    )
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(settings) + "\n")
            process.stdin.flush()
    return process


def _events(children: list[_Child]) -> queue.Queue[tuple[_Child, Event | None]]:
    """Return a queue of all children's events; None is a child's last."""
    events: queue.Queue[tuple[_Child, Event | None]] = queue.Queue()

    def read(child: _Child) -> None:
        for line in child.process.stdout or ():
            with contextlib.suppress(ValueError):
                events.put((child, json.loads(line)))
        events.put((child, None))

    for child in children:
        threading.Thread(target=read, args=(child,), daemon=True).start()
    return events


def _until_all_ended(
    children: list[_Child], events: queue.Queue[tuple[_Child, Event | None]]
) -> Iterator[tuple[_Child, Event]]:
    """Yield events until every child has ended, or one has failed and told the cause.

    One that heard of another's trouble gives the others a while to tell of their own.
    """
    running = len(children)
    give_up: float | None = None
    while running:
        try:
            wait = None if give_up is None else max(0.0, give_up - time.monotonic())
            child, event = events.get(timeout=wait)
        except queue.Empty:
            return
        if event is not None:
            yield child, event
            continue
        running -= 1
        if child.process.wait() != 0:
            if not _heard_of_another(child):
                return
            give_up = give_up or time.monotonic() + _EXIT_GRACE


def _heard_of_another(child: _Child) -> bool:
    return type(child.error).__name__ in _SECOND_HAND


def _first_cause(children: list[_Child]) -> CohortiumError | None:
    """Return the error to show: a party's own trouble before what others heard of it."""
    failed = [child for child in children if child.process.poll() != 0 or not child.done]
    if not failed:
        return None
    for child in failed:
        if child.error is not None and not _heard_of_another(child):
            return child.error
    for child in failed:
        if child.error is None and child.process.poll() is not None:
            return _unexplained(child)
    return next((child.error for child in failed if child.error), _unexplained(failed[0]))


def _unexplained(child: _Child) -> PartyProcessError:
    code = child.process.poll()
    if code is not None and code < 0:
        try:
            how = f"was ended by {signal.Signals(-code).name}"
        except ValueError:
            how = f"was ended by signal {-code}"
        remedy = "If nobody ended it, look for lack of memory in the system's log."
    else:
        how = "did not end" if code is None else f"ended with exit code {code}"
        child.log.seek(0)
        last = child.log.read().strip().splitlines()[-1:] or ["no message"]
        how += f" ({last[0][:200]})"
        remedy = "This is a fault in cohortium; please report it."
    return PartyProcessError(f"The process of {child.name} {how}.", remedy=remedy)


def _error(event: Event) -> CohortiumError:
    kind = getattr(errors, str(event["class"]), CohortiumError)
    error: CohortiumError = kind(event["what"], remedy=event["remedy"], party=event["party"])
    return error


def _end_all(children: list[_Child]) -> None:
    for child in children:
        if child.process.stdin is not None:
            # Its end is how a child knows that it has no parent any more.
            with contextlib.suppress(OSError):
                child.process.stdin.close()
    for child in children:
        try:
            child.process.wait(_EXIT_GRACE)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
        if child.process.stdout is not None:
            child.process.stdout.close()
