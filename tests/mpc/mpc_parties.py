"""Runs one program at every party of a session, by ``run_in_threads``, and looks on.

A program is ``program(protocol, me)``; over the clear protocol ``me`` is ``CLEAR``, who owns
everything. ``Recorder`` keeps what went over the links, ``Streams`` which masks were drawn.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import chisquare

from cohortium.mpc import InputRequest, Ledger, SecretTensor, secret_inputs
from cohortium.mpc.clear import EXACT, ClearProtocol
from cohortium.mpc.dealer import Roles, randomness, shares
from cohortium.mpc.dealer.threads import Outcome, run_in_threads
from cohortium.ring import NumpyEngine

CLEAR = "clear"
DEALER = "dealer"
GUEST = "guest"


@dataclass(frozen=True)
class Received:
    """An array or a message that ``party`` got from ``sender``."""

    party: str
    sender: str
    label: str
    data: Any

    @property
    def gate(self) -> str:
        """The label without the step's number."""
        first, _, rest = self.label.partition(" ")
        return rest if first.isdigit() else self.label


class Recorder:
    """Keeps all that each party receives."""

    def __init__(self) -> None:
        self.received: list[Received] = []

    def watch(self, mesh: Any) -> None:
        for method in ("exchange", "exchange_messages"):
            self._wrap(mesh, method)

    def _wrap(self, mesh: Any, method: str) -> None:
        original = getattr(mesh, method)

        def recording(label: str, outgoing: Any, incoming: Any, **options: Any) -> Any:
            received = original(label, outgoing, incoming, **options)
            for sender, data in received.items():
                kept = data.copy() if isinstance(data, np.ndarray) else data
                self.received.append(Received(mesh.name, sender, label, kept))
            return received

        setattr(mesh, method, recording)

    def of(self, party: str) -> list[Received]:
        return [item for item in self.received if item.party == party]

    def arrays(self, party: str, *leave_out: str) -> list[Received]:
        """What a party received as ring elements or packed bits, less the gates named."""
        return [
            item
            for item in self.of(party)
            if isinstance(item.data, np.ndarray) and not item.gate.startswith(leave_out)
        ]


@dataclass(frozen=True)
class Drawn:
    """Masks taken from one stream: at which party, by which key, from which position."""

    party: str
    key: bytes
    stream: int
    start: int
    values: np.ndarray[Any, Any]


class Streams:
    """Records every stream that is made and every position that is taken; see ``patch``."""

    def __init__(self) -> None:
        self.made: list[tuple[str, bytes]] = []
        self.drawn: list[Drawn] = []

    def patch(self, monkeypatch: Any) -> Streams:
        make, take = randomness.Stream.__init__, randomness.Stream.take

        def making(stream: Any, key: bytes) -> None:
            make(stream, key)
            stream.recorded = (key, len(self.made), 0)
            self.made.append((threading.current_thread().name, key))

        def taking(stream: Any, count: int) -> Any:
            values = take(stream, count)
            key, number, position = stream.recorded
            party = threading.current_thread().name
            self.drawn.append(Drawn(party, key, number, position, values.copy()))
            stream.recorded = (key, number, position + count)
            return values

        monkeypatch.setattr(randomness.Stream, "__init__", making)
        monkeypatch.setattr(randomness.Stream, "take", taking)
        return self


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
    on_mesh: Callable[[Any], None] | None = None,
    fail: bool = False,
) -> Outcome:
    """Return program(protocol, name) of every party.

    Raises the party's error that caused the others', unless errors are wanted (``fail``).
    ``on_mesh`` sees each party's mesh before the session starts.
    """
    outcome = run_in_threads(
        program,
        Roles(names_of(computing), DEALER),
        outsiders=outsiders,
        ledger=ledger,
        engine=engine,
        deadline=deadline,
        on_mesh=on_mesh,
    )
    cause = outcome.first_error()
    if cause is not None and not fail:
        raise cause
    return outcome


def run_clear(program: Callable[[Any, str], Any], *, exact: bool = True) -> Any:
    """Return the program's result over the clear protocol, where one party owns everything."""
    return program(ClearProtocol(exact=EXACT if exact else None), CLEAR)


def run_for_values(
    build: Callable[[Any, str], Sequence[SecretTensor]],
    computing: int,
    *,
    outsiders: Sequence[str] = (GUEST,),
    engine: Callable[[], Any] = NumpyEngine,
) -> list[np.ndarray[Any, Any]]:
    """Return what the tensors of ``build(protocol, me)`` hold; 0 parties: the clear protocol."""
    program = revealing(build, "p0")
    if computing == 0:
        return run_clear(program)
    return run_parties(program, computing, outsiders=outsiders, engine=engine)["p0"]


def revealing(build: Callable[[Any, str], Sequence[SecretTensor]], *to: str) -> Any:
    """Return a program that reveals all tensors of ``build`` to the named parties."""

    def program(protocol: Any, me: str) -> Any:
        return [
            tensor.reveal(f"result {index}", to) for index, tensor in enumerate(build(protocol, me))
        ]

    return program


def bring(
    protocol: Any,
    me: str,
    tensors: Mapping[str, tuple[str, np.ndarray[Any, Any]]],
    *,
    bits: int = 10,
    bound: float = 8.0,
) -> list[SecretTensor]:
    """Share tensors given as name: (owner, values); each value is passed at its owner alone."""
    requests = [
        InputRequest(name, owner, values if me in (owner, CLEAR) else None, values.shape, bits, b)
        for name, (owner, values) in tensors.items()
        for b in [bound]
    ]
    return secret_inputs(protocol, requests)


def dyadic(
    rng: np.random.Generator, shape: tuple[int, ...], bits: int = 10, bound: float = 8.0
) -> np.ndarray[Any, Any]:
    """Return numbers that fixed point with so many fraction bits holds exactly."""
    most = int(bound * 2**bits)
    return rng.integers(-most, most, shape, endpoint=True) / 2.0**bits


def undecoded(monkeypatch: Any) -> None:
    """Let reveals return the ring's integers: float64 does not hold all 64 bits."""
    monkeypatch.setattr(shares, "decode", lambda array, _bits: array)


def assert_uniform(data: bytes) -> None:
    """Chi-square over byte values; a false alarm has a probability of 10^-9."""
    counts = np.bincount(np.frombuffer(data, np.uint8), minlength=256)
    assert counts.sum() >= 256 * 20, "too few bytes to tell"
    assert chisquare(counts).pvalue > 1e-9


def uniform_bytes(items: Sequence[Received]) -> bytes:
    return b"".join(np.ascontiguousarray(item.data).tobytes() for item in items)
