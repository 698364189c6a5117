"""One party in a process of its own, traced into one tf.function; see test_mpc_tensorflow.py.

    python mpc_tensorflow_party.py NAME COMPUTING RESULT.npz PEER=DESCRIPTOR …

The links are socket pairs that the parent made. All randomness is fixed, so that the result can be
compared with a run on NumPy to the last bit.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from typing import Any

import numpy as np
from mpc_parties import bring, names_of, undecoded

from cohortium.learn import DualParameters, plan_dual, train
from cohortium.mpc import concatenate
from cohortium.mpc.dealer import Roles, start
from cohortium.mpc.dealer.threads import OpenLedger
from cohortium.mpc.functions import gram, less, relu, sigmoid, softplus, table, tanh
from cohortium.net.link import Link
from cohortium.net.mesh import Mesh
from cohortium.ring import TensorFlowEngine

SESSION = bytes(range(16))


class Fixed:
    """Stands for pytest's monkeypatch in a process that ends with its party."""

    @staticmethod
    def setattr(module: Any, name: str, value: Any) -> None:
        setattr(module, name, value)


def fix_randomness(monkeypatch: Any) -> None:
    """Every key drawn from the operating system becomes the same; derivation tells them apart."""
    monkeypatch.setattr(secrets, "token_bytes", lambda size: bytes(range(size)))


def fix_session(mesh: Any) -> None:
    """Give a mesh the session that its streams and transcript are derived from."""
    mesh.session_id = SESSION


def gates(protocol: Any, me: str) -> Any:
    """A program through every gate."""
    rng = np.random.default_rng(0)
    a, b, c = (rng.uniform(-4, 4, shape) for shape in [(5, 7), (5, 7), (7, 3)])
    x, y, z = bring(protocol, me, {"a": ("p0", a), "b": ("p1", b), "c": ("dealer", c)}, bits=12)
    mixed = (x + y * 0.5).rescale(12)
    results = [
        mixed @ z,
        x @ y.T,
        (mixed[1:3] * x[1:3]).sum(1),
        gram([[x, y, concatenate([x, mixed])]], fraction_bits=14, exponent=-3),
        sigmoid(x).rescale(20),
        tanh(mixed.with_bound(8), error=1e-2),
        (x - 1.5).T.lift(3).times_power_of_two(-2),
        (x @ z).rescale(3) * 3,
        softplus(x, error=1e-2),
        relu(mixed),
        sigmoid(x.rescale(10), kind="hong5"),
        table(less(x, 0.5) + 1, np.arange(8.0).reshape(2, 4), 4),
    ]
    return [r.reveal(f"r{i}", ["p0", "p1", "dealer"]) for i, r in enumerate(results)]


def training(protocol: Any, me: str) -> Any:
    """A small training of two columns."""
    rng = np.random.default_rng(1)
    sizes = {"p0": 8, "p1": 7}
    plan = plan_dual(15, 20, 4.0, DualParameters(l2=(0.1, 1.0), iterations=6))
    data = {n: (rng.uniform(-2, 2, (k, 20)), np.arange(k) % 2) for n, k in sizes.items()}
    owned = {me: data[me]} if me in data else {}
    everybody = ["p0", "p1", "dealer"]
    told = {"bounds": everybody, "model": everybody}
    return [train(protocol, plan, sizes, owned, told).get("model")]


def both(protocol: Any, me: str) -> Any:
    """Everything, in one session."""
    return gates(protocol, me) + training(protocol, me)


def main(name: str, computing: int, path: str, descriptors: dict[str, int]) -> None:
    """Run the party in this process and save what was revealed to it."""
    fix_randomness(Fixed)
    undecoded(Fixed)
    sockets = {peer: socket.socket(fileno=number) for peer, number in descriptors.items()}
    np.savez(path, *run_traced(name, computing, sockets))


def run_traced(name: str, computing: int, sockets: dict[str, socket.socket]) -> Any:
    """Return what is revealed to the party."""
    links = {
        peer: Link(sock, me=name, peer=peer, session=SESSION) for peer, sock in sockets.items()
    }
    names = [*names_of(computing), "dealer"]
    engine = TensorFlowEngine(traced=True)
    with Mesh(name, names, links, session_id=SESSION, deadline=60.0) as mesh:
        protocol = start(mesh, Roles(names_of(computing), "dealer"), OpenLedger(), engine)
        return engine.run(lambda: both(protocol, name))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main(
        sys.argv[1],
        int(sys.argv[2]),
        sys.argv[3],
        {peer: int(number) for peer, number in (pair.split("=") for pair in sys.argv[4:])},
    )
