"""Smooth activation functions by the periodic gate: one round, any accuracy."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from cohortium.errors import FixedPointOverflowError, ParameterError
from cohortium.mpc.clear import logistic
from cohortium.mpc.periodic import PeriodicSeries, odd_series
from cohortium.mpc.tensor import SecretTensor

DEFAULT_ERROR = 2e-3


def sigmoid(x: SecretTensor, *, error: float = DEFAULT_ERROR) -> SecretTensor:
    """Return 1 / (1 + exp(−x)), off by at most ``error`` (1e-6 to 0.5) on |x| ≤ its bound.

    One round; each computing party sends ⌈(f + p) / 8⌉ bytes an element to each other, with
    2^p ≥ 4·bound and f the fraction bits of x. Hong et al. (arXiv 2002.04344) evaluate the
    pieces of a piecewise sigmoid in parallel; here they are the harmonics of a Fourier series.
    """
    return periodic(x, sigmoid_series(x.bound, error))


def tanh(x: SecretTensor, *, error: float = DEFAULT_ERROR) -> SecretTensor:
    """Return tanh(x), off by at most ``error`` (1e-6 to 0.5) on |x| ≤ its bound; one round."""
    return periodic(x, tanh_series(x.bound, error))


@lru_cache(maxsize=64)
def sigmoid_series(bound: float, error: float) -> PeriodicSeries:
    """Return the public series that evaluates the sigmoid on |x| ≤ bound."""
    return odd_series("sigmoid", logistic, constant=0.5, bound=bound, error=error)


@lru_cache(maxsize=64)
def tanh_series(bound: float, error: float) -> PeriodicSeries:
    """Return the public series that evaluates tanh on |x| ≤ bound."""
    return odd_series("tanh", np.tanh, constant=0.0, bound=bound, error=error)


def periodic(x: SecretTensor, series: PeriodicSeries) -> SecretTensor:
    """Return the series' function of x, at the series' own fraction bits; one round."""
    if x.bound > series.bound:
        raise ParameterError(
            f"The series for {series.name} holds on |x| ≤ {series.bound:g}, "
            f"but x may be as large as {x.bound:g}.",
            remedy="Make the series for the larger bound, or state a smaller one.",
        )
    if x.fraction_bits + series.period_bits > 64:
        raise FixedPointOverflowError(
            f"{series.name} of a tensor with {x.fraction_bits} fraction bits and period "
            f"2^{series.period_bits} needs {x.fraction_bits + series.period_bits} of 64 bits.",
            remedy=f"Rescale it to {64 - series.period_bits} fraction bits or fewer first.",
        )
    # Where the bound is less than a unit the period must still be four units.
    x = x.lift(max(0, 2 - x.fraction_bits - series.period_bits))
    value = x.protocol.periodic(x.value, series, x.fraction_bits)
    bound = series.largest + series.error
    return SecretTensor(x.protocol, value, x.shape, series.fraction_bits, bound)
