"""What a party is doing, since when: told to whoever shows progress, kept for the record."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from cohortium.mpc import Counters

Event = dict[str, Any]
# At most this often: a screen needs no more, and an event costs the training time.
_ITERATION_EVENT_SECONDS = 0.1


class Timeline:
    """Seconds by phase; sends an event at each phase and, now and then, each iteration."""

    def __init__(self, tell: Callable[[Event], None], iterations: int = 0) -> None:
        self.seconds: dict[str, float] = {}
        self.counters: Counters | None = None
        self.iterations = iterations
        self._tell = tell
        self._name: str | None = None
        self._since = time.perf_counter()
        self._last_event = 0.0

    def phase(self, name: str) -> None:
        """Take note that the named phase begins, and the one before has ended."""
        self._close()
        self._name = name
        self._tell({"event": "phase", "name": name})

    def iteration(self, done: int) -> None:
        """Take note that so many iterations are done."""
        now = time.perf_counter()
        if now - self._last_event < _ITERATION_EVENT_SECONDS and done < self.iterations:
            return
        self._last_event = now
        counters = self.counters or Counters()
        self._tell(
            {
                "event": "iteration",
                "done": done,
                "total": self.iterations,
                "rounds": counters.rounds,
                "bytes": counters.bytes_sent,
            }
        )

    def finish(self) -> None:
        """Take note that the last phase has ended."""
        self._close()
        self._name = None

    def _close(self) -> None:
        now = time.perf_counter()
        if self._name is not None:
            self.seconds[self._name] = self.seconds.get(self._name, 0.0) + now - self._since
        self._since = now
