"""The dealer's side: the same program, on masks and shapes only.

The dealer knows every mask, because it derives the computing parties' streams, and no value: it
never receives a share or anything opened. For each gate it works out the correlation and sends
the last computing party what the others' streams do not already give.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohortium.mpc.dealer.comparing import deal_comparison
from cohortium.mpc.dealer.dealing_channel import DealingChannel
from cohortium.mpc.dealer.looking_up import deal_tables
from cohortium.mpc.dealer.outside import receive_reveal
from cohortium.mpc.dealer.randomness import Stream
from cohortium.mpc.dealer.session import (
    Roles,
    UniqueNames,
    hand_out_keys,
    input_key,
)
from cohortium.mpc.dealer.shares import (
    EVERYONE,
    apply_to_parts,
    common_owner,
    encode_input,
    join,
    or_zeros,
    revealed_numbers,
)
from cohortium.mpc.dealer.waving import deal_series
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
from cohortium.ring import (
    Engine,
    NumpyEngine,
    RingArray,
    encode,
    reshape,
    shift_left,
    shift_right_logical,
    sign_bit,
)


@dataclass
class Mask:
    """What the dealer knows of a secret: its shape, its owner, each party's share of its mask.

    ``parts`` is None while it is not masked; a part that is None stands for zeros. ``public`` is
    the value of a public constant, ``total`` the sum of the parts once a product has asked for it.
    """

    shape: Shape
    parts: list[RingArray | None] | None = None
    owner: int | None = None
    public: RingArray | None = None
    total: RingArray | None = None

    def __repr__(self) -> str:
        return f"Mask(shape={self.shape})"


class Dealer(Protocol):
    """The party that deals correlated randomness. It must not collude with a computing party."""

    def __init__(
        self, mesh: Mesh, roles: Roles, ledger: Ledger, engine: Engine | None = None
    ) -> None:
        self.counters = Counters()
        self._mesh = mesh
        self._engine = engine or NumpyEngine()
        self._ledger = ledger
        self._roles = roles
        self._keys = hand_out_keys(mesh, roles)
        self._channel = DealingChannel(mesh, roles, self._keys, self._engine, self.counters)
        self._inputs = UniqueNames("input")
        self._reveals = UniqueNames("reveal")

    # -- inputs and constants ------------------------------------------------------------------

    def input(self, requests: Sequence[InputRequest]) -> list[Mask]:
        """Track the inputs' masks; send the masked values of what the dealer itself owns."""
        for request in requests:
            self._inputs.claim(request.name)
        masks: dict[str, Mask] = {}
        for owner, owned in group_by_owner(requests).items():
            size = sum(request.size for request in owned)
            index = self._roles.index(owner)
            parts = self._input_parts(owner, owned[0].name, index, size)
            if owner == self._mesh.name:
                self._send_own(f"input {requests[0].name}", owned, parts)
            start = 0
            for request in owned:
                stop = start + request.size
                pieces = [
                    None if part is None else reshape(part[start:stop], request.shape)
                    for part in parts
                ]
                masks[request.name] = Mask(request.shape, pieces, index)
                start = stop
        return [masks[request.name] for request in requests]

    def _input_parts(
        self, owner: str, name: str, index: int | None, size: int
    ) -> list[RingArray | None]:
        if index is not None:
            parts: list[RingArray | None] = [None] * len(self._roles.computing)
            parts[index] = self._channel.draw_of(index, size)
            return parts
        keys = {party: input_key(self._keys[party], name) for party in self._roles.computing}
        if owner != self._mesh.name:
            message = b"".join(keys[party] for party in self._roles.computing)
            self._mesh.exchange_messages(f"input keys {name}", {owner: message}, {})
        streams = [Stream(key) for key in keys.values()]
        return [
            self._engine.call(lambda stream=stream: stream.take(size), [], (size,))
            for stream in streams
        ]

    def _send_own(
        self, label: str, owned: Sequence[InputRequest], parts: Sequence[RingArray | None]
    ) -> None:
        delta = join([self._engine.asarray(encode_input(request)) for request in owned])
        for part in parts:
            delta = delta + part
        self._channel.send(label, delta, self._roles.computing)

    def constant(self, values: NDArray[np.float64], fraction_bits: int) -> Mask:
        """Return a value masked by zeros: everybody knows it."""
        public = self._encode_public(values, fraction_bits)
        return Mask(values.shape, [None] * len(self._roles.computing), EVERYONE, public)

    # -- local ---------------------------------------------------------------------------------

    def linear(self, function: Callable[..., Any], values: Sequence[Mask], shape: Shape) -> Mask:
        """Apply a linear function to every party's part of the masks."""
        result = Mask(shape, None, common_owner([value.owner for value in values]))
        shapes = [value.shape for value in values]
        if result.owner == EVERYONE:
            publics = [value.public for value in values]
            result.public = apply_to_parts(function, publics, shapes, self._engine)
        masked = [value.parts for value in values if value.parts is not None]
        if len(masked) == len(values):
            result.parts = [
                apply_to_parts(function, [parts[index] for parts in masked], shapes, self._engine)
                for index in range(len(self._roles.computing))
            ]
        return result

    def multiply_public(
        self,
        operation: Bilinear,
        value: Mask,
        factor: NDArray[np.float64],
        fraction_bits: int,
        shape: Shape,
    ) -> Mask:
        """Multiply every part by the encoded factor."""
        encoded = self._encode_public(factor, fraction_bits)
        return self.linear(lambda a: operation.ring(a, encoded, 64, 64), [value], shape)

    def weighted_sum(
        self,
        weights: NDArray[np.float64],  # noqa: ARG002 - the result is not masked
        values: Sequence[Mask],  # noqa: ARG002
        fraction_bits: int,  # noqa: ARG002
        shape: Shape,
    ) -> Mask:
        """Return a plain sharing: nothing to know of it."""
        return Mask(shape)

    def scale_by_power_of_two(self, value: Mask, exponent: int, *, encoded: bool) -> Mask:
        """Shift every part left, or leave all as they are where only the binary point moves."""
        if not encoded:
            return value
        return self.linear(lambda a: shift_left(a, exponent), [value], value.shape)

    # -- gates ---------------------------------------------------------------------------------

    def prepare(self, values: Sequence[Mask]) -> None:
        """Draw the masks that the computing parties draw."""
        plain = list({id(value): value for value in values if value.parts is None}.values())
        if not plain:
            return
        self._channel.step()
        drawn = self._channel.draw(sum(math.prod(value.shape) for value in plain))
        start = 0
        for value in plain:
            stop = start + math.prod(value.shape)
            value.parts = [reshape(part[start:stop], value.shape) for part in drawn]
            start = stop

    def product(
        self,
        operation: Bilinear,
        x: Mask,
        y: Mask,
        x_bits: int,  # noqa: ARG002 - masks are uniform, whatever they hide
        y_bits: int,  # noqa: ARG002
        shape: Shape,
    ) -> Mask:
        """Deal what the masks contribute to the product (protocol.md, "Product")."""
        if y.owner == EVERYONE:
            return self.linear(lambda a: operation.ring(a, y.public, 64, 64), [x], shape)
        if x.owner == EVERYONE:
            return self.linear(lambda a: operation.ring(x.public, a, 64, 64), [y], shape)
        owner = common_owner([x.owner, y.owner])
        if owner is not None:
            return Mask(shape, None, owner)
        self.prepare([x, y])
        # The owner of an operand also covers the other operand's mask part that it knows itself.
        x_mask = self._total(x, without=y.owner if x.owner is None else None)
        y_mask = self._total(y, without=x.owner)
        correlation = operation.ring(x_mask, y_mask, 64, 64)
        self._channel.deal("product", [correlation])
        self.counters.add("product")
        return Mask(shape)

    def rescale(self, value: Mask, bits: int) -> Mask:
        """Deal the mask shifted, and its sign (protocol.md, "Rescale")."""
        self._channel.step()
        size = math.prod(value.shape)
        mask = self._channel.fresh_mask(size)
        self._channel.deal("rescale", [shift_right_logical(mask, bits), sign_bit(mask)])
        return Mask(value.shape)

    def periodic(self, value: Mask, series: PeriodicSeries, fraction_bits: int) -> Mask:
        """Deal sines and cosines of the mask's odd multiples (protocol.md, "Periodic gate")."""
        deal_series(self._channel, series, fraction_bits, value.shape)
        return Mask(value.shape)

    def compare(
        self,
        value: Mask,
        cuts: NDArray[np.float64],
        fraction_bits: int,  # noqa: ARG002 - the cuts are public
        width: int,
        factor: Mask,
        shape: Shape,
    ) -> tuple[Mask, Mask]:
        """Deal the mask's groups, and products of fresh bits (protocol.md, "Comparison")."""
        self.prepare([value, factor])
        deal_comparison(
            self._channel,
            self._engine,
            self._total(value),
            self._total(factor),
            len(cuts),
            width,
            shape,
        )
        self.counters.add("compare")
        return Mask((len(cuts), *shape)), Mask((len(cuts), *shape))

    def table(
        self,
        value: Mask,  # noqa: ARG002 - the mask is a fresh one
        entries: NDArray[np.float64],
        fraction_bits: int,  # noqa: ARG002
        shape: Shape,
    ) -> Mask:
        """Deal the one-hot vector of a fresh mask (protocol.md, "Table")."""
        deal_tables(self._channel, self._engine, entries.shape[1], shape)
        return Mask((len(entries), *shape))

    # -- from one session to a later one -------------------------------------------------------

    def keep(self, values: Sequence[Mask]) -> None:
        """Nothing to keep: the dealer has masks alone, and they end with the session."""

    def take_up(
        self,
        kept: Kept | None,  # noqa: ARG002
        shapes: Sequence[Shape],
        fraction_bits: Sequence[int],  # noqa: ARG002
    ) -> list[Mask]:
        """Return plain sharings: nothing to know of them."""
        return [Mask(shape) for shape in shapes]

    # -- reveal --------------------------------------------------------------------------------

    def reveal(
        self,
        name: str,
        value: Mask,  # noqa: ARG002 - the dealer holds no share
        receivers: Sequence[str],
        fraction_bits: int,
        shape: Shape,
        check: Check | None = None,
    ) -> Any:
        """Receive the shares where the ledger names the dealer."""
        self._ledger.authorise(name, receivers, shape)
        self._reveals.claim(name)
        self._channel.step()
        self._channel.flush()
        if self._mesh.name not in receivers:
            return None
        total = receive_reveal(self._mesh, self._roles, self._engine, name, shape)
        return revealed_numbers(self._engine, total, fraction_bits, check)

    # -- inside --------------------------------------------------------------------------------

    def _total(self, value: Mask, *, without: int | None = None) -> RingArray:
        if without is not None:
            return self._sum(value, without)
        if value.total is None:
            value.total = self._sum(value, None)
        return value.total

    def _sum(self, value: Mask, without: int | None) -> RingArray:
        parts = value.parts or []
        kept = [part for index, part in enumerate(parts) if part is not None and index != without]
        if not kept:
            return or_zeros(None, value.shape, self._engine)
        total = kept[0]
        for part in kept[1:]:
            total = total + part
        return total

    def _encode_public(self, values: NDArray[np.float64], fraction_bits: int) -> RingArray:
        bound = float(np.abs(values).max(initial=0.0))
        return self._engine.asarray(encode(values, fraction_bits, bound))
