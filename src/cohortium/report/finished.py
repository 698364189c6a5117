"""A finished run as its directory tells it: nothing else goes into a report.

What is read was checked first: the record is intact and the files are those that the run wrote
(``cohortium audit verify`` does the same). So the directory of a run that did not finish, or one
that was changed, makes no report.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cohortium.errors import AuditError
from cohortium.learn import Model
from cohortium.run.audit import AUDIT_FILE
from cohortium.run.results import METRICS_FILE, MODEL_FILES, RECORD_FILE, STUDY_FILE
from cohortium.run.verifying import Verdict, verify_run
from cohortium.study import StudyFile, load_study

_LARGEST_FILE = 256 << 20


@dataclass(frozen=True)
class FinishedRun:
    """What one party has of a finished run.

    ``models`` are by file name; ``digests`` are the SHA-256 of the files that the run wrote;
    ``software`` is what the audit log says of the program; ``times`` are its start and its end.
    """

    directory: Path
    study: StudyFile
    party: str
    record: Mapping[str, Any]
    metrics: Mapping[str, Any] | None
    models: Mapping[str, Model]
    software: Mapping[str, str]
    times: tuple[str, str]
    digests: Mapping[str, str]
    verdict: Verdict

    @property
    def received(self) -> tuple[str, ...]:
        """What was revealed to this party, the bits on bounds apart."""
        return tuple(
            entry["what"]
            for entry in self.record["revealed"]
            if self.party in entry["to"] and entry["what"] != "bounds" and entry["time"]
        )


def read_run(directory: Path) -> FinishedRun:
    """Return the finished run in a directory; AuditError where it is not intact or not finished."""
    verdict = verify_run(directory)
    if not verdict.finished or RECORD_FILE not in verdict.files:
        raise AuditError(
            f"The run in {directory} did not finish: there is nothing to report.",
            remedy="Start it again, or name the directory of a finished run.",
        )
    try:
        return _read(directory, verdict)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise AuditError(
            f"{directory / RECORD_FILE} does not have the form of a record.",
            remedy="Make the report with the version that made the run.",
        ) from error


def _read(directory: Path, verdict: Verdict) -> FinishedRun:
    record = _json(directory / RECORD_FILE)
    events = [
        json.loads(line)
        for line in (directory / AUDIT_FILE).read_text(encoding="utf-8").splitlines()
    ]
    started = [event for event in events if event["event"] == "started"][-1]
    written = [event for event in events if event["event"] == "written"][-1]
    metrics = _json(directory / METRICS_FILE) if METRICS_FILE in verdict.files else None
    models = {
        name: Model.load(directory / name)
        for name in verdict.files
        if Path(name).match(MODEL_FILES)
    }
    return FinishedRun(
        directory=directory,
        study=load_study(directory / STUDY_FILE),
        party=verdict.party,
        record=record,
        metrics=metrics,
        models=models,
        software={name: str(started[name]) for name in ("version", "program", "packages")},
        times=(str(started["time"]), str(written["time"])),
        digests=dict(written["files"]),
        verdict=verdict,
    )


def _json(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _LARGEST_FILE:
        raise AuditError(f"{path} is too large for a record.", remedy="Check the path.")
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise TypeError("not an object")
    return content


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
