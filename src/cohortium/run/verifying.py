"""Checks a run's record offline: nothing was changed since all parties countersigned it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cohortium.errors import AuditError, CohortiumError
from cohortium.net import fingerprint, verify
from cohortium.run.audit import (
    AUDIT_FILE,
    NO_LINE,
    countersigned_message,
    encode_line,
    line_digest,
)
from cohortium.run.results import STUDY_FILE
from cohortium.study import load_signatures, parse_study, signatures_path
from cohortium.study.signatures import verified

_LARGEST_LOG = 256 << 20
# Events that say what went on, with nothing to compare.
_OTHER_KINDS = frozenset(
    {
        "started",
        "cut",
        "connected",
        "phase",
        "to be revealed",
        "filtered",
        "authorised",
        "stopped",
    }
)
_REMEDY = "The record was changed or damaged after it was written: do not rely on it."


@dataclass
class Verdict:
    """What an intact record says: who ran what, whether it was finished, and what is missing.

    ``went_on``: after how many iterations the last run went on after each crash, in order.
    """

    party: str
    study: str
    digest: str
    fingerprints: dict[str, str] = field(default_factory=dict)
    simulated: bool = False
    finished: bool = False
    events: int = 0
    went_on: list[int] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    revealed: list[dict[str, Any]] = field(default_factory=list)


def verify_run(directory: Path) -> Verdict:
    """Return what the record in a directory says, if it is intact; AuditError if it is not.

    Intact: each line of the log is as it was written and names the line before it; every
    checkpoint has the countersignatures of all peers; the files are those whose digests the log
    holds; the study is the one that was started and all parties signed it.
    """
    lines = _lines(directory / AUDIT_FILE)
    try:
        return _verify(directory, lines)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AuditError(
            f"{directory / AUDIT_FILE} does not have the form of an audit log.", remedy=_REMEDY
        ) from error


def _verify(directory: Path, lines: list[bytes]) -> Verdict:
    verdict: Verdict | None = None
    certificates: dict[str, str] = {}
    agreed = resumed = False
    # Each session after a crash: the iterations that were done, and the run that they are of.
    resumptions: list[tuple[int, str]] = []
    events = _chained(directory / AUDIT_FILE, lines)
    for number, event in enumerate(events):
        kind = event["event"]
        if kind == "started":
            verdict = Verdict(event["party"], event["study"], event["study_digest"])
            verdict.simulated = bool(event["simulated"])
            certificates, agreed, resumed = {}, False, False
        if verdict is None:
            raise ValueError("the log does not begin with a start")
        if kind == "connected":
            certificates = event["certificates"]
            verdict.fingerprints = {name: fingerprint(pem) for name, pem in certificates.items()}
        elif kind == "agreed":
            agreed = True
        elif kind == "goes on":
            resumed = True
            if not isinstance(event["iterations"], int):
                raise TypeError("iterations that are no number")
            resumptions.append((event["iterations"], str(event["run"])))
        elif kind == "checkpoint":
            # A session that does not go on has begun anew.
            resumptions = resumptions if resumed else []
        elif kind == "countersigned":
            before = events[number - 1]
            if before["event"] != "checkpoint":
                raise ValueError("countersigned without a checkpoint")
            _check_countersigned(
                event, before["session"], line_digest(lines[number - 1]), verdict, certificates
            )
            verdict.finished = before["name"] == "finished"
        elif kind == "revealed":
            verdict.revealed = event["list"]
        elif kind == "written":
            verdict.files = _check_files(directory, event["files"])
        elif kind not in _OTHER_KINDS:
            raise ValueError("an unknown event")
    if verdict is None:
        raise ValueError("the log is empty")
    if agreed:
        _check_study(directory, verdict, certificates)
    verdict.events = len(events)
    verdict.went_on = [done for done, run in resumptions if run == resumptions[-1][1]]
    return verdict


def _lines(path: Path) -> list[bytes]:
    try:
        if path.stat().st_size > _LARGEST_LOG:
            raise AuditError(f"{path} is too large for an audit log.", remedy="Check the path.")
        content = path.read_bytes()
    except OSError as error:
        raise AuditError(
            f"The audit log {path} can not be read ({error.strerror}).",
            remedy="Name the directory of a run: it holds events.jsonl.",
        ) from None
    *lines, rest = content.split(b"\n")
    if rest:
        raise AuditError(f"The last line of {path} is incomplete.", remedy=_REMEDY)
    return lines


def _chained(path: Path, lines: list[bytes]) -> list[dict[str, Any]]:
    events, previous = [], NO_LINE
    for number, line in enumerate(lines):
        try:
            event = json.loads(line)
            intact = (
                event["seq"] == number
                and event["previous"] == previous
                # Written in one way only: what a reader would not see is found too.
                and encode_line(event) == line
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            intact = False
        if not intact:
            raise AuditError(
                f"Line {number + 1} of {path} does not follow from the line before it.",
                remedy=_REMEDY,
            )
        events.append(event)
        previous = line_digest(line)
    return events


def _check_study(directory: Path, verdict: Verdict, certificates: Mapping[str, str]) -> None:
    """Check the study in the directory: its digest, its certificates, who signed it."""
    path = directory / STUDY_FILE
    signed = signatures_path(path)
    content = _read(path)
    if hashlib.sha256(content).hexdigest() != verdict.digest:
        raise AuditError(f"{path} is not the study that was run.", remedy=_REMEDY)
    study = parse_study(content.decode("utf-8"), str(path)).study
    listed = {party.name: party.certificate for party in study.party}
    if (
        not verdict.simulated
        and {name: fingerprint(pem or "") for name, pem in listed.items()} != verdict.fingerprints
    ):
        raise AuditError(
            f"The certificates in the audit log are not those of {path}.", remedy=_REMEDY
        )
    try:
        signatures = load_signatures(signed)
    except CohortiumError as error:
        raise AuditError(error.what, remedy=_REMEDY) from error
    by_party = {signature.party: signature for signature in signatures}
    for name, certificate in certificates.items():
        signature = by_party.get(name)
        if (
            signature is None
            or signature.study != verdict.digest
            or not verified(signature, certificate)
        ):
            raise AuditError(
                f"{signed} has no valid signature of {name} for this study.", remedy=_REMEDY
            )


def _check_countersigned(
    event: Mapping[str, Any],
    session: str,
    head: str,
    verdict: Verdict,
    certificates: Mapping[str, str],
) -> None:
    peers = certificates.keys() - {verdict.party}
    if event["by"].keys() != peers or event.keys() != {"seq", "event", "by", "previous"}:
        raise AuditError(
            f"A checkpoint is not countersigned by all of {', '.join(sorted(peers))}.",
            remedy=_REMEDY,
        )
    for peer, given in event["by"].items():
        message = countersigned_message(session, verdict.party, head, peer, given["time"])
        signature = bytes.fromhex(given["signature"])
        if (
            given.keys() != {"time", "signature"}
            or signature.hex() != given["signature"]
            or not verify(certificates[peer], message, signature)
        ):
            raise AuditError(
                f"A countersignature of {peer} does not hold for this log.", remedy=_REMEDY
            )


def _check_files(directory: Path, files: Mapping[str, str]) -> list[str]:
    for name, digest in files.items():
        if Path(name).name != name:
            raise ValueError("a file of another directory")
        if hashlib.sha256(_read(directory / name)).hexdigest() != digest:
            raise AuditError(f"{directory / name} is not what the run wrote.", remedy=_REMEDY)
    return list(files)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AuditError(f"{path} can not be read ({error.strerror}).", remedy=_REMEDY) from None
