"""Smooth functions as Fourier series whose period fits the ring: the periodic gate's public part.

For a function that is odd about a constant, on |x| ≤ B (an even one is shifted first): take f
minus the constant and extend it to period P = 2^p ≥ 4B by reflection, f(P/2 − x) beyond P/4. Only
sines of odd harmonics remain, and they fall off geometrically where f is flat at P/4. Because P is
a power of two, the low F + p bits of a sharing at F fraction bits are a sharing of x mod P: no
comparison and no truncation is needed to evaluate sin and cos of it (docs/protocol.md,
"Periodic gate").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cohortium.errors import ParameterError

_GRID = 1 << 14
_MOST_HARMONICS = 512
# Values of which all harmonics are worked on at once: they stay in the processor's cache. Parties
# must agree on it, for dealt values come in this order.
PIECE = 1024
# Added to a float below 2^51 it rounds to the nearest integer, ties to even.
_TO_INTEGER = 1.5 * 2.0**52
_TO_INTEGER_BITS = np.float64(_TO_INTEGER).view(np.int64)
# The series' own error is the same at every call, so it adds up over a training's iterations;
# rounding is random and averages out. A few more harmonics make the first negligible.
_SERIES_PART = 1 / 50
_ROUNDING_PART = (1 - _SERIES_PART) / 2


Function: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class PeriodicSeries:
    """constant + Σ_k sine[k] · sin(2π·odd_k·(x + shift) / 2^period_bits), odd_k = 1, 3, 5, …

    The gate evaluates it with integer public coefficients of ``public_bits`` and dealt sines and
    cosines of ``dealt_bits``; ``error`` bounds the result's whole error on |x| ≤ bound: the
    series', and both roundings' in the worst case.
    """

    name: str
    constant: float
    sines: NDArray[np.float64]
    period_bits: int
    public_bits: int
    dealt_bits: int
    bound: float
    largest: float
    error: float
    shift: float = 0.0

    @property
    def fraction_bits(self) -> int:
        """Fraction bits of the gate's result."""
        return self.public_bits + self.dealt_bits

    @property
    def harmonics(self) -> int:
        """How many harmonics are evaluated, all in parallel."""
        return len(self.sines)

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the series' value in float64: what the gate computes, less its rounding."""
        shifted = np.asarray(x, dtype=np.float64) + self.shift
        angle = (2 * math.pi / 2.0**self.period_bits) * shifted
        total = np.full(angle.shape, self.constant)
        for index, sine in enumerate(self.sines):
            total += sine * np.sin((2 * index + 1) * angle)
        return total


def odd_series(
    name: str, function: Function, *, constant: float, bound: float, error: float
) -> PeriodicSeries:
    """Return the series for a function that is odd about ``constant``, on |x| ≤ bound.

    A fiftieth of the error asked for goes to the series itself, the rest in halves to the
    rounding of the public coefficients and of the dealt values. Raises ParameterError where
    ``error`` can not be reached.
    """
    return _series(name, function, bound, error, lambda _period: (constant, 0.0))


def even_series(name: str, function: Function, *, bound: float, error: float) -> PeriodicSeries:
    """Return the series for an even function on |x| ≤ bound; errors as for ``odd_series``.

    Shifted by P/4 it is one of odd harmonics too, about f(P/4). No kink arises there where f is
    linear towards P/4.
    """
    return _series(
        name,
        function,
        bound,
        error,
        lambda period: (float(function(np.array([period / 4]))[0]), period / 4),
    )


def _series(
    name: str,
    function: Function,
    bound: float,
    error: float,
    centre: Callable[[float], tuple[float, float]],
) -> PeriodicSeries:
    """Return the series about the centre (constant, shift) that a period asks for."""
    if not (bound > 0 and 1e-6 <= error < 0.5):
        raise ParameterError(
            f"{name}: an error of {error:g} on |x| ≤ {bound:g} is outside what the gate offers.",
            remedy="Ask for an error from 1e-6 to 0.5, and a bound above 0.",
        )
    shortest = math.ceil(math.log2(4 * bound))
    best: tuple[int, NDArray[np.float64]] | None = None
    # At P/4 the reflection has a kink, unless f is flat there; then a longer period takes fewer
    # harmonics. The first one tried is never far off, so the others are given up early.
    for period_bits in (shortest + 1, shortest, shortest + 2, shortest + 3):
        most = _MOST_HARMONICS if best is None else len(best[1]) - (period_bits > best[0])
        about = centre(2.0**period_bits)
        found = _fewest_sines(function, about, period_bits, bound, error * _SERIES_PART, most)
        if found is not None:
            best = period_bits, found
    if best is None:
        raise ParameterError(
            f"{name}: an error of {error:g} on |x| ≤ {bound:g} needs more than "
            f"{_MOST_HARMONICS} harmonics.",
            remedy="Ask for a larger error or a smaller bound.",
        )
    period_bits, kept = best
    constant, shift = centre(2.0**period_bits)
    count = len(kept)
    # Worst case of Σ_k: a harmonic has two public coefficients, off by half a unit each, times
    # |cos|, |sin|: together at most √2/2 of a unit; and two dealt values times its amplitude.
    rounding = error * _ROUNDING_PART / math.sqrt(0.5)
    public_bits = math.ceil(math.log2(count / rounding))
    dealt_bits = math.ceil(math.log2(float(np.abs(kept).sum()) / rounding))
    # A product of two roundings is tiny, but the error stated is a promise.
    while _rounding(kept, public_bits, dealt_bits) > error * (1 - _SERIES_PART):
        dealt_bits += 1
    return PeriodicSeries(
        name=name,
        constant=constant,
        sines=kept,
        period_bits=period_bits,
        public_bits=public_bits,
        dealt_bits=dealt_bits,
        bound=bound,
        largest=float(np.abs(function(_grid(bound))).max()),
        error=error,
        shift=shift,
    )


