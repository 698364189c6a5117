"""Meshes within one process, over socket pairs: for tests and for simulations by threads.

The same Mesh and the same frames as between sites, without TLS: the bytes never leave the process.
Nothing else in the package gives a link without TLS.
"""

from __future__ import annotations

import itertools
import secrets
import socket
from collections.abc import Sequence

from cohortium.errors import ParameterError
from cohortium.net.identity import check_name
from cohortium.net.link import Link
from cohortium.net.mesh import Mesh


def memory_meshes(names: Sequence[str], deadline: float | None = 10.0) -> dict[str, Mesh]:
    """Return one connected mesh for each name, each to be used by a thread of its own.

    ParameterError if a name is used twice or can not name a party.
    """
    if len(set(names)) != len(names):
        raise ParameterError(f"A name is there twice in {', '.join(names)}.")
    for name in names:
        check_name(name)
    session = secrets.token_bytes(16)
    links: dict[str, dict[str, Link]] = {name: {} for name in names}
    for one, other in itertools.combinations(names, 2):
        here, there = socket.socketpair()
        links[one][other] = Link(here, me=one, peer=other, session=session)
        links[other][one] = Link(there, me=other, peer=one, session=session)
    return {
        name: Mesh(name, names, links[name], session_id=session, deadline=deadline)
        for name in names
    }
