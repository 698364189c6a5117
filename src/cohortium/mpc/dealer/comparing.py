"""The comparison gate, from both sides: [x < c] and [x < c]·v for all cuts c in one batch.

From one opened δ = x + r every a_j = δ − c_j is public, and x < c_j where the top bit of a_j − r
is set: top(a_j) ⊕ top(r) ⊕ (low bits of a_j < low bits of r). Rounds: x's opening, two levels of
combining groups, and one from XOR-shared bits to ring elements, whatever the number of cuts.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cohortium.mpc.dealer.bits import (
    MONOMIALS,
    WIRES,
    combine,
    group_counts,
    groups_of,
    look_up,
    one_hot,
    products_of,
    top_bits,
    wires_of,
)
from cohortium.mpc.dealer.channel import Channel
from cohortium.mpc.dealer.dealing_channel import DealingChannel
from cohortium.mpc.dealer.shares import Share, or_zeros
from cohortium.mpc.protocol import Shape
from cohortium.ring import Engine, RingArray, reshape

_GATE = "compare"


def compare(
    channel: Channel,
    engine: Engine,
    value: Share,
    cuts: NDArray[np.int64],
    width: int,
    factor: Share,
    *,
    first: bool,
) -> tuple[Share, Share]:
    """Return a computing party's shares of the bits and of bit · factor: cuts × the shape.

    ``value`` and ``factor``, of one shape, are masked; a cut is one number or one for each element.
    Three rounds; two where one level will do.
    """
    size, count = math.prod(value.shape), len(cuts)
    levels = group_counts(width - 1)
    labels = channel.labels(_GATE, 2 * len(levels) + 1)

    def opened_bits(delta: NDArray[np.int64]) -> NDArray[np.int64]:
        public = delta.reshape(1, size) - cuts.reshape(count, -1)
        hot = channel.dealt_octets(next(labels), (levels[0], 2 * size)).view("<u2")
        top = channel.dealt_octets(next(labels), (-(-size // 8),))
        less, equal = look_up(groups_of(public, width - 1), hot)
        for groups in levels[1:]:
            shape = (WIRES, groups, *less.shape[1:])
            masks = channel.draw_octets(shape)
            opened = channel.open_octets(_GATE, next(labels), wires_of(less, equal) ^ masks)
            products = channel.dealt_octets(next(labels), (len(MONOMIALS), *shape[1:]))
            less, equal = combine(less, opened, masks, products, first=first)
        bits = less[0] ^ top
        if first:
            bits = bits ^ top_bits(public, width)
        masked = channel.open_octets(_GATE, next(labels), bits ^ channel.draw_octets(bits.shape))
        return np.unpackbits(masked, axis=-1, count=size).astype(np.int64)

    opened = engine.call(opened_bits, [reshape(value.delta, (-1,))], (count, size))
    mask, mask_times_r = channel.dealt(_GATE, [(count, size), (count, size)])
    # b = ω + (1 − 2ω)·m for the opened ω = b ⊕ m, and v = Δ − r.
    sign = 1 - 2 * opened
    delta = reshape(factor.delta, (1, size))
    r_part = reshape(or_zeros(factor.mask, factor.shape, engine), (1, size))
    bits = sign * mask
    products = sign * (mask * delta - mask_times_r) - opened * r_part
    if first:
        bits = bits + opened
        products = products + opened * delta
    shape = (count, *value.shape)
    return Share(shape, reshape(bits, shape)), Share(shape, reshape(products, shape))


def deal_comparison(
    channel: DealingChannel,
    engine: Engine,
    mask: RingArray,
    factor_mask: RingArray,
    cuts: int,
    width: int,
    shape: Shape,
) -> None:
    """Deal what ``compare`` needs; the masks of value and factor are known to the dealer whole."""
    size = math.prod(shape)
    levels = group_counts(width - 1)
    labels = channel.labels(_GATE, 2 * len(levels) + 1)

    def output_masks(r: NDArray[np.int64]) -> NDArray[np.int64]:
        octets = -(-size // 8)
        hot = one_hot(groups_of(r, width - 1)).astype("<u2", copy=False)
        channel.deal_octets(next(labels), hot.view(np.uint8))
        channel.deal_octets(next(labels), top_bits(r, width))
        for groups in levels[1:]:
            masks = channel.fresh_octets((WIRES, groups, cuts, octets))
            next(labels)
            channel.deal_octets(next(labels), products_of(masks))
        masks = channel.fresh_octets((cuts, octets))
        return np.unpackbits(masks, axis=-1, count=size).astype(np.int64)

    output = engine.call(output_masks, [reshape(mask, (-1,))], (cuts, size))
    channel.deal(_GATE, [output, output * reshape(factor_mask, (1, size))])
