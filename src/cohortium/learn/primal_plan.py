"""The plan of a training in the primal: its scales, its batches and its steps, all public.

A step's data and residuals make its gradient, X_Bᵀe, and the weights are kept at the gradient's
scale, so that the step is one sum with public coefficients and one rescale (docs/protocol.md,
"Primal"). The ring's 62 bits hold weights, coefficients and the bound stated on the weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohortium.errors import FixedPointOverflowError, ParameterError
from cohortium.learn.parameters import PrimalParameters
from cohortium.mpc.functions.activation import sigmoid_series
from cohortium.mpc.periodic import PeriodicSeries
from cohortium.ring.fixed import VALUE_BITS

# As in the dual a prepared value takes 16 bits where there is room for them.
_DATA_BITS = 15
_LEAST_DATA_BITS = 8
_LINEAR_RESIDUAL_BITS = 20
# A single step's coefficient is off by a 512th at most; their sum over the steps is exact.
_COEFFICIENT_SIGNIFICANT_BITS = 8
_LEAST_COEFFICIENT_BITS = 16
_WEIGHT_BITS = 20
# Room for what rounding adds to the bounds.
_ROOM = VALUE_BITS - 0.05


@dataclass(frozen=True)
class PrimalPlan:
    """All public numbers of a training in the primal of one shape.

    Batch b holds the rows from ``cuts[b]`` to ``cuts[b + 1]`` of ``row_order``; step t takes batch
    t mod the number of batches. ``series`` is None for linear regression.
    """

    parameters: PrimalParameters
    samples: int
    features: int
    clip: float
    data_bits: int
    residual_bits: int
    coefficient_bits: int
    weight_bits: int
    series: PeriodicSeries | None
    cuts: NDArray[np.int64]
    rates: NDArray[np.float64]
    decays: NDArray[np.float64]

    @property
    def working_bits(self) -> int:
        """Fraction bits of the weights while they are trained, and of the gradient."""
        return self.data_bits + self.residual_bits

    @property
    def logit_bits(self) -> int:
        """Fraction bits of the logits (linear: of the predictions)."""
        return self.data_bits + self.working_bits

    @property
    def batches(self) -> int:
        """How many batches make an epoch."""
        return len(self.cuts) - 1

    @property
    def label_bound(self) -> float:
        """How large a label may be."""
        return self.parameters.logit_bound if self.series is None else 1.0

    def coefficients(self, step: int) -> NDArray[np.float64]:
        """Return what multiplies the weights, their predecessors and the gradient in a step.

        3 × (features + 1) × 1, the intercept last; 2 × … without momentum, 3 or 2 × 1 × 1 where
        no weight is penalised.
        """
        momentum = self.parameters.momentum
        size = self.features + 1 if self.parameters.l2 else 1
        terms = np.empty((3, size, 1))
        terms[0] = 1.0 + momentum
        terms[0, : self.features] -= self.decays[step]
        terms[1] = -momentum
        terms[2] = -self.rates[step]
        return terms if momentum else terms[::2]

    def lines(self) -> list[str]:
        """Return the plan in words."""
        residual = (
            "residual by a rescale"
            if self.series is None
            else f"sigmoid by {self.series.harmonics} harmonics of period "
            f"2^{self.series.period_bits}, error ≤ {self.series.error:g}"
        )
        return [
            f"data {self.data_bits} fraction bits, |x| ≤ {self.clip:g}",
            f"residuals {self.residual_bits}, coefficients {self.coefficient_bits}",
            f"weights {self.working_bits}, |w| ≤ {self.parameters.weight_bound:g}",
            f"logits {self.logit_bits}, |z| ≤ {self.parameters.logit_bound:g}",
            residual,
            f"{self.batches} batches of {int(np.diff(self.cuts).max())} samples or one fewer",
            f"weights revealed at {self.weight_bits} fraction bits",
        ]


def plan_primal(
    samples: int, features: int, clip: float, parameters: PrimalParameters
) -> PrimalPlan:
    """Return the plan for samples × features values with |x| ≤ clip.

    Raises FixedPointOverflowError where the bounds and the steps leave too few bits for the data,
    ParameterError where a batch would hold more samples than there are.
    """
    batch = samples if parameters.batch is None else int(parameters.batch)
    if batch > samples:
        raise ParameterError(
            f"batch = {batch} is more than the {samples} samples.", remedy="Give a smaller batch."
        )
    series, residual_bits, period_bits = None, _LINEAR_RESIDUAL_BITS, 0
    residual_bound = 2 * parameters.logit_bound
    if parameters.kind == "logistic":
        series = sigmoid_series(parameters.logit_bound, parameters.sigmoid_error)
        residual_bits, period_bits = series.fraction_bits, series.period_bits
        residual_bound = 1.0 + parameters.sigmoid_error
    cuts = np.rint(np.linspace(0, samples, math.ceil(samples / batch) + 1)).astype(np.int64)
    sizes = np.diff(cuts)
    used = np.arange(int(parameters.steps)) % len(sizes)
    # Constant features are 1, so they may be the largest.
    largest = max(clip, 1.0)
    change = parameters.learning_rate * largest * residual_bound
    reached = 1.02 * (parameters.weight_bound * (1 + 2 * parameters.momentum) + change)
    for_coefficients = max(
        _LEAST_COEFFICIENT_BITS,
        math.ceil(
            _COEFFICIENT_SIGNIFICANT_BITS - math.log2(parameters.learning_rate / sizes.max())
        ),
    )
    room = [
        _DATA_BITS - math.log2(largest),
        # The step's sum, the gradient, the logits, and their period.
        _ROOM - math.log2(reached) - residual_bits - for_coefficients,
        _ROOM - math.log2(largest * residual_bound * sizes.max()) - residual_bits,
        (_ROOM - math.log2(residual_bound + parameters.logit_bound) - residual_bits) / 2,
        (64 - period_bits - residual_bits) / 2,
    ]
    data_bits = math.floor(min(room))
    if data_bits < _LEAST_DATA_BITS:
        raise FixedPointOverflowError(
            f"Steps of {int(sizes.max())} samples at a learning rate of "
            f"{parameters.learning_rate:g} leave {data_bits} fraction bits for the data; "
            f"{_LEAST_DATA_BITS} are needed.",
            remedy="Allow a larger sigmoid_error, a smaller batch, a smaller weight_bound or "
            "logit_bound, or a larger learning_rate.",
        )
    coefficient_bits = math.floor(_ROOM - math.log2(reached)) - data_bits - residual_bits
    steps = np.ones(len(used)) * parameters.learning_rate
    return PrimalPlan(
        parameters=parameters,
        samples=samples,
        features=features,
        clip=clip,
        data_bits=data_bits,
        residual_bits=residual_bits,
        coefficient_bits=coefficient_bits,
        weight_bits=min(_WEIGHT_BITS, data_bits + residual_bits),
        series=series,
        cuts=cuts,
        rates=_on_grid(steps / sizes[used], coefficient_bits),
        decays=_on_grid(steps * parameters.l2, coefficient_bits),
    )


def row_order(counts: Sequence[int]) -> NDArray[np.int64]:
    """Return the order of all rows, site after site, in which every stretch mixes the sites.

    A row's place is its place within its own site, as a fraction: any stretch holds of each site
    its share of the rows, to within one. Sites keep the order of their own rows.
    """
    places = np.concatenate([(np.arange(count) + 0.5) / count for count in counts])
    return np.argsort(places, kind="stable")


def _on_grid(values: NDArray[np.float64], bits: int) -> NDArray[np.float64]:
    """Return multiples of 2^−bits whose running sums are off by half a unit at most.

    Rounding each by itself would train at a slightly different learning rate throughout.
    """
    total = np.rint(np.cumsum(values) * 2.0**bits)
    return np.diff(total, prepend=0.0) * 2.0**-bits
