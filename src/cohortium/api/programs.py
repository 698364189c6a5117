"""A program on secret tensors, tried out on this computer: all parties as threads, or in the clear.

A program is a plain function of secret tensors that returns one, or several in a tuple, list or
dict. ``local(parties=2)(program)`` is a function of arrays: it shares them, runs the program at
every party, dealer included, and returns what is revealed and what it cost.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cohortium.errors import ParameterError
from cohortium.mpc import InputRequest, Protocol, SecretTensor, secret_inputs
from cohortium.mpc.clear import EXACT, ClearProtocol
from cohortium.mpc.dealer import Roles
from cohortium.mpc.dealer.threads import run_in_threads
from cohortium.mpc.protocol import Counters, GateCount

Program: TypeAlias = Callable[..., Any]
Run: TypeAlias = Callable[..., "Result"]
_DEALER = "dealer"


@dataclass(frozen=True, repr=False)
class Secret:
    """An input with its facts stated: who owns it, its fraction bits, its public bound.

    ``owner`` is a computing party's number, from 0; without it owners alternate. ``bound`` is by
    default the least power of two that no value exceeds – in a study it is stated, not looked up.
    """

    values: ArrayLike
    owner: int | None = None
    fraction_bits: int = 16
    bound: float | None = None

    def __repr__(self) -> str:
        return f"Secret(shape={np.shape(self.values)}, owner={self.owner})"


@dataclass(frozen=True)
class Result:
    """What a program revealed, in the form that it returned, and what its gates cost.

    ``gates`` counts calls and rounds of a computing party, and the bytes that all computing parties
    together sent to each other; ``dealt_bytes`` is what the dealer sent. Empty in the clear.
    """

    value: Any
    gates: Mapping[str, GateCount] = field(default_factory=dict)
    dealt_bytes: int = 0

    @property
    def rounds(self) -> int:
        """All rounds, those of sharing the inputs and revealing the result included."""
        return sum(gate.rounds for gate in self.gates.values())

    @property
    def bytes_sent(self) -> dict[str, int]:
        """Bytes that the computing parties sent, by gate."""
        return {name: gate.bytes_sent for name, gate in self.gates.items()}


def local(parties: int = 2) -> Callable[[Program], Run]:
    """Return what turns a program into one that ``parties`` computing parties and a dealer run.

    The first computing party is told the result. Raises ParameterError for fewer than two, and in
    the run the first party's error: FixedPointOverflowError, before anything is sent, where bounds
    do not fit; EncodingError where a value exceeds its bound.
    """
    names = tuple(f"p{index}" for index in range(parties))
    roles = Roles(names, _DEALER)

    def prepared(program: Program) -> Run:
        def run(*args: Any, **named: Any) -> Result:
            body = _body(program, args, named, names)
            outcome = run_in_threads(body, roles)
            error = outcome.first_error()
            if error is not None:
                raise error
            counters = [outcome.protocols[name].counters for name in names]
            dealt = outcome.protocols[_DEALER].counters.dealt_bytes
            return Result(outcome[names[0]], _together(counters), dealt)

        return run

    return prepared


def clear(
    exact: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] | None = None,
) -> Callable[[Program], Run]:
    """Return what turns a program into one that runs in float64, without secrecy: the reference.

    ``exact`` gives the exact function for the name of a periodic series of the caller's own; those
    of cohortium are known.
    """

    def prepared(program: Program) -> Run:
        def run(*args: Any, **named: Any) -> Result:
            protocol = ClearProtocol(exact={**EXACT, **(exact or {})})
            return Result(_body(program, args, named, ("p0",), everything=True)(protocol, "p0"))

        return run

    return prepared


def _body(
    program: Program,
    args: Sequence[Any],
    named: Mapping[str, Any],
    parties: Sequence[str],
    *,
    everything: bool = False,
) -> Callable[[Protocol, str], Any]:
    """Return what each party runs: share the inputs, run the program, reveal what it returns."""
    inspect.signature(program).bind(*args, **named)
    given = [
        (name, value if isinstance(value, Secret) else Secret(value))
        for name, value in [*((f"input {i}", each) for i, each in enumerate(args)), *named.items()]
    ]

    def body(protocol: Protocol, me: str) -> Any:
        requests = [
            _request(name, secret, place, parties, None if everything else me)
            for place, (name, secret) in enumerate(given)
        ]
        tensors = secret_inputs(protocol, requests) if requests else []
        by_name = dict(zip(named, tensors[len(args) :], strict=True))
        return _revealed(program(*tensors[: len(args)], **by_name), "result", parties[0])

    return body


def _request(
    name: str, secret: Secret, place: int, parties: Sequence[str], me: str | None
) -> InputRequest:
    values = np.asarray(secret.values, dtype=np.float64)
    number = place % len(parties) if secret.owner is None else secret.owner
    if me is None:
        number = 0
    if number not in range(len(parties)):
        raise ParameterError(
            f"The owner of {name} is {number}, but there are {len(parties)} computing parties.",
            remedy=f"Give a number from 0 to {len(parties) - 1}.",
        )
    bound = secret.bound
    if bound is None:
        largest = float(np.abs(values).max(initial=0.0))
        bound = 2.0 ** math.ceil(math.log2(largest)) if 0 < largest < math.inf else 1.0
    owner = parties[number]
    brought = values if me in (None, owner) else None
    return InputRequest(name, owner, brought, values.shape, secret.fraction_bits, bound)


def _revealed(result: Any, name: str, to: str) -> Any:
    if isinstance(result, SecretTensor):
        return result.reveal(name, [to])
    if isinstance(result, (tuple, list)):
        return [_revealed(each, f"{name} {place}", to) for place, each in enumerate(result)]
    if isinstance(result, dict):
        return {key: _revealed(each, f"{name} {key}", to) for key, each in result.items()}
    raise ParameterError(
        f"The program returned a {type(result).__name__}, not a secret tensor.",
        remedy="Return a SecretTensor, or several in a tuple, list or dict.",
    )


def _together(counters: Sequence[Counters]) -> dict[str, GateCount]:
    """Return calls and rounds of the first party, and all parties' bytes."""
    return {
        name: GateCount(
            gate.calls,
            gate.rounds,
            sum(each.gates[name].bytes_sent for each in counters if name in each.gates),
        )
        for name, gate in counters[0].gates.items()
    }
