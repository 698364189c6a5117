"""The scale plan: how the ring's 62 bits are divided among the numbers of a training.

Logits are K·v with v a combination of residuals, so their fraction bits are the sum of the Gram
matrix's, the coefficients' and the residuals'. The residuals' follow from the sigmoid's error, the
coefficients get enough to resolve the smallest one, the Gram matrix the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cohortium.errors import FixedPointOverflowError
from cohortium.learn.parameters import LogisticParameters
from cohortium.learn.schedule import Schedule, nesterov
from cohortium.mpc.functions.activation import sigmoid_series
from cohortium.mpc.periodic import PeriodicSeries
from cohortium.ring.fixed import VALUE_BITS

# A prepared value takes 16 bits: then products of two cohorts' rows are exact in float64.
_DATA_BITS = 15
_COEFFICIENT_SIGNIFICANT_BITS = 9
_LEAST_GRAM_BITS = 11
# The intercept is the weight of a constant feature β with κ·β² = 2^-3: an eighth to a quarter of
# what all real features contribute to the Gram matrix's diagonal, so it is learned as fast as they
# are and hardly penalised.
INTERCEPT_EXPONENT = -3


@dataclass(frozen=True)
class DualPlan:
    """All public numbers of a dual logistic training of one shape."""

    samples: int
    features: int
    clip: float
    logit_bound: float
    data_bits: int
    kappa_exponent: int
    gram_bits: int
    coefficient_bits: int
    final_bits: int
    weight_bits: int
    series: PeriodicSeries
    schedule: Schedule

    @property
    def residual_bits(self) -> int:
        """Fraction bits of residuals and labels."""
        return self.series.fraction_bits

    @property
    def iterations(self) -> int:
        """How many residuals are taken."""
        return len(self.schedule.points)

    @property
    def columns(self) -> int:
        """How many models are trained together."""
        return int(self.schedule.final.shape[1])

    def lines(self) -> list[str]:
        """Return the plan in words."""
        return [
            f"data {self.data_bits} fraction bits, |x| ≤ {self.clip:g}",
            f"Gram matrix {self.gram_bits}, scaled by 2^-{self.kappa_exponent}",
            f"coefficients {self.coefficient_bits}, residuals {self.residual_bits}",
            f"logits {self.gram_bits + self.coefficient_bits + self.residual_bits}, "
            f"|z| ≤ {self.logit_bound:g}",
            f"sigmoid by {self.series.harmonics} harmonics of period 2^{self.series.period_bits}, "
            f"error ≤ {self.series.error:g}",
            f"weights revealed at {self.weight_bits} fraction bits",
        ]


def plan_dual(samples: int, features: int, clip: float, parameters: LogisticParameters) -> DualPlan:
    """Return the plan for samples × features values with |x| ≤ clip.

    The step is 1/(L + λ) with L = trace(X·Xᵀ)/(4n), and trace ≤ n·features for standardised
    features; where features are not standardised, clip² bounds a feature's mean square.
    Raises FixedPointOverflowError where the shape leaves too few bits for the Gram matrix.
    """
    series = sigmoid_series(parameters.logit_bound, parameters.sigmoid_error)
    kappa_exponent = math.ceil(math.log2(features))
    mean_square = 1.0 if parameters.standardised else clip**2
    smoothness = (features * mean_square + 2.0 ** (kappa_exponent + INTERCEPT_EXPONENT)) / 4
    schedule = nesterov(
        parameters.iterations,
        smoothness,
        np.asarray(parameters.l2, dtype=np.float64),
        2.0**kappa_exponent / samples,
    )
    smallest = 2.0**kappa_exponent / samples / (smoothness + max(parameters.l2))
    coefficient_bits = max(0, math.ceil(_COEFFICIENT_SIGNIFICANT_BITS - math.log2(smallest)))
    # |z|·2^f < 2^62 for the product, and f + p ≤ 64 for the periodic gate.
    logit_bits = min(
        math.ceil(VALUE_BITS - math.log2(parameters.logit_bound)) - 1, 64 - series.period_bits
    )
    gram_bits = logit_bits - series.fraction_bits - coefficient_bits
    if gram_bits < _LEAST_GRAM_BITS:
        raise FixedPointOverflowError(
            f"A training of {samples} samples × {features} features leaves {gram_bits} fraction "
            f"bits for the Gram matrix; {_LEAST_GRAM_BITS} are needed.",
            remedy="Allow a larger sigmoid_error, a smaller logit_bound or a smaller l2.",
        )
    data_bits = math.floor(_DATA_BITS - math.log2(clip))
    combined = float(np.abs(schedule.final).sum(0).max()) * (1 + parameters.sigmoid_error)
    # Xᵀu, and the intercept brought to the scale of κ·Xᵀu, must both fit.
    largest = samples * (combined + 1) * max(clip, 2.0 ** (kappa_exponent + INTERCEPT_EXPONENT))
    final_bits = min(
        coefficient_bits + series.fraction_bits,
        VALUE_BITS - 1 - data_bits - math.ceil(math.log2(largest)),
    )
    return DualPlan(
        samples=samples,
        features=features,
        clip=clip,
        logit_bound=parameters.logit_bound,
        data_bits=data_bits,
        kappa_exponent=kappa_exponent,
        gram_bits=gram_bits,
        coefficient_bits=coefficient_bits,
        final_bits=final_bits,
        weight_bits=20 + kappa_exponent // 2,
        series=series,
        schedule=schedule,
    )
