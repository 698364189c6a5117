"""Activation functions: smooth ones in one round at any accuracy, piecewise ones in four."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from cohortium.errors import FixedPointOverflowError, ParameterError
from cohortium.mpc.clear import log_cosh, logistic, normal_distribution
from cohortium.mpc.functions.comparison import PiecewiseLinear, piecewise_linear
from cohortium.mpc.periodic import PeriodicSeries, even_series, odd_series
from cohortium.mpc.tensor import SecretTensor

DEFAULT_ERROR = 2e-3


# The sigmoids of the field that are linear piece by piece, each with its largest error.
PIECEWISE_SIGMOIDS = {
    function.name: function
    for function in (
        PiecewiseLinear(
            "hong5",
            cuts=(-5.0, -2.5, 2.5, 5.0),
            slopes=(0.0, 0.02776, 0.17, 0.02776, 0.0),
            intercepts=(1e-4, 0.145, 0.5, 0.85498, 1 - 1e-4),
            error=0.066,
        ),
        PiecewiseLinear(
            "hong3",
            cuts=(-2.5, 2.5),
            slopes=(0.0, 0.17, 0.0),
            intercepts=(1e-4, 0.5, 1 - 1e-4),
            error=0.077,
        ),
        PiecewiseLinear(
            "tfe5",
            cuts=(-4.0, -1.5, 1.5, 4.0),
            slopes=(0.0, 0.066, 0.212, 0.066, 0.0),
            intercepts=(1e-4, 0.281, 0.5, 0.719, 1 - 1e-4),
            error=0.041,
        ),
        PiecewiseLinear(
            "mohassel3",
            cuts=(-0.5, 0.5),
            slopes=(0.0, 1.0, 0.0),
            intercepts=(0.0, 0.5, 1.0),
            error=0.378,
        ),
    )
}


def sigmoid(
    x: SecretTensor, *, kind: str = "periodic", error: float = DEFAULT_ERROR
) -> SecretTensor:
    """Return 1 / (1 + exp(−x)) on |x| ≤ its bound, by the named approximation.

    ``periodic``: off by at most ``error`` (1e-6 to 0.5), one round; each computing party sends
    ⌈(f + p) / 8⌉ bytes an element to each other, with 2^p ≥ 4·bound and f the fraction bits of x.
    Piece by piece, in four rounds: ``hong5`` (off by 0.066 at most) and ``hong3`` (0.077), by Hong
    et al. (arXiv 2002.04344), whose idea is to evaluate all pieces in parallel; ``tfe5`` (0.041),
    TF Encrypted's; ``mohassel3`` (0.378), SecureML's.
    """
    if kind == "periodic":
        return periodic(x, sigmoid_series(x.bound, error))
    if kind not in PIECEWISE_SIGMOIDS:
        raise ParameterError(
            f"There is no sigmoid {kind!r}.",
            remedy=f"Choose periodic, {', '.join(PIECEWISE_SIGMOIDS)}.",
        )
    return piecewise_linear(x, PIECEWISE_SIGMOIDS[kind])


def tanh(x: SecretTensor, *, error: float = DEFAULT_ERROR) -> SecretTensor:
    """Return tanh(x), off by at most ``error`` (1e-6 to 0.5) on |x| ≤ its bound; one round."""
    return periodic(x, tanh_series(x.bound, error))


def probit(x: SecretTensor, *, error: float = DEFAULT_ERROR) -> SecretTensor:
    """Return Φ(x), the normal distribution's share below x, off by at most ``error``; one round."""
    return periodic(x, probit_series(x.bound, error))


def softplus(x: SecretTensor, *, error: float = DEFAULT_ERROR) -> SecretTensor:
    """Return ln(1 + exp(x)), off by at most ``error`` (1e-6 to 0.5) on |x| ≤ its bound; one round.

    It is x/2 + ln(2·cosh(x/2)), of which the second term is even and has a periodic series.
    """
    even = periodic(x, log_cosh_series(x.bound, error))
    return even + x.times_power_of_two(-1)


@lru_cache(maxsize=64)
def sigmoid_series(bound: float, error: float) -> PeriodicSeries:
    """Return the public series that evaluates the sigmoid on |x| ≤ bound."""
    return odd_series("sigmoid", logistic, constant=0.5, bound=bound, error=error)


@lru_cache(maxsize=64)
def tanh_series(bound: float, error: float) -> PeriodicSeries:
    """Return the public series that evaluates tanh on |x| ≤ bound."""
    return odd_series("tanh", np.tanh, constant=0.0, bound=bound, error=error)


@lru_cache(maxsize=64)
def probit_series(bound: float, error: float) -> PeriodicSeries:
    """Return the public series that evaluates the normal distribution function on |x| ≤ bound."""
    return odd_series("probit", normal_distribution, constant=0.5, bound=bound, error=error)


@lru_cache(maxsize=64)
def log_cosh_series(bound: float, error: float) -> PeriodicSeries:
    """Return the public series that evaluates ln(2·cosh(x/2)) on |x| ≤ bound."""
    return even_series("log cosh", log_cosh, bound=bound, error=error)


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