def _rounding(sines: NDArray[np.float64], public_bits: int, dealt_bits: int) -> float:
    """Return what all roundings of the gate can come to."""
    public, dealt = len(sines) * 2.0**-public_bits, float(np.abs(sines).sum()) * 2.0**-dealt_bits
    return math.sqrt(0.5) * (public + dealt) + 0.5 * public * 2.0**-dealt_bits


def _fewest_sines(
    function: Function,
    centre: tuple[float, float],
    period_bits: int,
    bound: float,
    error: float,
    most: int,
) -> NDArray[np.float64] | None:
    """Return the first coefficients that reach the error, None if that takes more than ``most``."""
    constant, shift = centre
    sines = _coefficients(function, constant, shift, 2.0**period_bits)
    grid = _grid(bound)
    missing = function(grid) - constant
    angle = (2 * math.pi / 2.0**period_bits) * (grid + shift)
    for count in range(1, most + 1):
        last, following = sines[count - 1 : count + 1]
        wave = np.sin((2 * count - 1) * angle)
        missing -= last * wave
        # Where the coefficients left out are geometric, of ratio q, the last one kept can take up
        # most of their sum: last / (1 − q²) makes the error 1 + q times smaller, the least there is
        # (Chebyshev's approximation of 1/(x − a)). Two harmonics fewer for the sigmoid.
        ratio = following / last if abs(following) < abs(last) else 0.0
        extra = last * ratio**2 / (1 - ratio**2)
        for change in (0.0, extra):
            if float(np.abs(missing - change * wave).max()) <= error:
                return np.append(sines[: count - 1], last + change)
    return None


def _grid(bound: float) -> NDArray[np.float64]:
    # Eight points for each wave of the highest harmonic that is ever tried.
    return np.linspace(-bound, bound, _GRID // 4 + 1)


def _coefficients(
    function: Function, constant: float, shift: float, period: float
) -> NDArray[np.float64]:
    """Return the reflected extension's sine coefficients, one more than may be used."""
    y = np.arange(_GRID) * (period / _GRID)
    distance = np.minimum(y, period - y)
    if shift:
        half = function(distance - shift) - constant
    else:
        half = function(np.minimum(distance, period / 2 - distance)) - constant
    spectrum = np.fft.rfft(np.where(y > period / 2, -half, half))
    return np.asarray(-2.0 * spectrum.imag[1 : 2 * _MOST_HARMONICS + 2 : 2] / _GRID)


def rounded_waves(
    values: NDArray[np.int64],
    modulus_bits: int,
    harmonics: int,
    *,
    factor: complex = 1,
    amplitudes: NDArray[np.float64] | None = None,
) -> Iterator[NDArray[np.int64]]:
    """Yield amplitude_j · factor · exp(i·(2j + 1)·θ) rounded to integers, piece by piece.

    θ = 2π·(value mod 2^modulus_bits) / 2^modulus_bits. Each piece is a fresh array, harmonics ×
    2·(the next at most PIECE values); real and imaginary parts alternate. With a factor of i on
    one side, the sum over a piece's products of one party's waves at δ and the other's at r is
    Σ amplitude·sin((2j + 1)(θ_δ − θ_r)).

    The harmonics come by doubling: the second half is the first times a power of the wave, several
    times faster than a cosine of each multiple. Always computed by NumPy, on either engine: all
    parties' rounding must agree to the last bit.
    """
    low = values if modulus_bits == 64 else values & ((1 << modulus_bits) - 1)
    angle = low.view(np.uint64) * (2 * math.pi / 2.0**modulus_bits)
    for start in range(0, values.size, PIECE):
        piece = angle[start : start + PIECE]
        waves = np.empty((harmonics, piece.size), np.complex128)
        np.cos(piece, out=waves[0].real)
        np.sin(piece, out=waves[0].imag)
        step = waves[0] * waves[0]
        waves[0] *= factor
        done = 1
        while done < harmonics:
            more = min(done, harmonics - done)
            np.multiply(waves[:more], step, out=waves[done : done + more])
            step *= step
            done += more
        parts = waves.view(np.float64)
        if amplitudes is not None:
            parts *= amplitudes[:, None]
        # What np.rint and a conversion give, at a third of their cost: in [2^52, 2^53) the floats
        # are the integers, and so are their bits but for a constant.
        parts += _TO_INTEGER
        rounded = parts.view(np.int64)
        rounded -= _TO_INTEGER_BITS
        yield rounded


def piece_shapes(size: int, harmonics: int) -> list[tuple[int, int]]:
    """Return the shapes of the pieces of ``rounded_waves`` for ``size`` values."""
    return [(harmonics, 2 * min(PIECE, size - start)) for start in range(0, size, PIECE)]
