"""The periodic gate, from both sides: all harmonics of a series from one opening.

The parties open δ = x + r mod the period; the dealer deals sines and cosines of the mask's odd
multiples. Then sin(k(θ_δ − θ_r)) is a sum of two products, public times dealt, for each harmonic
(docs/protocol.md, "Periodic gate"). Waves are made and used piece by piece, in the processor's
cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from cohortium.mpc.dealer.channel import Channel
from cohortium.mpc.dealer.dealing_channel import DealingChannel
from cohortium.mpc.dealer.shares import Share, or_zeros
from cohortium.mpc.periodic import PeriodicSeries, piece_shapes, rounded_waves
from cohortium.mpc.protocol import Shape
from cohortium.ring import Engine, reshape

_GATE = "periodic"


def evaluate_series(
    channel: Channel,
    engine: Engine,
    value: Share,
    series: PeriodicSeries,
    fraction_bits: int,
    *,
    first: bool,
) -> Share:
    """Return a computing party's shares of the series' function; one round."""
    size, rows = math.prod(value.shape), series.harmonics
    modulus_bits = fraction_bits + series.period_bits
    plain = reshape(or_zeros(value.share, value.shape, engine), (-1,))
    delta = channel.open(_GATE, plain + channel.draw(size), bits=modulus_bits)
    amplitudes = series.sines * 2.0**series.public_bits
    shift = round(series.shift * 2.0**fraction_bits)

    def combine(
        opened: NDArray[np.int64], pieces: Iterable[NDArray[np.int64]]
    ) -> NDArray[np.int64]:
        public = rounded_waves(opened + shift, modulus_bits, rows, amplitudes=amplitudes)
        sums = []
        for ours, dealt in zip(public, pieces, strict=True):
            # Another processor's sine may round otherwise; with shares, one unit would be noise.
            channel.saw(int(ours.sum()))
            sums.append(np.multiply(ours, dealt, out=ours).sum(0))
        pairs = np.concatenate(sums) if sums else np.empty(0, np.int64)
        return np.asarray(pairs[::2] + pairs[1::2])

    result = channel.with_dealt(_GATE, piece_shapes(size, rows), combine, delta)
    if first:
        result = result + round(series.constant * 2.0**series.fraction_bits)
    return Share(value.shape, reshape(result, value.shape))


def deal_series(
    channel: DealingChannel, series: PeriodicSeries, fraction_bits: int, shape: Shape
) -> None:
    """Deal what ``evaluate_series`` needs: rounded waves of a fresh mask, a quarter turned."""
    channel.step()
    size, rows = math.prod(shape), series.harmonics
    modulus_bits = fraction_bits + series.period_bits
    factor = 1j * 2.0**series.dealt_bits

    def waves(masks: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        return rounded_waves(masks, modulus_bits, rows, factor=factor)

    channel.deal_pieces(_GATE, waves, channel.fresh_mask(size), 2 * rows * size)
