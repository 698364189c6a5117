"""Waiting for many links at once: advance those that are awaited, watch the others.

Whoever hangs up or aborts ends the wait at once, awaited or not; what a peer sent early stays where
it is.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from cohortium.errors import DeadlineError, PeerAbortedError
from cohortium.net.abort import Abort
from cohortium.net.link import HUNG_UP, Link

_ABORT_SECONDS = 2.0
# How long to look again, offering the processor in between, before sleeping. Parties that answer
# each other within microseconds would else be put on one core: the kernel wakes a sleeper where
# its peer runs, and they take turns while another core is idle. Longer only burns the processor.
_LOOK_AGAIN_SECONDS = 50e-6
_offer_processor: Callable[[], None] | None = getattr(os, "sched_yield", None)


class Waiting:
    """Polls a fixed set of links for as long as they are open."""

    def __init__(self, links: Collection[Link]) -> None:
        self._poller = select.poll()
        self._owners = {link.fileno(): link for link in links}
        self._watched = dict.fromkeys(self._owners, HUNG_UP)
        for descriptor in self._owners:
            self._poller.register(descriptor, HUNG_UP)

    def finish(
        self, label: str, links: Collection[Link], limit: float | None, *, last: bool
    ) -> None:
        """Advance ``links`` until all they have to send and to receive for ``label`` is done.

        ``last``: nothing comes after this, so a link that is done may be closed by its peer.

        Errors: DeadlineError if a link makes no progress for ``limit`` seconds (None: no limit);
        PeerLostError, PeerAbortedError, of any link; FrameError.
        """
        # Most often what is needed is there already or goes out at once: try before polling.
        waiting = {link: events for link in links if (events := link.advance())}
        if not waiting:
            return
        now = time.monotonic()
        moved = {link: (link.progress, now) for link in waiting}
        if last:
            for link in self._owners.values():
                if link not in waiting:
                    self._watch(link, 0)
        while waiting:
            for link, events in waiting.items():
                self._watch(link, events | HUNG_UP)
            timeout = None
            if limit is not None:
                first = min(moved[link][1] for link in waiting)
                timeout = max(0.0, first + limit - time.monotonic()) * 1000 + 1
            for descriptor, events in self._poll(timeout):
                link = self._owners[descriptor]
                if events & HUNG_UP and not link.reading:
                    link.lost()
                if link not in waiting:
                    continue
                waiting[link] = link.advance()
                if not waiting[link]:
                    del waiting[link]
                    self._watch(link, 0 if last else HUNG_UP)
            if waiting and limit is not None:
                self._check_deadline(label, waiting, moved, limit)

    def _poll(self, timeout: float | None) -> list[tuple[int, int]]:
        ready = self._poller.poll(0)
        if not ready and _offer_processor is not None:
            end = time.perf_counter() + _LOOK_AGAIN_SECONDS
            while not ready and time.perf_counter() < end:
                _offer_processor()
                ready = self._poller.poll(0)
        return ready or self._poller.poll(timeout)

    def _check_deadline(
        self,
        label: str,
        waiting: Mapping[Link, int],
        moved: dict[Link, tuple[int, float]],
        limit: float,
    ) -> None:
        now = time.monotonic()
        late = []
        for link in waiting:
            if link.progress != moved[link][0]:
                moved[link] = (link.progress, now)
            elif now - moved[link][1] >= limit:
                late.append(link)
        if late:
            silent = ", ".join(link.peer for link in late)
            what = "sent nothing" if any(link.reading for link in late) else "took nothing"
            raise DeadlineError(
                f"{silent} {what} for {limit:g} s, awaited for {label!r}.",
                remedy=f"See what {silent} is doing; raise the deadline if it needs longer.",
            )

    def _watch(self, link: Link, events: int) -> None:
        descriptor = link.fileno()
        if self._watched.get(descriptor) == events:
            return
        self._watched[descriptor] = events
        if events:
            self._poller.register(descriptor, events)
        else:
            self._poller.unregister(descriptor)


def first_cause(links: Collection[Link], error: BaseException, me: str) -> Abort:
    """Return the reason to tell: the one that a peer told us, if ``error`` is that, else ours."""
    heard = next((link.abort for link in links if link.abort), None)
    if heard is not None and isinstance(error, PeerAbortedError):
        return heard
    return Abort.of(error, me)


def tell_all(links: Sequence[Link], reason: Abort, seconds: float = _ABORT_SECONDS) -> None:
    """Send ``reason`` over all links, as far as it goes within ``seconds``; never raises."""
    end = time.monotonic() + seconds
    going = {link: events for link in links if (events := link.part(reason))}
    while going and (left := end - time.monotonic()) > 0:
        poller = select.poll()
        owners = {link.fileno(): link for link in going}
        for link, events in going.items():
            poller.register(link.fileno(), events)
        for descriptor, _ in poller.poll(left * 1000 + 1):
            link = owners[descriptor]
            going[link] = link.part(None)
            if not going[link]:
                del going[link]
