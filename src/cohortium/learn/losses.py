"""What logistic and linear regression do not share: how logits become predictions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from cohortium.errors import ParameterError
from cohortium.mpc import SecretTensor
from cohortium.mpc.functions import PIECEWISE_SIGMOIDS, periodic, piecewise_linear
from cohortium.mpc.functions.activation import sigmoid_series
from cohortium.ring.fixed import VALUE_BITS

SIGMOIDS = ("periodic", *PIECEWISE_SIGMOIDS)
# A piecewise sigmoid of logits rounded to 2^-13, with slopes rounded to 2^-12: far finer than the
# sigmoid's own error, and the residuals need no rescale of their own.
_PIECEWISE_LOGIT_BITS = 13
_SLOPE_BITS = 12
_LINEAR_BITS = 20


@dataclass(frozen=True)
class Loss:
    """A loss whose gradient by the logits z is prediction(z) − label.

    ``predict`` takes logits of at most ``most_logit_bits`` fraction bits and |z| ≤ ``bound``, and
    returns predictions at ``fraction_bits``, off by at most ``error``. ``curvature`` is the loss's
    largest second derivative, ``at_zero`` the prediction at z = 0, ``residual_bound`` how large
    prediction − label may be, ``label_bits`` the labels' fraction bits.
    """

    description: str
    bound: float
    curvature: float
    at_zero: float
    residual_bound: float
    fraction_bits: int
    label_bits: int
    label_bound: float
    most_logit_bits: int
    error: float
    predict: Callable[[SecretTensor], SecretTensor]


def logistic_loss(bound: float, sigmoid: str, error: float) -> Loss:
    """Return the log-loss of labels 0 and 1, the sigmoid by the named approximation.

    ``periodic`` takes one round, a piecewise one five, of which one rounds the logits. ``error``
    is the periodic sigmoid's; the others have their own.
    """
    if sigmoid == "periodic":
        series = sigmoid_series(bound, error)
        description = (
            f"sigmoid by {series.harmonics} harmonics of period 2^{series.period_bits}, "
            f"error ≤ {error:g}"
        )
        return Loss(
            description=description,
            bound=bound,
            curvature=0.25,
            at_zero=0.5,
            residual_bound=1.0 + error,
            fraction_bits=series.fraction_bits,
            label_bits=0,
            label_bound=1.0,
            most_logit_bits=min(_fitting(bound), 64 - series.period_bits),
            error=error,
            predict=lambda logits: periodic(logits, series),
        )
    if sigmoid not in PIECEWISE_SIGMOIDS:
        raise ParameterError(
            f"sigmoid = {sigmoid!r} is none of {', '.join(SIGMOIDS)}.", remedy="Correct the value."
        )
    function = PIECEWISE_SIGMOIDS[sigmoid]
    rounding = 2.0**-_PIECEWISE_LOGIT_BITS + 2.0**-_SLOPE_BITS * (bound + 1)
    return Loss(
        description=f"sigmoid {sigmoid} of {len(function.slopes)} pieces, error ≤ "
        f"{function.error:g}",
        bound=bound,
        curvature=max(0.25, *function.slopes),
        at_zero=0.5,
        residual_bound=1.0 + rounding,
        fraction_bits=_PIECEWISE_LOGIT_BITS + _SLOPE_BITS,
        label_bits=0,
        label_bound=1.0,
        most_logit_bits=_fitting(bound),
        error=function.error + rounding,
        predict=lambda logits: piecewise_linear(
            logits.rescale(_PIECEWISE_LOGIT_BITS), function, slope_bits=_SLOPE_BITS
        ),
    )


def squared_loss(bound: float) -> Loss:
    """Return half the squared error; neither a prediction nor a label may exceed ``bound``."""
    return Loss(
        description=f"predictions rounded to 2^-{_LINEAR_BITS}",
        bound=bound,
        curvature=1.0,
        at_zero=0.0,
        residual_bound=2.0 * bound + 2.0**-_LINEAR_BITS,
        fraction_bits=_LINEAR_BITS,
        label_bits=_LINEAR_BITS,
        label_bound=bound,
        most_logit_bits=_fitting(bound),
        error=2.0**-_LINEAR_BITS,
        predict=lambda logits: logits.rescale(_LINEAR_BITS),
    )


def _fitting(bound: float) -> int:
    """Return the fraction bits with which numbers up to the bound just fit the ring."""
    return math.ceil(VALUE_BITS - math.log2(bound)) - 1
