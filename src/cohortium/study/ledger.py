"""The disclosure ledger: the only things that may become readable, and to whom.

Protocols ask it before the first share of a reveal leaves. It is made from the study file, which
is the same at every party, and from the sizes that all agreed on, so each party refuses by itself
what is not listed: another name, another receiver, another shape.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohortium.errors import DisclosureError
from cohortium.mpc import Ledger
from cohortium.study.schema import Study

_SHARE_BYTES = 8


@dataclass
class Disclosure:
    """One thing that may be revealed and, once it was, when and what.

    ``shape`` is None until sizes are agreed. Counts below ``minimum_count``, if it is stated, are
    suppressed before they are revealed. ``sha256`` is of the revealed numbers, as 64-bit
    floats, little-endian, row by row; None at a party that does not receive them. ``remark`` is
    what the shape does not tell.
    """

    what: str
    to: tuple[str, ...]
    minimum_count: int | None = None
    shape: tuple[int, ...] | None = None
    time: str | None = None
    sha256: str | None = None
    remark: str = ""

    def facts(self) -> dict[str, Any]:
        """Return the entry for a record; ``bytes`` is what a computing party sends a receiver."""
        size = None if self.shape is None else _SHARE_BYTES * math.prod(self.shape)
        suppressed = {} if self.minimum_count is None else {"minimum_count": self.minimum_count}
        return {
            "what": self.what,
            "to": list(self.to),
            **suppressed,
            "shape": None if self.shape is None else list(self.shape),
            "bytes": size,
            "time": self.time,
            "sha256": self.sha256,
        }

    def line(self) -> str:
        """Return in words what may be revealed and to whom; its shape once that is fixed."""
        text = f"Will be revealed to {', '.join(self.to)}: {self.what}"
        if self.shape:
            text += f", {_words(self.shape)}"
        if self.minimum_count is not None:
            text += f"; counts under {self.minimum_count} are suppressed"
        if self.remark:
            text += f"; {self.remark}"
        return f"{text}."


class DisclosureLedger(Ledger):
    """Allows the listed reveals, each in its shape, to just the listed receivers."""

    def __init__(
        self,
        allowed: Mapping[str, Sequence[str]],
        minimum_counts: Mapping[str, int] | None = None,
    ) -> None:
        # Called with each entry that is authorised, before a share of it leaves.
        self.on_authorised: Callable[[Disclosure], None] = lambda _entry: None
        self._entries = {
            name: Disclosure(name, tuple(sorted(set(receivers))), (minimum_counts or {}).get(name))
            for name, receivers in allowed.items()
        }

    @staticmethod
    def of(study: Study) -> DisclosureLedger:
        """Return the ledger of a study's ``[[reveal]]`` entries.

        Besides, those who compute are told whether the stated bounds held: a bit for each.
        """
        allowed: dict[str, Sequence[str]] = {"bounds": study.with_role("compute")}
        allowed.update({reveal.what: reveal.to for reveal in study.reveal})
        ledger = DisclosureLedger(allowed, study.minimum_counts)
        if study.selection is not None and "model" in allowed:
            top = study.selection.top
            ledger._entries["model"].remark = f"0 for all features but the {top:,} selected"
        return ledger

    @property
    def allowed(self) -> Mapping[str, Sequence[str]]:
        """What may be revealed, and to whom."""
        return {name: entry.to for name, entry in self._entries.items()}

    @property
    def entries(self) -> list[Disclosure]:
        """All entries, in the study's order."""
        return list(self._entries.values())

    @property
    def revealed(self) -> list[Disclosure]:
        """The entries that have been revealed."""
        return [entry for entry in self._entries.values() if entry.time is not None]

    def lines(self) -> list[str]:
        """Return what may be revealed, and to whom, in words; shapes once they are fixed."""
        return [entry.line() for entry in self._entries.values()]

    def fix_shapes(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """State the shapes of entries, all or some; until then nothing of them is allowed."""
        for name, shape in shapes.items():
            self._entries[name].shape = tuple(shape)

    def authorise(self, name: str, receivers: Sequence[str], shape: tuple[int, ...]) -> None:
        """Return if the study lists it; DisclosureError, before anything is sent, if not."""
        entry = self._entries.get(name)
        if entry is None:
            raise DisclosureError(
                f"The program asked to reveal {name!r}, which the study does not list.",
                remedy="Nothing was sent. Add a [[reveal]] if all sites agree to it.",
            )
        strangers = sorted(set(receivers) - set(entry.to))
        if strangers:
            raise DisclosureError(
                f"The program asked to reveal {name!r} to {', '.join(strangers)}; the study lists "
                f"{', '.join(entry.to)}.",
                remedy="Nothing was sent. Change the [[reveal]] if all sites agree to it.",
            )
        if entry.shape is None or tuple(shape) != entry.shape:
            raise DisclosureError(
                f"The program asked to reveal {name!r} in the shape {_words(shape)}; the study "
                f"and the agreed sizes allow {_words(entry.shape)}.",
                remedy="Nothing was sent. This is a fault in the program at this party; report it.",
            )
        entry.time = utc_now()
        self.on_authorised(entry)

    def note_received(self, name: str, values: NDArray[np.float64]) -> None:
        """Keep the SHA-256 of what was revealed to this party."""
        content = np.ascontiguousarray(values, dtype="<f8").tobytes()
        self._entries[name].sha256 = hashlib.sha256(content).hexdigest()

    def receivers(self, name: str) -> tuple[str, ...]:
        """Return who receives a listed reveal, sorted."""
        return self._entries[name].to if name in self._entries else ()


def utc_now() -> str:
    """Return the time of day as records state it: UTC, to the millisecond."""
    now = datetime.now(timezone.utc)
    return f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z"


def _words(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else " × ".join(map(str, shape)) or "1"
