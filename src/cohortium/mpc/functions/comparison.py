"""Comparisons, and functions that are linear piece by piece: four rounds, whatever the pieces.

All cuts are one batch of the comparison gate, as Hong et al. (arXiv 2002.04344) evaluate the pieces
of a sigmoid in parallel; there a three-piece sigmoid takes about eleven rounds of ABY3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cohortium.errors import ParameterError
from cohortium.mpc.combining import weighted_sum
from cohortium.mpc.tensor import PUBLIC_FRACTION_BITS, SecretTensor, check_fits


def compare(
    x: SecretTensor,
    cuts: ArrayLike,
    factor: SecretTensor | None = None,
    *,
    all_bits: bool = False,
) -> tuple[SecretTensor, SecretTensor]:
    """Return [x < c], at 0 fraction bits, and [x < c] · factor, each cuts × x's shape; exact.

    A cut is a number, or an array of x's shape: one for each element. ``factor``, of x's shape, is
    x itself where none is given. As many bits are compared as x's bound and the cuts need; with
    ``all_bits`` 64, whatever is stated. Four rounds, or three where 17 bits hold |x − c|, and one
    less for operands that were prepared. Each computing party sends to each other 8 bytes an
    element that was not prepared, and at most 4.5 bytes an element and cut.
    """
    places = np.atleast_1d(np.asarray(cuts, dtype=np.float64))
    if not len(places) or not np.isfinite(places).all():
        raise ParameterError(
            "A comparison takes one or more finite cuts.", remedy="Correct the cuts."
        )
    if places.ndim > 1 and places.shape[1:] != x.shape:
        raise ParameterError(
            f"Cuts of shape {places.shape[1:]} do not fit a comparison of shape {x.shape}.",
            remedy="Give each cut as one number, or as an array of what is compared.",
        )
    factor = x if factor is None else factor
    if factor.shape != x.shape:
        raise ParameterError(
            f"A comparison of shape {x.shape} can not be times a factor of shape {factor.shape}.",
            remedy="Give the factor the shape of what is compared.",
        )
    # Beyond the bound a cut is as good as at it: x < c everywhere, or nowhere.
    unit = 2.0**-x.fraction_bits
    places = np.clip(places, -x.bound - unit, x.bound + unit)
    largest = x.bound + float(np.abs(places).max()) + unit
    # A tensor's integers are below 2^62, so differences never need more than 64 bits.
    width = 64 if all_bits else math.floor(math.log2(largest) + x.fraction_bits) + 2
    width = min(64, max(2, width))
    bits, products = x.protocol.compare(
        x.value, places, x.fraction_bits, width, factor.value, x.shape
    )
    shape = (len(places), *x.shape)
    return (
        SecretTensor(x.protocol, bits, shape, 0, 1.0),
        SecretTensor(x.protocol, products, shape, factor.fraction_bits, factor.bound),
    )


def less(x: SecretTensor, cut: float) -> SecretTensor:
    """Return 1 where x < cut, else 0, at 0 fraction bits; exact. Four rounds."""
    return compare(x, [cut])[0][0]


def sign(x: SecretTensor) -> SecretTensor:
    """Return −1, 0 or 1, at 0 fraction bits; exact. Four rounds."""
    # x ≤ 0 is x < one unit of the last place.
    bits, _ = compare(x, [0.0, 2.0**-x.fraction_bits])
    return (1 - bits[0] - bits[1]).with_bound(1.0)


def relu(x: SecretTensor) -> SecretTensor:
    """Return max(x, 0) at x's fraction bits; exact. Four rounds."""
    return (x - compare(x, [0.0])[1][0]).with_bound(x.bound)


def maximum(x: SecretTensor, y: SecretTensor) -> SecretTensor:
    """Return the larger of each two elements; exact. Four rounds."""
    return (y + relu(x - y)).with_bound(max(x.bound, y.bound))


def clip(x: SecretTensor, low: float, high: float) -> SecretTensor:
    """Return x where low ≤ x ≤ high, else the nearer of both to x's unit. Four rounds."""
    if not -x.bound <= low <= high <= x.bound:
        raise ParameterError(
            f"Can not clip a tensor of bound {x.bound:g} to between {low:g} and {high:g}.",
            remedy="Give low ≤ high, both within the bound.",
        )
    bits, products = compare(x, [low, high])
    ends = weighted_sum(np.array([low, -high]), [bits[0], bits[1]], x.fraction_bits)
    return (ends + products[1] - products[0] + high).with_bound(max(abs(low), abs(high)))


@dataclass(frozen=True)
class PiecewiseLinear:
    """slopes[k]·x + intercepts[k] between cuts k−1 and k; one more piece than cuts, which rise.

    The function of a stored x is off by at most ``error`` from the one that it is named for.
    """

    name: str
    cuts: tuple[float, ...]
    slopes: tuple[float, ...]
    intercepts: tuple[float, ...]
    error: float

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the function in float64."""
        piece = np.searchsorted(self.cuts, x, "right")
        return np.asarray(np.take(self.slopes, piece) * x + np.take(self.intercepts, piece))

    def largest(self, bound: float) -> float:
        """Return the largest magnitude on |x| ≤ bound."""
        ends = np.clip([-bound, *self.cuts, bound], -bound, bound)
        pieces = zip(self.slopes, self.intercepts, ends[:-1], ends[1:], strict=True)
        return float(max(abs(s * x + i) for s, i, left, right in pieces for x in (left, right)))


def piecewise_linear(
    x: SecretTensor, function: PiecewiseLinear, *, slope_bits: int = PUBLIC_FRACTION_BITS
) -> SecretTensor:
    """Return the function of x, with ``slope_bits`` more fraction bits than x.

    Slopes are rounded to as many bits, so the result is off from the function by at most
    2^-(slope_bits + 1)·(|x| + 1). Four rounds for any number of pieces; bytes as for ``compare``.
    """
    unit = 2.0**slope_bits
    slopes, intercepts = np.rint(np.multiply(function.slopes, unit)) / unit, function.intercepts
    total = x.fraction_bits + slope_bits
    for intercept in intercepts:
        check_fits(f"a piece of {function.name}", total, abs(intercept))
    bound = function.largest(x.bound) + (x.bound + 1) / unit
    check_fits(f"{function.name} of a tensor of bound {x.bound:g}", total, bound)
    bits, products = compare(x, function.cuts)
    # f = last piece + Σ_j [x < c_j]·(piece j − piece j+1), the steps between rounded slopes exact.
    count = len(function.cuts)
    steps = -np.diff(slopes)
    weights, terms = np.append(steps, slopes[-1]), [*(products[j] for j in range(count)), x]
    linear = weighted_sum(weights, terms, slope_bits)
    constant = weighted_sum(-np.diff(intercepts), [bits[j] for j in range(count)], total)
    return (linear + constant + float(intercepts[-1])).with_bound(bound)
