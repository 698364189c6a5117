"""How good a link is: its round trip, and how many bytes a second go each way."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from itertools import combinations

from cohortium.net.mesh import Mesh

_PINGS = 21
_FIRST_BYTES, _MOST_BYTES = 1 << 18, 1 << 25
_SECONDS = 0.5
_DEADLINE = 60.0


@dataclass(frozen=True)
class LinkSpeed:
    """Seconds of a round trip (median), and bytes a second to and from the peer."""

    round_trip: float
    sending: float
    receiving: float


def probe(mesh: Mesh) -> dict[str, LinkSpeed]:
    """Return the speed of this party's link to each peer; all parties call it at the same point.

    The links are probed one after the other, in the study's order: 21 empty exchanges, then half a
    second of bytes (32 MB at most) each way. Those that wait for their turn wait. Raises as
    ``Mesh.exchange``.
    """
    found = {}
    for first, second in combinations(mesh.parties, 2):
        if mesh.name in (first, second):
            peer = second if mesh.name == first else first
            found[peer] = _probe_link(mesh, peer, begins=mesh.name == first)
    return found


def _probe_link(mesh: Mesh, peer: str, *, begins: bool) -> LinkSpeed:
    # Whoever had to wait for its turn: from here on both are there.
    _ping(mesh, peer, None)
    trips = [_ping(mesh, peer, _DEADLINE) for _ in range(_PINGS)]
    round_trip = statistics.median(trips)
    speeds = {}
    for sends in (begins, not begins):
        size = _FIRST_BYTES
        # A short try tells how much half a second takes.
        for last in (False, True):
            seconds, size = _transfer(mesh, peer, size, sends=sends)
            rate = size / max(seconds - round_trip, 1e-6)
            speeds[sends] = rate
            if not last:
                size = int(min(max(rate * _SECONDS, _FIRST_BYTES), _MOST_BYTES))
    return LinkSpeed(round_trip, speeds[True], speeds[False])


def _ping(mesh: Mesh, peer: str, deadline: float | None) -> float:
    """Return the seconds from sending until the other's answer to it has come."""
    start = time.perf_counter()
    # Two exchanges that depend on each other: there and back again.
    mesh.exchange_messages("ping", {peer: b""}, {peer: 0}, deadline=deadline)
    mesh.exchange_messages("pong", {peer: b""}, {peer: 0}, deadline=deadline)
    return time.perf_counter() - start


def _transfer(mesh: Mesh, peer: str, size: int, *, sends: bool) -> tuple[float, int]:
    """Send or receive bytes, and the answer that all have come; return seconds and bytes."""
    start = time.perf_counter()
    if sends:
        mesh.exchange_messages("probe", {peer: bytes(size)}, {}, deadline=_DEADLINE)
        mesh.exchange_messages("probe answer", {}, {peer: 0}, deadline=_DEADLINE)
    else:
        received = mesh.exchange_messages("probe", {}, {peer: _MOST_BYTES}, deadline=_DEADLINE)
        size = len(received[peer])
        mesh.exchange_messages("probe answer", {peer: b""}, {}, deadline=_DEADLINE)
    return time.perf_counter() - start, size
