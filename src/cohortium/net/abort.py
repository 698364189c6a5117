"""Why a run stopped: the few words that the party which failed first sends to all others."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from cohortium.errors import CohortiumError, DeadlineError, PeerAbortedError, PeerLostError
from cohortium.net.frames import MAX_ABORT, printable

# 900 characters of four bytes each, and the rest of the JSON, stay below MAX_ABORT.
_TEXT = 740
_REMEDY = 160
_NAME = 32


@dataclass(frozen=True)
class Abort:
    """The party that failed first, the code of its error, and the error's text.

    ``remedy`` is the error's too, where it is about another party: that is where to look.
    """

    party: str
    code: str
    text: str
    remedy: str = ""

    @classmethod
    def of(cls, error: BaseException, party: str) -> Abort:
        """Return what may be told of ``error``.

        The text of an error that is not cohortium's is never sent, it could hold data: only the
        name of its class is. Of an error that is for this site only, the code is told.
        """
        if isinstance(error, CohortiumError):
            told = error.what
            if error.for_this_site_only:
                told = "an error about its own data, shown there only"
            elsewhere = isinstance(error, PeerLostError | DeadlineError)
            return cls(party, error.code, told, error.remedy if elsewhere else "")
        return cls(party, CohortiumError.code, f"stopped by {type(error).__name__}")

    def encode(self) -> bytes:
        """Return the payload of an ABORT frame, at most 4 KiB."""
        fields = {
            "party": printable(self.party, _NAME),
            "code": printable(self.code, _NAME),
            "text": printable(self.text, _TEXT),
            "remedy": printable(self.remedy, _REMEDY),
        }
        return json.dumps(fields, ensure_ascii=False).encode("utf-8", errors="replace")

    @classmethod
    def decode(cls, payload: bytes, sender: str) -> Abort:
        """Return the reason in an ABORT frame of ``sender``; unreadable ones give a generic one."""
        fields: Any = None
        if len(payload) <= MAX_ABORT:
            try:
                fields = json.loads(payload)
            except (ValueError, RecursionError):
                fields = None
        if not isinstance(fields, dict):
            fields = {}

        def text(key: str, limit: int, default: str) -> str:
            value = fields.get(key)
            return printable(value, limit) if isinstance(value, str) and value else default

        return cls(
            text("party", _NAME, sender),
            text("code", _NAME, CohortiumError.code),
            text("text", _TEXT, "it gave no reason that can be read"),
            text("remedy", _REMEDY, ""),
        )

    def error(self, sender: str, me: str) -> PeerAbortedError:
        """Return the error to raise at ``me``, told by ``sender``."""
        told = "" if sender == self.party else f" (told by {sender})"
        where = f"{self.party} says: {self.remedy}" if self.remedy else f"Solve it at {self.party}."
        return PeerAbortedError(
            f"{self.party} stopped the run{told}: [{self.code}] {self.text}",
            remedy=f"{where} Then start again at every party.",
            party=me,
        )
