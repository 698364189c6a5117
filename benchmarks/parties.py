"""Three parties of one benchmark on this machine: a process each, TLS 1.3 on 127.0.0.1.

A benchmark's script starts itself once for each party; a party's measurements come back as one
line of JSON on its standard output.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cohortium.learn import DualPlan, PrimalPlan
from cohortium.learn.shapes import revealed_shapes
from cohortium.mpc.dealer import Roles
from cohortium.net import Mesh, Peer, connect, create_identity, load_identity
from cohortium.run.local import thread_limits
from cohortium.study import DisclosureLedger

# Two computing parties, which own half of the rows each, and a dealer.
NAMES = ("north", "south", "dealer")
ROLES = Roles(NAMES[:2], NAMES[2])


def in_processes(
    script: str, repeats: int, names: Sequence[str] = NAMES, **settings: Any
) -> list[Any]:
    """Return what each party printed, after running ``script --party SETTINGS`` for all three."""
    with tempfile.TemporaryDirectory() as home:
        identities = {name: create_identity(name, Path(home) / name, days=2) for name in names}
        listeners = {name: [_listener() for _ in range(repeats)] for name in names}
        processes = []
        for name in names:
            own = {
                **settings,
                "name": name,
                "home": home,
                "listen": [listener.fileno() for listener in listeners[name]],
                "ports": {n: [s.getsockname()[1] for s in listeners[n]] for n in names},
                "certificates": {n: identities[n].certificate_pem for n in names},
            }
            processes.append(
                subprocess.Popen(
                    [sys.executable, script, "--party", json.dumps(own)],
                    stdout=subprocess.PIPE,
                    pass_fds=own["listen"],
                    env={**os.environ, **thread_limits(len(names)), "TF_CPP_MIN_LOG_LEVEL": "3"},
                )
            )
        for name in names:
            for listener in listeners[name]:
                listener.close()
        outputs = [process.communicate()[0] for process in processes]
    for name, process in zip(names, processes, strict=True):
        if process.returncode:
            raise SystemExit(f"{name} ended with {process.returncode}; it says why above.")
    return [json.loads(output.splitlines()[-1]) for output in outputs]


def meshes(settings: dict[str, Any]) -> Iterator[Mesh]:
    """Yield one party's connected mesh for each repeat."""
    name = settings["name"]
    for repeat, descriptor in enumerate(settings["listen"]):
        peers = [
            Peer(peer, "127.0.0.1", settings["ports"][peer][repeat], settings["certificates"][peer])
            for peer in settings["ports"]
        ]
        yield connect(
            load_identity(Path(settings["home"]) / name),
            peers,
            me=name,
            agreement={"repeat": str(repeat)},
            listen_socket=socket.socket(fileno=descriptor),
            deadline=600.0,
        )


def ledger(plan: DualPlan | PrimalPlan, told: Mapping[str, Sequence[str]]) -> DisclosureLedger:
    """Return a ledger that allows what ``told`` says, in the shapes of the plan."""
    made = DisclosureLedger(told)
    made.fix_shapes(revealed_shapes(plan, list(told)))
    return made


def _listener() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    return listener
