"""The audit log of a run: lines of JSON, each with the SHA-256 of the line before it.

At checkpoints the parties send each other the digest of their last line and countersign it with
their identity keys. Who changes a line later would have to forge the signatures of all others.
Nothing secret is logged: only facts that are public to all parties, and what this party received
by its digest.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cohortium.errors import AuditError, FrameError
from cohortium.net import SIGNATURE_BYTES, Identity, Mesh, sign, verify
from cohortium.study import utc_now

AUDIT_FILE = "events.jsonl"
NO_LINE = "0" * 64
_PURPOSE = b"cohortium: the audit log of a run stands here\0"
_TIME_BYTES = len("2026-01-01T00:00:00.000Z")


def encode_line(fields: Mapping[str, Any]) -> bytes:
    """Return an event as a line of the log, without its end."""
    return json.dumps(fields, separators=(",", ":")).encode("ascii")


def line_digest(line: bytes) -> str:
    """Return what the next line says of this one."""
    return hashlib.sha256(line).hexdigest()


def countersigned_message(session: str, owner: str, head: str, signer: str, time: str) -> bytes:
    """Return what ``signer`` signs of the log of ``owner``, whose last line has digest ``head``."""
    return _PURPOSE + json.dumps([session, owner, head, signer, time]).encode("ascii")


class AuditLog:
    """A log in a directory; one that is there goes on where it ended.

    ``cut`` is how many bytes of an incomplete last line were removed, as a power failure leaves it.
    What it was to say had not happened: all that follows an event waits until its line is on disk.
    """

    def __init__(self, directory: Path) -> None:
        """Open the log; AuditError where what is there can not be read or mended."""
        self._path = directory / AUDIT_FILE
        self._previous, self._count, self.cut = NO_LINE, 0, 0
        if not self._path.exists():
            return
        try:
            with self._path.open("r+b") as file:
                *lines, rest = file.read().split(b"\n")
                self.cut = len(rest)
                if rest:
                    file.truncate(file.tell() - len(rest))
                    os.fsync(file.fileno())
        except OSError as error:
            raise _not_written(error) from error
        if lines:
            self._previous, self._count = line_digest(lines[-1]), len(lines)

    @property
    def head(self) -> str:
        """The digest of the last line."""
        return self._previous

    def add(self, event: str, **facts: Any) -> None:
        """Append an event; AuditError where the file can not be written."""
        self._append({"event": event, "time": utc_now(), **facts})

    def authorised_since(self, session: str) -> list[str] | None:
        """Return what was allowed to be revealed since a session began; None if this is unknown."""
        found: list[str] | None = None
        try:
            for line in self._path.read_bytes().splitlines():
                event = json.loads(line)
                if event["event"] == "connected" and event["session"] == session:
                    found = []
                elif event["event"] == "authorised" and found is not None:
                    found.append(event["what"])
        except (ValueError, KeyError, TypeError):
            return None
        return found

    def checkpoint(
        self,
        name: str,
        mesh: Mesh,
        identity: Identity,
        certificates: Mapping[str, str],
    ) -> None:
        """Append a checkpoint, and the countersignatures that all peers give to it.

        Two exchanges with every peer: digests, then signatures. All parties call it at the same
        point. Raises FrameError where a peer's signature is not of this log.
        """
        self.add("checkpoint", name=name, session=mesh.session_id.hex())
        session, mine = mesh.session_id.hex(), self.head
        heads = mesh.exchange_messages(
            f"audit log, {name}",
            dict.fromkeys(mesh.peers, bytes.fromhex(mine)),
            dict.fromkeys(mesh.peers, 32),
        )
        time = utc_now()
        outgoing = {
            peer: time.encode("ascii")
            + sign(identity, countersigned_message(session, peer, head.hex(), identity.name, time))
            for peer, head in heads.items()
        }
        answers = mesh.exchange_messages(
            f"countersignature, {name}",
            outgoing,
            dict.fromkeys(mesh.peers, _TIME_BYTES + SIGNATURE_BYTES),
        )
        given = {}
        for peer, answer in answers.items():
            when = answer[:_TIME_BYTES].decode("ascii", errors="replace")
            signature = answer[_TIME_BYTES:]
            message = countersigned_message(session, mesh.name, mine, peer, when)
            if not verify(certificates[peer], message, signature):
                raise FrameError(
                    f"{peer} did not countersign the audit log of {mesh.name} as it stands.",
                    remedy="Check that all sites run the same version.",
                    party=mesh.name,
                )
            given[peer] = {"time": when, "signature": signature.hex()}
        # Without a time of its own: everything in the last line of a log is covered by signatures.
        self._append({"event": "countersigned", "by": given})

    def _append(self, fields: Mapping[str, Any]) -> None:
        line = encode_line({"seq": self._count, **fields, "previous": self._previous})
        try:
            with self._path.open("ab") as file:
                file.write(line + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _not_written(error) from error
        self._previous = line_digest(line)
        self._count += 1


def _not_written(error: OSError) -> AuditError:
    return AuditError(
        f"The audit log can not be written ({error.strerror}).",
        remedy="Free space, or name another directory with --out.",
    )
