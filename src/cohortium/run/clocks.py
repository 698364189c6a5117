"""Whether the parties' clocks agree: certificates' dates and the audit log rest on them."""

from __future__ import annotations

import time
from collections.abc import Callable

from cohortium.errors import AgreementError, FrameError
from cohortium.net import Mesh

MOST_SECONDS = 600.0
_BYTES = 8
# Beyond any clock: the year 5138.
_MOST_MILLISECONDS = 10**14


def check_clocks(mesh: Mesh, clock: Callable[[], float] = time.time) -> dict[str, float]:
    """Return by how many seconds each peer's clock is ahead; one message to and from each.

    The message's own time under way counts as the peer being behind. Raises AgreementError naming
    a peer whose clock differs by more than ten minutes.
    """
    mine = int(clock() * 1000).to_bytes(_BYTES, "big")
    received = mesh.exchange_messages(
        "clock", dict.fromkeys(mesh.peers, mine), dict.fromkeys(mesh.peers, _BYTES)
    )
    now = clock()
    ahead = {}
    for peer, told in received.items():
        milliseconds = int.from_bytes(told, "big")
        if len(told) != _BYTES or milliseconds > _MOST_MILLISECONDS:
            raise FrameError(
                f"{peer} sent a time that can not be one.",
                remedy="Check that all sites run the same version.",
                party=mesh.name,
            )
        ahead[peer] = milliseconds / 1000 - now
        if abs(ahead[peer]) > MOST_SECONDS:
            direction = "ahead of" if ahead[peer] > 0 else "behind"
            raise AgreementError(
                f"The clock of {peer} is {abs(ahead[peer]) / 60:.0f} minutes {direction} the one "
                f"of {mesh.name}.",
                remedy="See which of the two is wrong, and set it (NTP). Certificates' dates and "
                "the audit log rest on the clocks.",
                party=mesh.name,
            )
    return ahead
