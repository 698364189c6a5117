"""One program at every party of a session, all in this process: a thread each, memory links.

For programs that somebody tries out on one computer, and for tests. Every party runs what it would
run elsewhere; only the links are without TLS, as no byte leaves the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from cohortium.errors import PeerAbortedError, PeerLostError
from cohortium.mpc.dealer import Roles, start
from cohortium.mpc.protocol import Ledger, Protocol
from cohortium.net.memory import memory_meshes
from cohortium.net.mesh import Mesh
from cohortium.ring import Engine, NumpyEngine


class OpenLedger(Ledger):
    """Lists everything: for programs whose inputs all belong to whoever runs them."""

    def authorise(self, name: str, receivers: Sequence[str], shape: tuple[int, ...]) -> None:
        """Return."""


class Outcome(dict[str, Any]):
    """Each party's result by name; with its error, protocol, mesh and engine where there are such.

    A party that failed, or that another one stopped, has an error and no result.
    """

    def __init__(self) -> None:
        self.errors: dict[str, BaseException] = {}
        self.protocols: dict[str, Protocol] = {}
        self.meshes: dict[str, Mesh] = {}
        self.engines: dict[str, Engine] = {}

    def first_error(self) -> BaseException | None:
        """Return the cause: an error that is not an echo of another party's; None for none."""
        echoes = (PeerAbortedError, PeerLostError)
        causes = [error for error in self.errors.values() if not isinstance(error, echoes)]
        return next(iter(causes or self.errors.values()), None)


def run_in_threads(
    program: Callable[[Protocol, str], Any],
    roles: Roles,
    *,
    outsiders: Sequence[str] = (),
    ledger: Ledger | None = None,
    engine: Callable[[], Engine] = NumpyEngine,
    deadline: float | None = None,
    on_mesh: Callable[[Mesh], None] | None = None,
) -> Outcome:
    """Return what became of program(protocol, name) at every party of the roles, and outsiders.

    Raises none of the parties' errors: they are in the outcome. ``deadline`` is the mesh's;
    ``on_mesh`` sees each party's mesh before the session starts.
    """
    names = [*roles.computing, roles.dealer, *outsiders]
    meshes = memory_meshes(names, deadline=deadline)
    outcome = Outcome()

    def run(name: str) -> None:
        try:
            with meshes[name] as mesh:
                if on_mesh is not None:
                    on_mesh(mesh)
                outcome.meshes[name] = mesh
                outcome.engines[name] = own = engine()
                listed = OpenLedger() if ledger is None else ledger
                protocol = start(mesh, roles, listed, own)
                outcome.protocols[name] = protocol
                result = own.run(lambda: program(protocol, name))
            # Only now has every party said goodbye: nobody stopped after this one was done.
            outcome[name] = result
        except BaseException as error:  # noqa: BLE001 - the caller's thread tells it
            outcome.errors[name] = error

    threads = [threading.Thread(target=run, args=(name,), name=name, daemon=True) for name in names]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException as error:
        # Ctrl-C reaches this thread alone: the parties stop at their next exchange.
        meshes[roles.dealer].abort(error)
        raise
    return outcome
