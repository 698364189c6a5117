"""How a training tells what it is doing."""

from __future__ import annotations

from typing import Protocol


class Watcher(Protocol):
    """Is told how a training gets on; for progress bars and timings."""

    def phase(self, name: str) -> None:
        """Take note that the named phase begins."""

    def iteration(self, done: int) -> None:
        """Take note that so many iterations are done."""
