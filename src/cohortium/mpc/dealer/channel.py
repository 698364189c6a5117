"""A computing party's communication: draws from its stream, openings, dealt values, reveals.

Everything that a program sends or receives passes here, in program order: each frame's label
holds the step's number and gate, so two parties that are not at the same step notice at once.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cohortium.errors import AgreementError
from cohortium.mpc.dealer.randomness import Stream
from cohortium.mpc.dealer.session import Roles, keys_without_dealer, mask_stream
from cohortium.mpc.dealer.shares import split
from cohortium.mpc.protocol import Counters, Shape
from cohortium.net.mesh import Mesh
from cohortium.ring import Engine, RingArray


class Channel:
    """The mesh, the stream and the engine of one computing party, and what went through them."""

    def __init__(
        self, mesh: Mesh, roles: Roles, key: bytes, engine: Engine, counters: Counters
    ) -> None:
        self.me = mesh.name
        self._mesh = mesh
        self._engine = engine
        self._counters = counters
        self._stream = mask_stream(key)
        pairs, self._tag_key = keys_without_dealer(mesh, roles)
        place = roles.computing.index(mesh.name)
        self._added = [Stream(pairs[name]) for name in roles.computing[place + 1 :]]
        self._subtracted = [Stream(pairs[name]) for name in roles.computing[:place]]
        self._dealer = roles.dealer
        self._others = [name for name in roles.computing if name != mesh.name]
        self._is_last = mesh.name == roles.computing[-1]
        self._transcript = hashlib.sha256(mesh.session_id)
        self._program = hashlib.sha256()
        self._step = 0

    def draw(self, size: int) -> RingArray:
        """Return the next masks of this party's stream, which the dealer knows too."""
        return self._engine.call(lambda: self._stream.take(size), [], (size,))

    def note(self, *facts: object) -> None:
        """Take public facts of the next operation into what ``compare_transcripts`` compares.

        An operation that sends nothing would otherwise differ between parties unnoticed. Facts
        are taken by their text, which must be the same at every party; of an array ``digest``.
        """
        self._program.update(_noted(*facts))

    def saw(self, checksum: int) -> None:
        """Take what all parties worked out of opened values into the transcript; in the engine."""
        self._transcript.update(checksum.to_bytes(8, "little", signed=True))

    def open(self, gate: str, masked: RingArray, *, bits: int = 64) -> RingArray:
        """Return the sum of all parties' masked shares mod 2^bits; one round.

        Sends ⌈bits / 8⌉ bytes an element to each other computing party.
        """
        label = self._label(gate)
        width = -(-bits // 8)

        def transfer(mine: NDArray[np.int64]) -> NDArray[np.int64]:
            packed = mine if width == 8 else _low_bytes(mine, width)
            received = self._mesh.exchange(
                label,
                dict.fromkeys(self._others, packed),
                dict.fromkeys(self._others, (packed.dtype, packed.shape)),
            )
            self._counters.add(gate, rounds=1, bytes_sent=packed.nbytes * len(self._others))
            total = mine.copy()
            for theirs in received.values():
                total += theirs if width == 8 else _from_low_bytes(theirs)
            if bits < 64:
                total &= (1 << bits) - 1
            self._transcript.update(total.data)
            return total

        return self._engine.call(transfer, [masked], masked.shape)

    def dealt(self, gate: str, shapes: Sequence[Shape]) -> list[RingArray]:
        """Return this party's shares of values that the dealer knows; no round.

        All but the last computing party take them from their stream; the last receives what is
        missing, which the dealer sent ahead.
        """
        label = self._label(gate + " dealt")
        size = sum(math.prod(shape) for shape in shapes)

        def receive() -> NDArray[np.int64]:
            if not self._is_last:
                return self._stream.take(size)
            return self._mesh.receive_ahead(label, self._dealer, np.int64, (size,))

        return split(self._engine.call(receive, [], (size,)), shapes)

    def labels(self, gate: str, count: int) -> Iterator[str]:
        """Return the labels of the next steps of one gate, for what it does inside the engine."""
        labels = step_labels(gate, self._step, count)
        self._step += count
        return labels

    def draw_octets(self, shape: Shape) -> NDArray[np.uint8]:
        """Return the next bytes of this party's stream; to be called inside the engine."""
        return self._stream.take_octets(shape)

    def open_octets(self, gate: str, label: str, masked: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the XOR of all parties' masked bytes; one round, called inside the engine."""
        received = self._mesh.exchange(
            label,
            dict.fromkeys(self._others, masked),
            dict.fromkeys(self._others, (masked.dtype, masked.shape)),
        )
        self._counters.add(gate, calls=0, rounds=1, bytes_sent=masked.nbytes * len(self._others))
        total = masked.copy()
        for theirs in received.values():
            total ^= theirs
        self._transcript.update(total.data)
        return total

    def dealt_octets(self, label: str, shape: Shape) -> NDArray[np.uint8]:
        """Return this party's XOR shares of dealt bytes; called inside the engine."""
        if not self._is_last:
            return self._stream.take_octets(shape)
        return self._mesh.receive_ahead(label, self._dealer, np.uint8, shape)

    def with_dealt(
        self,
        gate: str,
        shapes: Sequence[Shape],
        function: Callable[[NDArray[np.int64], Iterable[NDArray[np.int64]]], NDArray[np.int64]],
        flat: RingArray,
    ) -> RingArray:
        """Return function(flat, the dealt values in pieces of these shapes), of flat's shape.

        For dealt values that are used once: a piece of the stream is made when its turn comes, and
        is still in the processor's cache when it is used. No round.
        """
        label = self._label(gate + " dealt")

        def receive(array: NDArray[np.int64]) -> NDArray[np.int64]:
            if not self._is_last:
                sizes = [math.prod(shape) for shape in shapes]
                drawn = map(self._stream.take, sizes)
                return function(array, map(np.reshape, drawn, shapes))
            size = sum(math.prod(shape) for shape in shapes)
            received = self._mesh.receive_ahead(label, self._dealer, np.int64, (size,))
            return function(array, split(received, shapes))

        return self._engine.call(receive, [flat], flat.shape)

    def share_inputs(
        self, label: str, mine: RingArray | None, senders: Mapping[str, int]
    ) -> list[RingArray]:
        """Send this party's masked inputs to its equals, return those of the named senders."""

        def transfer(*sent: NDArray[np.int64]) -> NDArray[np.int64]:
            outgoing = {name: sent[0] for name in self._others if sent}
            received = self._mesh.exchange(
                label,
                outgoing,
                {name: (np.dtype(np.int64), (size,)) for name, size in senders.items()},
            )
            self._counters.add(
                "input", rounds=1, bytes_sent=sum(array.nbytes for array in outgoing.values())
            )
            if len(self._others) > 1:
                # With two parties there is nobody whom an owner could tell something else.
                everything = dict(received, **dict.fromkeys([self.me] if sent else [], *sent))
                for name in sorted(everything):
                    self._transcript.update(everything[name].data)
            arrays = [received[name] for name in senders]
            if len(arrays) == 1:
                return arrays[0]
            return np.concatenate(arrays) if arrays else np.empty(0, np.int64)

        inputs = [] if mine is None else [mine]
        flat = self._engine.call(transfer, inputs, (sum(senders.values()),))
        return split(flat, [(size,) for size in senders.values()])

    def share_of_zero(self, shape: Shape) -> RingArray:
        """Return this party's part of a fresh sharing of zeros that the dealer does not know."""
        size = math.prod(shape)

        def draw() -> NDArray[np.int64]:
            total = np.zeros(size, np.int64)
            for stream in self._added:
                total += stream.take(size)
            for stream in self._subtracted:
                total -= stream.take(size)
            return total.reshape(shape)

        return self._engine.call(draw, [], shape)

    def reveal(self, label: str, mine: RingArray, receivers: Sequence[str]) -> RingArray:
        """Send a share to the receivers alone; return the sum where this party is one."""
        receives = self.me in receivers

        def transfer(share: NDArray[np.int64]) -> NDArray[np.int64]:
            outgoing = {to: share for to in receivers if to != self.me}
            incoming = {name: (share.dtype, share.shape) for name in self._others if receives}
            received = self._mesh.exchange(label, outgoing, incoming)
            self._counters.add("reveal", rounds=1, bytes_sent=share.nbytes * len(outgoing))
            total = share.copy()
            for theirs in received.values():
                total += theirs
            return total

        return self._engine.call(transfer, [mine], mine.shape)

    def transcript_tag(self) -> bytes:
        """Return what stands for all operations and openings so far, the same at all parties.

        The dealer knows all masks and so what is opened for any guess of the data: it could test
        guesses by a plain digest. Without the key, which ends with the session, nobody can.
        """
        both = self._program.digest() + self._transcript.digest()
        return hmac.digest(self._tag_key, both, "sha256")

    def compare_transcripts(self) -> None:
        """Check that all computing parties ran the same operations and saw the same openings.

        One round of 64 bytes.
        """
        label = self._label("transcript")
        program = self._program.digest()

        def compare() -> NDArray[np.int64]:
            mine = np.frombuffer(program + self._transcript.digest(), np.uint8)
            received = self._mesh.exchange(
                label,
                dict.fromkeys(self._others, mine),
                dict.fromkeys(self._others, (mine.dtype, mine.shape)),
            )
            self._counters.add("transcript", rounds=1, bytes_sent=mine.nbytes * len(self._others))
            different = [
                name for name, theirs in received.items() if not np.array_equal(theirs, mine)
            ]
            if different:
                same_program = all(
                    np.array_equal(received[name][: len(program)], mine[: len(program)])
                    for name in different
                )
                what = "seen different opened values" if same_program else "run different programs"
                raise AgreementError(
                    f"{self.me} and {', '.join(different)} have {what} in this run; nothing was "
                    "revealed.",
                    remedy="One of them does not follow the protocol, or its machine is faulty. "
                    "Compare the installed packages, then run again.",
                    party=self.me,
                )
            return np.zeros(1, np.int64)

        self._engine.call(compare, [], (1,))

    def _label(self, gate: str) -> str:
        self._step += 1
        return f"{self._step} {gate}"


def step_labels(gate: str, done: int, count: int) -> Iterator[str]:
    """Return the labels of ``count`` steps after the first ``done``, at either side."""
    return iter([f"{step} {gate}" for step in range(done + 1, done + count + 1)])


@lru_cache(maxsize=4096, typed=True)
def _noted(*facts: object) -> bytes:
    # A training's steps repeat the same facts: most texts are made once.
    text = "\0".join(map(str, facts))
    return f"{len(text)} {text}".encode()


def digest(array: NDArray[np.int64]) -> str:
    """Return what stands for an array among the facts that ``Channel.note`` takes in."""
    return hashlib.sha256(array.tobytes()).hexdigest()


def _low_bytes(array: NDArray[np.int64], width: int) -> NDArray[np.uint8]:
    octets = np.ascontiguousarray(array, "<i8").view(np.uint8).reshape(-1, 8)
    return np.ascontiguousarray(octets[:, :width])


def _from_low_bytes(octets: NDArray[np.uint8]) -> NDArray[np.int64]:
    whole = np.zeros((octets.shape[0], 8), np.uint8)
    whole[:, : octets.shape[1]] = octets
    return whole.view("<i8").reshape(-1).astype(np.int64, copy=False)
