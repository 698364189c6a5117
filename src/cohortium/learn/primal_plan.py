"""The plan of a training in the primal: its scales, its batches and its steps, all public.

A step's gradient is multiplied by learning rate / batch size. Where that is a power of two it is
free and exact, so the owners scale their data by a public σ that makes it one: with x' = σ·x and
w' = w/σ logits are the same, and w' moves by η/(B·σ²)·X'ᵀe (docs/protocol.md, "Primal").

Without momentum and decay a step only adds to the weights, at a scale that stays the same. Where
the ring has room for that scale, nothing is rounded and the step needs no rescale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cohortium.errors import FixedPointOverflowError, ParameterError
from cohortium.learn.parameters import PrimalParameters
from cohortium.mpc.functions.activation import sigmoid_series
from cohortium.mpc.periodic import PeriodicSeries
from cohortium.ring.fixed import VALUE_BITS

# A value takes so many bits, less its sign, where there is room for them.
_DATA_BITS = 17
_LEAST_DATA_BITS = 8
# Fewer would cost more accuracy than a step's rescale costs time.
_LEAST_DATA_BITS_ADDED = 11
_LINEAR_RESIDUAL_BITS = 20
# A step rounds each weight by a unit: 10,000 steps with momentum 0.9 add up to some 10^-6.
_WORKING_BITS = 28
# Of momentum and decay: λ is off by 2^-23 / learning rate at most.
_COEFFICIENT_BITS = 22
_REVEALED_BITS = 20
# Room for what rounding adds to the bounds.
_ROOM = VALUE_BITS - 0.05


@dataclass(frozen=True)
class PrimalPlan:
    """All public numbers of a training in the primal of one shape.

    Step t takes ``batch`` rows of ``row_order`` from row t · batch on, and starts over where they
    end. ``scale`` is σ, and the gradient is multiplied by 2^−``step_exponent``; ``series`` is None
    for linear regression. ``carried`` multiplies a step's weights and, with momentum, those of the
    step before: 1 or 2 × (features + 1) × 1, the intercept last; None where they stay as they are.
    ``working_bits`` are the weights' fraction bits between steps.
    """

    parameters: PrimalParameters
    samples: int
    features: int
    clip: float
    batch: int
    scale: float
    step_exponent: int
    data_bits: int
    residual_bits: int
    series: PeriodicSeries | None
    carried: NDArray[np.float64] | None
    working_bits: int
    coefficient_bits: int = _COEFFICIENT_BITS
    weight_bits: int = _REVEALED_BITS

    @property
    def logit_bits(self) -> int:
        """Fraction bits of the logits (linear: of the predictions)."""
        return self.data_bits + self.working_bits

    @property
    def data_bound(self) -> float:
        """How large a scaled value may be, the constant feature's included."""
        return self.scale * max(self.clip, 1.0)

    @property
    def constant_feature(self) -> float:
        """The value of the feature that carries the intercept: σ as fixed point holds it."""
        return round(self.scale * 2.0**self.data_bits) * 2.0**-self.data_bits

    @property
    def adds(self) -> bool:
        """Whether a step adds to the weights at their own scale, and needs no rescale."""
        gradient_bits = self.data_bits + self.residual_bits + self.step_exponent
        return self.carried is None and self.working_bits == gradient_bits

    @property
    def rounds(self) -> int:
        """Network rounds of all steps: the first has public weights, the last rescales them."""
        steps = self.parameters.steps
        return 3 * steps if self.adds else 4 * steps - 1

    def shortened(self, steps: int) -> PrimalPlan:
        """Return the same plan, of so many steps."""
        return replace(self, parameters=replace(self.parameters, steps=steps))

    def start(self, step: int) -> int:
        """Return the first row of a step's batch."""
        return step * self.batch % self.samples

    def unscaled(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weights w = σ·w' that belong to the data as they were; intercept last."""
        return np.vstack([self.scale * weights[:-1], self.constant_feature * weights[-1:]])

    def lines(self) -> list[str]:
        """Return the plan in words."""
        residual = (
            "residuals by a rescale"
            if self.series is None
            else f"sigmoid by {self.series.harmonics} harmonics of period "
            f"2^{self.series.period_bits}, error ≤ {self.series.error:g}"
        )
        carried = (
            "added to without a rescale"
            if self.adds
            else f"carried over at {self.coefficient_bits}"
        )
        return [
            f"data {self.data_bits} fraction bits, |x| ≤ {self.clip:g}, scaled by {self.scale:.6g}",
            f"weights {self.working_bits}, |w| ≤ {self.parameters.weight_bound:g}, " + carried,
            f"residuals {self.residual_bits}, gradient times 2^-{self.step_exponent}",
            f"logits {self.logit_bits}, |z| ≤ {self.parameters.logit_bound:g}",
            residual,
            f"batches of {self.batch} of {self.samples} samples",
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
    # ½ < σ² ≤ 1
    step = parameters.learning_rate / batch
    step_exponent = math.floor(-math.log2(step))
    scale = math.sqrt(step * 2.0**step_exponent)
    carried = _carried(features, parameters)
    # What the sum of a step may come to: the weights carried over, and the step.
    data_bound = scale * max(clip, 1.0)
    gradient_bound = data_bound * residual_bound * batch
    kept_bound = (1.0 + 2 * parameters.momentum) * parameters.weight_bound / scale
    reached = kept_bound + gradient_bound * 2.0**-step_exponent
    room = _ROOM - math.log2(reached)
    logit_room = min(_ROOM - math.log2(parameters.logit_bound + residual_bound), 64.0 - period_bits)
    most_data_bits = min(
        _DATA_BITS - math.log2(data_bound),
        room - step_exponent - residual_bits,
        _ROOM - math.log2(gradient_bound) - residual_bits,
    )
    data_bits = math.floor(min(most_data_bits, logit_room - _WORKING_BITS))
    working_bits = _WORKING_BITS
    if carried is None:
        # Logits are data times weights, whose bits are those of data times residuals.
        gradient_room = logit_room - residual_bits - step_exponent
        adding = math.floor(min(most_data_bits, gradient_room / 2))
        if adding >= _LEAST_DATA_BITS_ADDED:
            data_bits, working_bits = adding, adding + residual_bits + step_exponent
    if data_bits < _LEAST_DATA_BITS or room < _WORKING_BITS + _COEFFICIENT_BITS:
        raise FixedPointOverflowError(
            f"Steps of {batch} samples at a learning rate of {parameters.learning_rate:g} and "
            f"weights up to {parameters.weight_bound:g} do not fit: {data_bits} fraction bits are "
            f"left for the data, {room:.0f} for the weights; {_LEAST_DATA_BITS} and "
            f"{_WORKING_BITS + _COEFFICIENT_BITS} are needed.",
            remedy="Allow a larger sigmoid_error, a smaller batch, a smaller weight_bound or "
            "logit_bound, or change the learning_rate.",
        )
    return PrimalPlan(
        parameters=parameters,
        samples=samples,
        features=features,
        clip=clip,
        batch=batch,
        scale=scale,
        step_exponent=step_exponent,
        data_bits=data_bits,
        residual_bits=residual_bits,
        series=series,
        carried=carried,
        working_bits=working_bits,
    )


def _carried(features: int, parameters: PrimalParameters) -> NDArray[np.float64] | None:
    """Return the factors of a step's weights and of those before; the intercept does not decay."""
    momentum = parameters.momentum
    if not momentum and not parameters.l2:
        return None
    factors = np.full((2, features + 1 if parameters.l2 else 1, 1), -momentum)
    factors[0] = 1.0 + momentum
    if parameters.l2:
        factors[0, :-1] -= parameters.learning_rate * parameters.l2
    return factors if momentum else factors[:1]


def row_order(counts: Sequence[int]) -> NDArray[np.int64]:
    """Return an order of all rows, given site after site, in which every stretch mixes the sites.

    A row's place is its place within its own site, as a fraction: of any stretch each site has
    its share, to within one row. Sites keep the order of their own rows.
    """
    places = np.concatenate([(np.arange(count) + 0.5) / count for count in counts])
    return np.argsort(places, kind="stable")
