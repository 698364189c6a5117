"""A party that neither computes nor deals: it brings data in, or receives results.

It runs the same program as everybody else; operations in between only have shapes here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohortium.mpc.dealer.randomness import KEY_BYTES, Stream
from cohortium.mpc.dealer.session import Roles, UniqueNames
from cohortium.mpc.dealer.shares import encode_input, join, revealed_numbers
from cohortium.mpc.periodic import PeriodicSeries
from cohortium.mpc.protocol import (
    Bilinear,
    Check,
    Counters,
    InputRequest,
    Kept,
    Ledger,
    Protocol,
    Shape,
    group_by_owner,
)
from cohortium.net.mesh import Mesh
from cohortium.ring import Engine, NumpyEngine, RingArray


class Outsider(Protocol):
    """A data owner or receiver without a share of anything. Its handles are None."""

    def __init__(
        self, mesh: Mesh, roles: Roles, ledger: Ledger, engine: Engine | None = None
    ) -> None:
        self.counters = Counters()
        self._mesh = mesh
        self._roles = roles
        self._ledger = ledger
        self._engine = engine or NumpyEngine()
        self._inputs = UniqueNames("input")
        self._reveals = UniqueNames("reveal")

    def input(self, requests: Sequence[InputRequest]) -> list[None]:
        """Mask this party's tensors by keys from the dealer; send them to all that compute."""
        for request in requests:
            self._inputs.claim(request.name)
        mine = group_by_owner(requests).get(self._mesh.name)
        if mine:
            self._send(f"input {requests[0].name}", mine)
        return [None] * len(requests)

    def _send(self, label: str, mine: Sequence[InputRequest]) -> None:
        computing, dealer = self._roles.computing, self._roles.dealer
        size = KEY_BYTES * len(computing)
        keys = self._mesh.exchange_messages(f"input keys {mine[0].name}", {}, {dealer: size})[
            dealer
        ]
        delta: NDArray[np.int64] = join([encode_input(request) for request in mine])
        with np.errstate(over="ignore"):
            for start in range(0, len(keys), KEY_BYTES):
                delta = delta + Stream(keys[start : start + KEY_BYTES]).take(delta.size)
        self._mesh.exchange(label, dict.fromkeys(computing, delta), {})
        self.counters.add("input", rounds=1, bytes_sent=delta.nbytes * len(computing))

    def constant(self, values: NDArray[np.float64], fraction_bits: int) -> None:
        """Nothing to hold."""

    def linear(self, function: Callable[..., Any], values: Sequence[None], shape: Shape) -> None:
        """Nothing to do."""

    def multiply_public(
        self,
        operation: Bilinear,
        value: None,
        factor: NDArray[np.float64],
        fraction_bits: int,
        shape: Shape,
    ) -> None:
        """Nothing to do."""

    def weighted_sum(
        self,
        weights: NDArray[np.float64],
        values: Sequence[None],
        fraction_bits: int,
        shape: Shape,
    ) -> None:
        """Nothing to do."""

    def scale_by_power_of_two(self, value: None, exponent: int, *, encoded: bool) -> None:
        """Nothing to do."""

    def prepare(self, values: Sequence[None]) -> None:
        """Nothing to do."""

    def product(
        self, operation: Bilinear, x: None, y: None, x_bits: int, y_bits: int, shape: Shape
    ) -> None:
        """Nothing to do."""

    def rescale(self, value: None, bits: int) -> None:
        """Nothing to do."""

    def periodic(self, value: None, series: PeriodicSeries, fraction_bits: int) -> None:
        """Nothing to do."""

    def compare(
        self,
        value: None,
        cuts: NDArray[np.float64],
        fraction_bits: int,
        width: int,
        factor: None,
        shape: Shape,
    ) -> tuple[None, None]:
        """Nothing to do."""
        return None, None

    def table(
        self, value: None, entries: NDArray[np.float64], fraction_bits: int, shape: Shape
    ) -> None:
        """Nothing to do."""

    def keep(self, values: Sequence[None]) -> None:
        """Nothing to keep."""

    def take_up(
        self,
        kept: Kept | None,
        shapes: Sequence[Shape],
        fraction_bits: Sequence[int],
    ) -> list[None]:
        """Nothing to hold."""
        return [None] * len(shapes)

    def reveal(
        self,
        name: str,
        value: None,
        receivers: Sequence[str],
        fraction_bits: int,
        shape: Shape,
        check: Check | None = None,
    ) -> Any:
        """Receive the shares and add them up, where the ledger names this party."""
        self._ledger.authorise(name, receivers, shape)
        self._reveals.claim(name)
        if self._mesh.name not in receivers:
            return None
        total = receive_reveal(self._mesh, self._roles, self._engine, name, shape)
        return revealed_numbers(self._engine, total, fraction_bits, check)


def receive_reveal(mesh: Mesh, roles: Roles, engine: Engine, name: str, shape: Shape) -> RingArray:
    """Return the sum of the computing parties' shares of a revealed value."""

    def transfer() -> NDArray[np.int64]:
        expected = dict.fromkeys(roles.computing, (np.dtype(np.int64), shape))
        # Those who compute may take as long as the training takes; a lost one is noticed.
        received = mesh.exchange(f"reveal {name}", {}, expected, deadline=None)
        total = np.zeros(shape, np.int64)
        for share in received.values():
            total += share
        return total

    return engine.call(transfer, [], shape)
