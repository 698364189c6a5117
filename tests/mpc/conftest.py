"""Runs one program at every party of a session, each in a thread, over memory links."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from cohortium.mpc import Ledger
from cohortium.mpc.clear import ClearProtocol
from cohortium.mpc.dealer import Roles, start
from cohortium.net.memory import memory_meshes
from cohortium.ring import NumpyEngine


class OpenLedger(Ledger):
    """Lists everything: tests of the gates reveal what they compare."""

    def authorise(self, name: str, receivers: Sequence[str], shape: tuple[int, ...]) -> None:
        return


class Outcome(dict):
    """Each party's result by name; ``protocols`` keeps the parties for their counters."""

    def __init__(self) -> None:
        self.protocols: dict[str, Any] = {}
        self.meshes: dict[str, Any] = {}


def names_of(computing: int) -> tuple[str, ...]:
    return tuple(f"p{index}" for index in range(computing))


def run_parties(
    program: Callable[[Any, str], Any],
    computing: int = 2,
    *,
    outsiders: Sequence[str] = (),
    ledger: Ledger | None = None,
    engine: Callable[[], Any] = NumpyEngine,
    deadline: float = 20.0,
) -> Outcome:
    """Return program(protocol, name) of every party; raises the first party's error."""
    roles = Roles(names_of(computing), "dealer")
    names = [*roles.computing, "dealer", *outsiders]
    meshes = memory_meshes(names, deadline=deadline)
    outcome = Outcome()
    errors: dict[str, BaseException] = {}

    def run(name: str) -> None:
        try:
            with meshes[name] as mesh:
                party_engine = engine()
                protocol = start(mesh, roles, ledger or OpenLedger(), party_engine)
                outcome.protocols[name] = protocol
                outcome.meshes[name] = mesh
                outcome[name] = party_engine.run(lambda: program(protocol, name))
        except BaseException as error:  # noqa: BLE001 - reported by the caller's thread
            errors[name] = error

    threads = [threading.Thread(target=run, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        outcome.errors = errors
        own = [
            e
            for e in errors.values()
            if type(e).__name__ not in ("PeerAbortedError", "PeerLostError")
        ]
        raise (own or list(errors.values()))[0]
    return outcome


def run_clear(program: Callable[[Any, str], Any]) -> Any:
    """Return the program's result over the clear protocol, where one party owns everything."""
    with np.errstate(over="ignore"):
        return program(ClearProtocol(), "p0")


@pytest.fixture(params=[2, 3, 4])
def computing(request: pytest.FixtureRequest) -> int:
    return request.param
