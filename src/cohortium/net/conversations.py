"""Many short conversations in one thread: each is a generator that yields what it waits for.

Used while parties connect, where a stranger that says nothing must not hold up the others.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Generator
from typing import NamedTuple

from cohortium.net.link import HUNG_UP


class Wait(NamedTuple):
    """Until ``events`` on ``descriptor`` (None: only time) or the moment ``until`` (monotonic).

    The generator is resumed with True if the events came, False if the time is over. A hang-up
    always counts as an event.
    """

    descriptor: int | None
    events: int
    until: float


Conversation = Generator[Wait, bool, None]


class Conversations:
    """Runs conversations until a condition holds; ``close`` ends those that are still going on."""

    def __init__(self) -> None:
        self._waits: dict[Conversation, Wait] = {}

    def start(self, conversation: Conversation) -> None:
        """Run a conversation up to its first wait."""
        self._resume(conversation, None)

    def end(self, conversation: Conversation) -> None:
        """Stop a conversation where it waits; its ``finally`` blocks run."""
        self._waits.pop(conversation, None)
        conversation.close()

    def run(self, done: Callable[[], bool], until: float) -> bool:
        """Run until ``done()``; False if the moment ``until`` came first.

        An error that a conversation raises ends the run and is raised here.
        """
        while not done():
            now = time.monotonic()
            if now >= until:
                return False
            poller, owners = select.poll(), {}
            for conversation, wait in self._waits.items():
                if wait.descriptor is not None:
                    poller.register(wait.descriptor, wait.events | HUNG_UP)
                    owners[wait.descriptor] = conversation
            soonest = min([until, *(wait.until for wait in self._waits.values())])
            ready = poller.poll(max(0.0, soonest - now) * 1000 + 1)
            for descriptor, _ in ready:
                self._resume(owners[descriptor], True)
            now = time.monotonic()
            for conversation, wait in list(self._waits.items()):
                if wait.until <= now:
                    self._resume(conversation, False)
        return True

    def close(self) -> None:
        """Stop all conversations."""
        for conversation in list(self._waits):
            self.end(conversation)

    def _resume(self, conversation: Conversation, ready: bool | None) -> None:
        if ready is not None and conversation not in self._waits:
            return
        self._waits.pop(conversation, None)
        try:
            wait = next(conversation) if ready is None else conversation.send(ready)
        except StopIteration:
            return
        self._waits[conversation] = wait
