"""The dealer's communication: the computing parties' streams, and what it sends to the last one.

The twin of ``channel``: it takes the same positions of the same streams, and counts the same steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cohortium.mpc.dealer.channel import step_labels
from cohortium.mpc.dealer.randomness import Stream
from cohortium.mpc.dealer.session import Roles, mask_stream
from cohortium.mpc.dealer.shares import join
from cohortium.mpc.protocol import Counters, Shape
from cohortium.net.mesh import Mesh
from cohortium.ring import Engine, RingArray


class DealingChannel:
    """The mesh and all computing parties' streams, as the dealer knows them."""

    def __init__(
        self,
        mesh: Mesh,
        roles: Roles,
        keys: Mapping[str, bytes],
        engine: Engine,
        counters: Counters,
    ) -> None:
        self._mesh = mesh
        self._engine = engine
        self._counters = counters
        self._streams = [mask_stream(keys[name]) for name in roles.computing]
        self._last = roles.computing[-1]
        self._step = 0

    def draw(self, size: int) -> list[RingArray]:
        """Return each computing party's next masks."""
        return [self._take(stream, size) for stream in self._streams]

    def draw_of(self, index: int, size: int) -> RingArray:
        """Return the next masks of one computing party."""
        return self._take(self._streams[index], size)

    def fresh_mask(self, size: int) -> RingArray:
        """Return the sum of all computing parties' next masks."""
        first, *rest = self.draw(size)
        for part in rest:
            first = first + part
        return first

    def deal(self, gate: str, values: Sequence[RingArray]) -> None:
        """Share values: the others' shares are in their streams, the last party is sent its own."""
        label = f"{self.step()} {gate} dealt"
        rest = join(values)
        size = math.prod(rest.shape)
        for stream in self._streams[:-1]:
            rest = rest - self._take(stream, size)
        self._deal_rest(label, rest)

    def deal_pieces(
        self,
        gate: str,
        pieces: Callable[[NDArray[np.int64]], Iterator[NDArray[np.int64]]],
        mask: RingArray,
        size: int,
    ) -> None:
        """Share the values that ``pieces`` makes of a mask, ``size`` in all.

        As ``deal``, while a piece is in the processor's cache.
        """
        label = f"{self.step()} {gate} dealt"

        def missing(masks: NDArray[np.int64]) -> NDArray[np.int64]:
            rest = np.empty(size, np.int64)
            start = 0
            for piece in pieces(masks):
                values, stop = piece.reshape(-1), start + piece.size
                for stream in self._streams[:-1]:
                    values -= stream.take(piece.size)
                rest[start:stop] = values
                start = stop
            return rest

        self._deal_rest(label, self._engine.call(missing, [mask], (size,)))

    def send(self, label: str, array: RingArray, receivers: Sequence[str]) -> None:
        """Send an array to each of the receivers."""

        def transfer(values: NDArray[np.int64]) -> NDArray[np.int64]:
            self._mesh.exchange(label, dict.fromkeys(receivers, values), {})
            self._counters.dealt_bytes += values.nbytes * len(receivers)
            return np.zeros(1, np.int64)

        self._engine.call(transfer, [array], (1,))

    def flush(self) -> None:
        """Send all that was dealt: a program that ends here must not leave the others waiting."""

        def send() -> NDArray[np.int64]:
            self._mesh.flush_ahead()
            return np.zeros(1, np.int64)

        self._engine.call(send, [], (1,))

    def step(self) -> int:
        """Return the next step's number; the computing parties count an opening as one."""
        self._step += 1
        return self._step

    def labels(self, gate: str, count: int) -> Iterator[str]:
        """Return the labels of the next steps of one gate."""
        labels = step_labels(gate, self._step, count)
        self._step += count
        return labels

    def fresh_octets(self, shape: Shape) -> NDArray[np.uint8]:
        """Return the XOR of all computing parties' next bytes; to be called inside the engine."""
        total = self._streams[0].take_octets(shape)
        for stream in self._streams[1:]:
            total = total ^ stream.take_octets(shape)
        return total

    def deal_octets(self, label: str, octets: NDArray[np.uint8]) -> None:
        """Deal XOR shares of bytes; to be called inside the engine."""
        for stream in self._streams[:-1]:
            octets = octets ^ stream.take_octets(octets.shape)
        self._send_ahead(label, octets)

    def _deal_rest(self, label: str, rest: RingArray) -> None:
        """Send the last computing party its shares; what is small goes with what follows."""

        def transfer(values: NDArray[np.int64]) -> NDArray[np.int64]:
            self._send_ahead(label, values)
            return np.zeros(1, np.int64)

        self._engine.call(transfer, [rest], (1,))

    def _send_ahead(self, label: str, values: NDArray[np.generic]) -> None:
        self._mesh.send_ahead(label, self._last, values)
        self._counters.dealt_bytes += values.nbytes

    def _take(self, stream: Stream, size: int) -> RingArray:
        return self._engine.call(lambda: stream.take(size), [], (size,))
