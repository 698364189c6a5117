"""The interface that a secure computation protocol implements.

A protocol computes on ``Value`` handles, opaque to everybody else: additive shares in one, plain
numbers in another. Scales and bounds are not its business: ``SecretTensor`` tracks them and calls
a protocol only with operations that fit the ring. Every party of a session runs the same program
and so makes the same calls in the same order, whatever its role.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cohortium.mpc.periodic import PeriodicSeries
from cohortium.ring import matmul

Value = Any
Shape = tuple[int, ...]
Check: TypeAlias = Callable[[NDArray[np.float64]], None]


@dataclass(frozen=True)
class Bilinear:
    """A bilinear operation on arrays; ``flipped`` takes the operands in the other order.

    ``ring`` takes two ring arrays and the bits that each needs; ``real`` takes float arrays.
    """

    name: str
    ring: Callable[[Any, Any, int, int], Any]
    real: Callable[[Any, Any], Any]

    def flipped(self) -> Bilinear:
        """Return the operation with its operands exchanged."""
        return Bilinear(
            self.name,
            lambda a, b, a_bits, b_bits: self.ring(b, a, b_bits, a_bits),
            lambda a, b: self.real(b, a),
        )


MULTIPLY = Bilinear("multiply", lambda a, b, _a_bits, _b_bits: a * b, np.multiply)
MATMUL = Bilinear(
    "matmul", lambda a, b, a_bits, b_bits: matmul(a, b, a_bits=a_bits, b_bits=b_bits), np.matmul
)


@dataclass
class GateCount:
    """How often a gate ran, and what it cost this party in communication with its equals."""

    calls: int = 0
    rounds: int = 0
    bytes_sent: int = 0


@dataclass
class Counters:
    """Rounds and payload bytes of one party, by gate.

    A round is one simultaneous exchange among the computing parties. ``bytes_sent`` counts to
    every receiver; ``dealt_bytes`` is what a dealer sent ahead, off the critical path.
    """

    gates: dict[str, GateCount] = field(default_factory=dict)
    dealt_bytes: int = 0

    def add(self, gate: str, *, calls: int = 1, rounds: int = 0, bytes_sent: int = 0) -> None:
        """Count a call of a gate, or a part of one (``calls`` = 0)."""
        count = self.gates.setdefault(gate, GateCount())
        count.calls += calls
        count.rounds += rounds
        count.bytes_sent += bytes_sent

    @property
    def rounds(self) -> int:
        """All rounds so far."""
        return sum(count.rounds for count in self.gates.values())

    @property
    def bytes_sent(self) -> int:
        """All payload bytes that this party sent so far, dealt ones included."""
        return sum(count.bytes_sent for count in self.gates.values()) + self.dealt_bytes


class Ledger(ABC):
    """What may be revealed. Protocols ask it before the first share of a reveal is sent."""

    @abstractmethod
    def authorise(self, name: str, receivers: Sequence[str], shape: Shape) -> None:
        """Return if the study lists this reveal; raise DisclosureError otherwise."""


@dataclass(frozen=True)
class InputRequest:
    """One tensor that its owner brings in; ``values`` is None at every other party.

    Names are unique in a session. The values' bound is public, and checked at the owner.
    """

    name: str
    owner: str
    values: NDArray[np.float64] | None
    shape: Shape
    fraction_bits: int
    bound: float

    def __repr__(self) -> str:
        return f"InputRequest({self.name!r}, owner={self.owner!r}, shape={self.shape})"

    @property
    def size(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Kept:
    """One party's part of values that outlive a session.

    ``tag`` stands for all that was run and seen in that session, the same at all parties; it tells
    nobody what that was.
    """

    parts: Sequence[NDArray[Any]]
    tag: bytes

    def __repr__(self) -> str:
        return f"Kept({len(self.parts)} parts)"


def group_by_owner(requests: Sequence[InputRequest]) -> dict[str, list[InputRequest]]:
    """Return the requests by owner, both in the order of first mention."""
    groups: dict[str, list[InputRequest]] = {}
    for request in requests:
        groups.setdefault(request.owner, []).append(request)
    return groups


class Protocol(ABC):
    """One party's side of a secure computation."""

    counters: Counters

    @abstractmethod
    def input(self, requests: Sequence[InputRequest]) -> list[Value]:
        """Return a handle of each requested tensor; all are shared in one round."""

    @abstractmethod
    def constant(self, values: NDArray[np.float64], fraction_bits: int) -> Value:
        """Return a handle of public values, the same at every party."""

    @abstractmethod
    def linear(self, function: Callable[..., Any], values: Sequence[Value], shape: Shape) -> Value:
        """Return ``function(*values)`` for a function that is linear over the integers.

        Local. ``shape`` is the result's.
        """

    @abstractmethod
    def multiply_public(
        self,
        operation: Bilinear,
        value: Value,
        factor: NDArray[np.float64],
        fraction_bits: int,
        shape: Shape,
    ) -> Value:
        """Return operation(value, factor) with a public factor encoded at ``fraction_bits``."""

    @abstractmethod
    def weighted_sum(
        self,
        weights: NDArray[np.float64],
        values: Sequence[Value],
        fraction_bits: int,
        shape: Shape,
    ) -> Value:
        """Return Σ weights[t] · values[t] with public weights encoded at ``fraction_bits``."""

    @abstractmethod
    def scale_by_power_of_two(self, value: Value, exponent: int, *, encoded: bool) -> Value:
        """Return value · 2^exponent.

        Where ``encoded`` is true the stored integers change and the number does not (a lift to
        more fraction bits, exponent ≥ 0); else the number changes and the integers do not (the
        caller moves the binary point). Local either way.
        """

    @abstractmethod
    def product(
        self,
        operation: Bilinear,
        x: Value,
        y: Value,
        x_bits: int,
        y_bits: int,
        shape: Shape,
    ) -> Value:
        """Return operation(x, y) of two secrets; the bits say how large each may be."""

    @abstractmethod
    def prepare(self, values: Sequence[Value]) -> None:
        """Do now, in one round, the communication that products of these values will need.

        Slices and transposes taken afterwards inherit it.
        """

    @abstractmethod
    def rescale(self, value: Value, bits: int) -> Value:
        """Return value with ``bits`` fewer fraction bits, off by less than one unit of the last."""

    @abstractmethod
    def periodic(self, value: Value, series: PeriodicSeries, fraction_bits: int) -> Value:
        """Return the series' function of the value, at ``series.fraction_bits``."""

    @abstractmethod
    def compare(
        self,
        value: Value,
        cuts: NDArray[np.float64],
        fraction_bits: int,
        width: int,
        factor: Value,
        shape: Shape,
    ) -> tuple[Value, Value]:
        """Return [value < cut], at 0 fraction bits, and [value < cut] · factor, cuts × shape.

        ``width`` bits hold every value − cut as a signed number; the factor has the value's shape.
        ``cuts`` are numbers, or cuts × shape: one for each element.
        Exact: a cut is compared as it is, not rounded.
        """

    @abstractmethod
    def table(
        self, value: Value, entries: NDArray[np.float64], fraction_bits: int, shape: Shape
    ) -> Value:
        """Return entries[t, value] at ``fraction_bits``, tables × shape, for secret integers.

        Exact. ``entries`` are tables × m, m a power of two; ``value``, 0 to m − 1, has no
        fraction bits.
        """

    @abstractmethod
    def keep(self, values: Sequence[Value]) -> Kept | None:
        """Return what this party may keep of values for a later session, None if it has nothing.

        Local. All parties' parts together are the values; fewer tell nothing.
        """

    @abstractmethod
    def take_up(
        self, kept: Kept | None, shapes: Sequence[Shape], fraction_bits: Sequence[int]
    ) -> list[Value]:
        """Return the values that were kept in an earlier session; local.

        ``kept`` is this party's part, None at one that has nothing.
        """

    @abstractmethod
    def reveal(
        self,
        name: str,
        value: Value,
        receivers: Sequence[str],
        fraction_bits: int,
        shape: Shape,
        check: Check | None = None,
    ) -> NDArray[np.float64] | None:
        """Return the numbers at the named receivers, None elsewhere; the ledger must list it.

        ``check`` sees them first, and may raise: then the receiver stops the run.
        """
