"""A computing party's side: additive shares, masked openings, and the gates' local work.

Formulas and their security argument: docs/protocol.md. A secret x is held as Σ x_i over the
computing parties. It is *masked* once every one of them also knows Δ = x + r and a share of r;
then products of it are local work plus dealt correlations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohortium.errors import ParameterError
from cohortium.mpc.dealer.channel import Channel, digest
from cohortium.mpc.dealer.comparing import compare
from cohortium.mpc.dealer.looking_up import look_up_tables
from cohortium.mpc.dealer.randomness import Stream
from cohortium.mpc.dealer.session import Roles, UniqueNames, hand_out_keys, input_key
from cohortium.mpc.dealer.shares import (
    EVERYONE,
    Share,
    common_owner,
    encode_input,
    join,
    linear_share,
    or_zeros,
    revealed_numbers,
    split,
)
from cohortium.mpc.dealer.waving import evaluate_series
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
    weighted_sum,
)
from cohortium.ring.fixed import VALUE_BITS


class ComputingParty(Protocol):
    """One of the N ≥ 2 parties that hold shares."""

    def __init__(
        self, mesh: Mesh, roles: Roles, ledger: Ledger, engine: Engine | None = None
    ) -> None:
        self.counters = Counters()
        self._engine = engine or NumpyEngine()
        self._ledger = ledger
        self._roles = roles
        self._index = roles.computing.index(mesh.name)
        self._key = hand_out_keys(mesh, roles)[mesh.name]
        self._channel = Channel(mesh, roles, self._key, self._engine, self.counters)
        self._inputs = UniqueNames("input")
        self._reveals = UniqueNames("reveal")

    # -- inputs and constants ------------------------------------------------------------------

    def input(self, requests: Sequence[InputRequest]) -> list[Share]:
        """Share the owners' tensors, all in one round (protocol.md, "Input")."""
        for request in requests:
            self._inputs.claim(request.name)
            self._channel.note(str(request), request.fraction_bits, request.bound)
        me, by_owner = self._channel.me, group_by_owner(requests)
        encoded = {
            request.name: self._engine.asarray(encode_input(request))
            for request in by_owner.get(me, [])
        }
        masks = {owner: self._input_mask(owner, owned) for owner, owned in by_owner.items()}
        sizes = {owner: sum(r.size for r in owned) for owner, owned in by_owner.items()}
        senders = {owner: size for owner, size in sizes.items() if owner != me}
        mine = join(list(encoded.values())) + masks[me] if encoded else None
        received = self._channel.share_inputs(f"input {requests[0].name}", mine, senders)
        deltas = dict(zip(senders, received, strict=True))
        if mine is not None:
            deltas[me] = mine
        shares = {
            share_name: share
            for owner, owned in by_owner.items()
            for share_name, share in self._input_shares(owned, deltas[owner], masks[owner], encoded)
        }
        return [shares[request.name] for request in requests]

    def _input_mask(self, owner: str, owned: Sequence[InputRequest]) -> RingArray | None:
        """Return this party's share of the mask of one owner's inputs, flat."""
        size = sum(request.size for request in owned)
        if owner == self._channel.me:
            return self._channel.draw(size)
        if owner in self._roles.computing:
            return None
        stream = Stream(input_key(self._key, owned[0].name))
        return self._engine.call(lambda: stream.take(size), [], (size,))

    def _input_shares(
        self,
        owned: Sequence[InputRequest],
        delta: RingArray,
        mask: RingArray | None,
        encoded: dict[str, RingArray],
    ) -> list[tuple[str, Share]]:
        shapes = [request.shape for request in owned]
        owner = self._roles.index(owned[0].owner)
        masks = [None] * len(owned) if mask is None else split(mask, shapes)
        shares = []
        for request, piece, part in zip(owned, split(delta, shapes), masks, strict=True):
            clear = encoded.get(request.name)
            share = clear
            if owner is None:
                share = piece - part if self._index == 0 else -part
            shares.append((request.name, Share(request.shape, share, piece, part, owner, clear)))
        return shares

    def constant(self, values: NDArray[np.float64], fraction_bits: int) -> Share:
        """Return public values; party 0 holds them as its share, the others zeros."""
        clear = self._encode_public(values, fraction_bits)
        share = clear if self._index == 0 else None
        return Share(values.shape, share, clear, None, EVERYONE, clear)

    # -- local ---------------------------------------------------------------------------------

    def linear(self, function: Callable[..., Any], values: Sequence[Share], shape: Shape) -> Share:
        """Apply a linear function to shares, and to masked forms where all values have one."""
        name = getattr(function, "__qualname__", "")
        self._channel.note("linear", name, shape, *(value.shape for value in values))
        return linear_share(function, values, shape, self._engine, self._index)

    def multiply_public(
        self,
        operation: Bilinear,
        value: Share,
        factor: NDArray[np.float64],
        fraction_bits: int,
        shape: Shape,
    ) -> Share:
        """Multiply every part by the encoded factor."""
        encoded = self._encode_public(factor, fraction_bits)
        return self.linear(lambda a: operation.ring(a, encoded, 64, 64), [value], shape)

    def weighted_sum(
        self,
        weights: NDArray[np.float64],
        values: Sequence[Share],
        fraction_bits: int,
        shape: Shape,
    ) -> Share:
        """Return the sum as a plain sharing; masked forms are not carried through it."""
        encoded = encode(weights, fraction_bits, float(np.abs(weights).max(initial=0.0)))
        self._channel.note("weighted sum", digest(encoded), fraction_bits, len(values), shape)
        kept = [index for index, value in enumerate(values) if value.share is not None]
        if not kept:
            return Share(shape, None)
        if len(kept) < len(values):
            encoded = encoded[kept]
        return Share(shape, weighted_sum(encoded, [values[index].share for index in kept]))

    def scale_by_power_of_two(self, value: Share, exponent: int, *, encoded: bool) -> Share:
        """Shift every part left, or leave all as they are where only the binary point moves."""
        self._channel.note("power of two", exponent, encoded)
        if not encoded:
            return value
        return self.linear(lambda a: shift_left(a, exponent), [value], value.shape)

    # -- gates ---------------------------------------------------------------------------------

    def prepare(self, values: Sequence[Share]) -> None:
        """Mask and open what is not masked yet: one round for all of it (protocol.md, "Open")."""
        plain = list({id(value): value for value in values if value.delta is None}.values())
        if not plain:
            return
        shapes = [value.shape for value in plain]
        mask = self._channel.draw(sum(math.prod(shape) for shape in shapes))
        delta = self._channel.open("open", join([self._share(value) for value in plain]) + mask)
        for value, piece, part in zip(
            plain, split(delta, shapes), split(mask, shapes), strict=True
        ):
            value.delta, value.mask = piece, part

    def product(
        self, operation: Bilinear, x: Share, y: Share, x_bits: int, y_bits: int, shape: Shape
    ) -> Share:
        """Return operation(x, y) (protocol.md, "Product", and with tensors known to a party)."""
        self._channel.note(operation.name, x.shape, y.shape, x_bits, y_bits)
        if y.owner == EVERYONE:
            return self.linear(lambda a: operation.ring(a, y.clear, 64, 64), [x], shape)
        if x.owner == EVERYONE:
            return self.linear(lambda a: operation.ring(x.clear, a, 64, 64), [y], shape)
        owner = common_owner([x.owner, y.owner])
        if owner is not None:
            known = None
            if owner == self._index:
                known = operation.ring(x.clear, y.clear, x_bits, y_bits)
            return Share(shape, known, owner=owner, clear=known)
        self.prepare([x, y])
        if x.owner is not None:
            local = self._one_known(operation, x, y, x_bits)
        elif y.owner is not None:
            local = self._one_known(operation.flipped(), y, x, y_bits)
        else:
            local = self._none_known(operation, x, y)
        (correlation,) = self._channel.dealt("product", [shape])
        self.counters.add("product")
        return Share(shape, correlation if local is None else correlation + local)

    def _one_known(self, operation: Bilinear, x: Share, y: Share, x_bits: int) -> RingArray | None:
        # The owner of x takes x∘(Δy − its part of r_y); the others' parts of r_y meet Δx. Where
        # y is an input of one party, r_y is whole there and the rest have nothing to do.
        if x.owner == self._index:
            right = y.delta if y.mask is None else y.delta - y.mask
            return operation.ring(x.clear, right, x_bits, 64)
        return None if y.mask is None else -operation.ring(x.delta, y.mask, 64, 64)

    def _none_known(self, operation: Bilinear, x: Share, y: Share) -> RingArray:
        y_part = self._mask(y)
        right = y.delta - y_part if self._index == 0 else -y_part
        return operation.ring(x.delta, right, 64, 64) - operation.ring(
            self._mask(x), y.delta, 64, 64
        )

    def rescale(self, value: Share, bits: int) -> Share:
        """Drop low bits without failure probability (protocol.md, "Rescale")."""
        self._channel.note("rescale", value.shape, bits)
        size = math.prod(value.shape)
        masked = reshape(self._share(value), (-1,)) + self._channel.draw(size)
        if self._index == 0:
            masked = masked + (1 << VALUE_BITS)
        delta = self._channel.open("rescale", masked)
        shifted_mask, mask_sign = self._channel.dealt("rescale", [(size,), (size,)])
        no_wrap = 1 - sign_bit(delta)
        result = shift_left(no_wrap * mask_sign, 64 - bits) - shifted_mask
        if self._index == 0:
            result = result + shift_right_logical(delta, bits) - (1 << (VALUE_BITS - bits))
        return Share(value.shape, reshape(result, value.shape))

    def periodic(self, value: Share, series: PeriodicSeries, fraction_bits: int) -> Share:
        """Evaluate all harmonics from one opening (protocol.md, "Periodic gate")."""
        self._channel.note(
            "periodic",
            value.shape,
            fraction_bits,
            series.period_bits,
            series.public_bits,
            series.dealt_bits,
            series.constant,
            series.shift,
            series.harmonics,
        )
        return evaluate_series(
            self._channel, self._engine, value, series, fraction_bits, first=self._index == 0
        )

    def compare(
        self,
        value: Share,
        cuts: NDArray[np.float64],
        fraction_bits: int,
        width: int,
        factor: Share,
        shape: Shape,
    ) -> tuple[Share, Share]:
        """Compare with all cuts at once (protocol.md, "Comparison")."""
        # A stored x is below c where it is below the next integer: no rounding of the cut.
        places = np.ceil(cuts * 2.0**fraction_bits).astype(np.int64)
        self._channel.note("compare", shape, factor.shape, digest(places), width)
        self.prepare([value, factor])
        self.counters.add("compare")
        return compare(
            self._channel, self._engine, value, places, width, factor, first=self._index == 0
        )

    def table(
        self, value: Share, entries: NDArray[np.float64], fraction_bits: int, shape: Shape
    ) -> Share:
        """Look up all tables at once (protocol.md, "Table")."""
        encoded = encode(entries, fraction_bits, float(np.abs(entries).max(initial=0.0)))
        self._channel.note("table", shape, digest(encoded), fraction_bits)
        return look_up_tables(self._channel, self._engine, value, encoded)

    # -- from one session to a later one -------------------------------------------------------

    def keep(self, values: Sequence[Share]) -> Kept:
        """Return fresh shares, which the dealer can not tell from any (protocol.md, "Kept")."""
        self._channel.note("keep", *(value.shape for value in values))
        # A share itself may be a party's own data, or tell the dealer what was opened.
        fresh = [self._share(value) + self._channel.share_of_zero(value.shape) for value in values]
        return Kept([np.asarray(share) for share in fresh], self._channel.transcript_tag())

    def take_up(
        self, kept: Kept | None, shapes: Sequence[Shape], fraction_bits: Sequence[int]
    ) -> list[Share]:
        """Return plain sharings: what is opened of them is masked anew."""
        if kept is None or [part.shape for part in kept.parts] != list(shapes):
            raise ParameterError(
                "What was kept has not the shapes that the program asks for.",
                remedy="This is a fault in the program at this party; report it.",
            )
        self._channel.note("take up", kept.tag.hex(), *shapes, *fraction_bits)
        return [
            Share(shape, self._engine.asarray(part))
            for part, shape in zip(kept.parts, shapes, strict=True)
        ]

    # -- reveal --------------------------------------------------------------------------------

    def reveal(
        self,
        name: str,
        value: Share,
        receivers: Sequence[str],
        fraction_bits: int,
        shape: Shape,
        check: Check | None = None,
    ) -> Any:
        """Send fresh shares to the receivers alone, after ledger and transcripts agree."""
        self._ledger.authorise(name, receivers, shape)
        self._reveals.claim(name)
        self._channel.note("reveal", name, shape, fraction_bits, *sorted(receivers))
        self._channel.compare_transcripts()
        # A share may be a party's own data (an owned tensor), or tell the dealer what was opened.
        zero = self._channel.share_of_zero(shape)
        fresh = zero if value.share is None else value.share + zero
        total = self._channel.reveal(f"reveal {name}", fresh, receivers)
        if self._channel.me not in receivers:
            return None
        return revealed_numbers(self._engine, total, fraction_bits, check)

    # -- inside --------------------------------------------------------------------------------

    def _share(self, value: Share) -> RingArray:
        return or_zeros(value.share, value.shape, self._engine)

    def _mask(self, value: Share) -> RingArray:
        return or_zeros(value.mask, value.shape, self._engine)

    def _encode_public(self, values: NDArray[np.float64], fraction_bits: int) -> RingArray:
        encoded = encode(values, fraction_bits, float(np.abs(values).max(initial=0.0)))
        self._channel.note("public", digest(encoded), encoded.shape, fraction_bits)
        return self._engine.asarray(encoded)
