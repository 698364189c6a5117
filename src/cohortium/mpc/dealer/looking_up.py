"""The table gate, from both sides: public entries at a secret place, in one round.

The parties open δ = x + r mod m; the dealer deals the one-hot vector of r mod m. Then
T[x] = Σ_v onehot_r[v]·T[δ − v] is local: exact, and any number of tables costs the same round.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cohortium.mpc.dealer.channel import Channel
from cohortium.mpc.dealer.dealing_channel import DealingChannel
from cohortium.mpc.dealer.shares import Share, or_zeros
from cohortium.mpc.protocol import Shape
from cohortium.ring import Engine, RingArray, reshape, sum_over

_GATE = "table"


def look_up_tables(
    channel: Channel, engine: Engine, value: Share, entries: NDArray[np.int64]
) -> Share:
    """Return a computing party's shares of the entries at x: tables × x's shape.

    ``entries`` are tables × m, m a power of two. One round of ⌈log2(m) / 8⌉ bytes an element.
    """
    size, (tables, places) = math.prod(value.shape), entries.shape
    plain = reshape(or_zeros(value.share, value.shape, engine), (-1,))
    bits = (places - 1).bit_length()
    delta = channel.open(_GATE, plain + channel.draw(size), bits=bits)

    def turned(opened: NDArray[np.int64]) -> NDArray[np.int64]:
        index = (opened.reshape(-1, 1) - np.arange(places)) & (places - 1)
        return np.asarray(entries[:, index])

    public = engine.call(turned, [delta], (tables, size, places))
    (hot,) = channel.dealt(_GATE, [(size, places)])
    shape = (tables, *value.shape)
    return Share(shape, reshape(sum_over(public * hot, 2), shape))


def deal_tables(channel: DealingChannel, engine: Engine, places: int, shape: Shape) -> None:
    """Deal what ``look_up_tables`` needs: the one-hot vector of a fresh mask."""
    channel.step()
    size = math.prod(shape)

    def one_hot(masks: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(
            (masks.reshape(-1, 1) & (places - 1)) == np.arange(places), dtype=np.int64
        )

    mask: RingArray = channel.fresh_mask(size)
    channel.deal(_GATE, [engine.call(one_hot, [mask], (size, places))])
