"""The plan of a training in the dual: its columns, and how the ring's 62 bits are divided.

Logits are K·v with v a combination of residuals, so their fraction bits are the sum of the Gram
matrix's, the coefficients' and the residuals'. The residuals' follow from the loss, the
coefficients get enough to resolve the smallest one, the Gram matrix the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cohortium.errors import FixedPointOverflowError, ParameterError
from cohortium.learn.adjusting import Adjustment, AdjustmentPlan, plan_adjustment
from cohortium.learn.losses import Loss, logistic_loss, squared_loss
from cohortium.learn.parameters import DualParameters
from cohortium.learn.schedule import Schedule, nesterov
from cohortium.learn.selection_rule import SelectionRule
from cohortium.ring.fixed import VALUE_BITS

# A prepared value takes 16 bits: then products of two cohorts' rows are exact in float64.
_DATA_BITS = 15
_COEFFICIENT_SIGNIFICANT_BITS = 9
_LEAST_GRAM_BITS = 11
_SAMPLE_WEIGHT_BITS = 16
# The intercept is the weight of a constant feature β with κ·β² = 2^-3: an eighth to a quarter of
# what all real features contribute to the Gram matrix's diagonal, so it is learned as fast as they
# are. It is not penalised. With covariates it is one of their columns.
INTERCEPT_EXPONENT = -3
# Values of all owners that are shared at a time, and how many such blocks are kept once shared. All
# parties must have the same.
_BLOCK_ELEMENTS = 1 << 24
_MOST_KEPT = 4
# The logits of every so many iterations are checked against their bound, and the last ones.
CHECK_EVERY = 10
# Balanced weights make the Gram matrix's trace n·features on average over both classes, if the
# rows of one class are as long as those of the other; half as much again is room for a difference.
_BALANCED_ROOM = 1.5


@dataclass(frozen=True)
class DualPlan:
    """All public numbers of a dual training of one shape.

    A column is one λ trained on one part of the samples: first every λ without the first fold,
    then without the second and so on, at last every λ on all samples. ``folds`` are the folds'
    rows, none without cross-validation; ``trained`` is 1 where a row (of all owners, one owner
    after the other) takes part in a column, None where all do. ``most_trace`` is how large the
    weighted Gram matrix's trace may be for the step to be safe. ``block_features`` is how many
    features are shared at a time. ``adjustment`` is None without covariates and site indicators,
    ``selection`` where all features are trained on.
    """

    parameters: DualParameters
    samples: int
    features: int
    clip: float
    data_bits: int
    sample_weight_bits: int
    kappa_exponent: int
    gram_bits: int
    coefficient_bits: int
    final_bits: int
    weight_bits: int
    most_trace: float
    loss: Loss
    schedule: Schedule
    folds: tuple[NDArray[np.int64], ...]
    trained: NDArray[np.float64] | None
    block_features: int
    adjustment: AdjustmentPlan | None = None
    selection: SelectionRule | None = None

    @property
    def blocks(self) -> tuple[slice, ...]:
        """The features of each block in which they are shared; of the last perhaps fewer."""
        starts = range(0, self.features, self.block_features)
        return tuple(
            slice(start, min(start + self.block_features, self.features)) for start in starts
        )

    @property
    def keeps_blocks(self) -> bool:
        """Whether the blocks are few enough to be kept; else they are shared twice."""
        return len(self.blocks) <= _MOST_KEPT

    @property
    def logit_bound(self) -> float:
        """How large a logit may be."""
        return self.parameters.logit_bound

    @property
    def row_product_bound(self) -> float:
        """How large Σ z·z' over the features may be, of any two standardised rows."""
        # By pooled moments Σ z² over the samples is at most n · mean square for each feature.
        pooled = self.parameters.value_bound is not None
        most = self.samples * (self.parameters.mean_square or 1.0) if pooled else self.clip**2
        return most * self.features

    @property
    def kernel_bound(self) -> float:
        """How large an element of the Gram matrix may be, sample weights included."""
        largest = self.row_product_bound * 2.0**-self.kappa_exponent + 2.0**-self.gram_bits
        weight = self.parameters.most_weight + 2.0**-self.sample_weight_bits
        return largest * weight + 2.0**-self.gram_bits

    @property
    def working_logit_bits(self) -> int:
        """Fraction bits of logits while they are worked with."""
        return self.gram_bits + self.coefficient_bits + self.residual_bits

    @property
    def residual_bits(self) -> int:
        """Fraction bits of residuals."""
        return self.loss.fraction_bits

    @property
    def iterations(self) -> int:
        """How many residuals are taken."""
        return self.schedule.iterations

    @property
    def checked(self) -> int:
        """How many iterations' logits are checked against their bound."""
        return 1 + (self.iterations - 1) // CHECK_EVERY

    @property
    def columns(self) -> int:
        """How many models are trained together."""
        return int(self.schedule.final.shape[1])

    @property
    def unpenalised(self) -> int:
        """How many weights are not penalised: the covariates', the sites', the intercept."""
        return 1 if self.adjustment is None else self.adjustment.columns

    @property
    def models(self) -> int:
        """How many of them are trained on all samples: one for each λ."""
        return len(self.parameters.l2)

    def shortened(self, iterations: int) -> DualPlan:
        """Return the same plan, of the first so many iterations: what each costs is unchanged."""
        return replace(self, schedule=self.schedule.first(iterations))

    def lines(self) -> list[str]:
        """Return the plan in words."""
        return [
            f"{self.parameters.kind} regression in the dual, {self.columns} "
            f"column{'s' * (self.columns > 1)} in the same rounds",
            self._data_line(),
            *self._block_lines(),
            f"Gram matrix {self.gram_bits}, scaled by 2^-{self.kappa_exponent}",
            f"coefficients {self.coefficient_bits}, residuals {self.residual_bits}",
            f"logits {self.working_logit_bits}, |z| ≤ {self.logit_bound:g}",
            *([] if self.selection is None else [self.selection.line()]),
            *([] if self.adjustment is None else [self.adjustment.line()]),
            self.loss.description,
            f"weights revealed at {self.weight_bits} fraction bits",
        ]

    def _data_line(self) -> str:
        if self.parameters.value_bound is not None:
            return f"raw data, |x| ≤ {self.parameters.value_bound:g}, standardised in secret"
        return f"data {self.data_bits} fraction bits, |x| ≤ {self.clip:g}"

    def _block_lines(self) -> list[str]:
        if len(self.blocks) == 1:
            return []
        how = "each kept once shared" if self.keeps_blocks else "each shared twice"
        return [f"features in {len(self.blocks)} blocks of {self.block_features:,}, {how}"]


def plan_dual(
    samples: int,
    features: int,
    clip: float,
    parameters: DualParameters,
    assignment: NDArray[np.int64] | None = None,
    adjustment: Adjustment | None = None,
    selection: SelectionRule | None = None,
) -> DualPlan:
    """Return the plan for samples × features values with |x| ≤ clip.

    ``assignment`` is each row's fold, 0 to k − 1, for cross-validation. The step is 1/(L + λ) with
    L = curvature·trace(X·Xᵀ)/n, and trace ≤ n·features·mean square, 1 for standardised features;
    where features are not standardised, it is at most clip². Sample weights multiply it. With
    an ``adjustment`` L has the covariates' largest curvature in place of the intercept's. With a
    ``selection`` only the selected features count.
    Raises FixedPointOverflowError where the shape leaves too few bits for the Gram matrix,
    ParameterError where it is too large for secret pooled moments or for the selection.
    """
    loss = _loss(parameters)
    folds, trained = _columns(samples, parameters, assignment)
    if parameters.value_bound is not None and samples * features > _BLOCK_ELEMENTS:
        raise ParameterError(
            f"{samples} samples × {features} features are too many to be standardised by secret "
            f"pooled moments: {_BLOCK_ELEMENTS:,} values can be.",
            remedy="Reveal the pooled moments (feature_statistics), or train on fewer features.",
        )
    if parameters.value_bound is not None and adjustment is not None:
        raise ParameterError(
            "Covariates and standardisation by secret pooled moments are not there together.",
            remedy="Leave the covariates out, or standardise before.",
        )
    trained_on = features
    if selection is not None:
        selection.check(samples, features, len(folds) + 1, parameters)
        trained_on = selection.top
    kappa_exponent = math.ceil(math.log2(trained_on))
    mean_square = clip**2 if parameters.mean_square is None else parameters.mean_square
    intercept_square = 2.0 ** (kappa_exponent + INTERCEPT_EXPONENT)
    counts = np.full(len(parameters.l2), float(samples)) if trained is None else trained.sum(0)
    factor = _weight_factor(parameters)
    most_trace = factor * trained_on * mean_square * samples * 2.0**-kappa_exponent
    adjusting, trace = None, factor * (trained_on * mean_square + intercept_square)
    if adjustment is not None:
        adjusting = plan_adjustment(adjustment, samples, most_trace, parameters)
        trace = (most_trace + 2.0**adjusting.exponent) * 2.0**kappa_exponent / samples
    smoothness = loss.curvature * trace * samples / counts
    l2 = np.tile(np.asarray(parameters.l2, dtype=np.float64), len(folds) + 1)
    gradient_factor = 2.0**kappa_exponent / counts
    schedule = nesterov(parameters.iterations, smoothness, l2, gradient_factor)
    smallest = float((gradient_factor / (smoothness + l2)).min())
    coefficient_bits = max(0, math.ceil(_COEFFICIENT_SIGNIFICANT_BITS - math.log2(smallest)))
    gram_bits = loss.most_logit_bits - loss.fraction_bits - coefficient_bits
    if gram_bits < _LEAST_GRAM_BITS:
        raise FixedPointOverflowError(
            f"A training of {samples} samples × {features} features leaves {gram_bits} fraction "
            f"bits for the Gram matrix; {_LEAST_GRAM_BITS} are needed.",
            remedy="Allow a larger sigmoid_error, a smaller logit_bound or a smaller l2.",
        )
    data_bits = math.floor(_DATA_BITS - math.log2(clip))
    combined = float(np.abs(schedule.final).sum(0).max()) * loss.residual_bound
    combined *= parameters.most_weight
    # Xᵀu, and the intercept brought to the scale of κ·Xᵀu, must both fit.
    largest = samples * (combined + 1) * max(clip, 2.0 ** (kappa_exponent + INTERCEPT_EXPONENT))
    final_bits = min(
        coefficient_bits + loss.fraction_bits,
        VALUE_BITS - 1 - data_bits - math.ceil(math.log2(largest)),
    )
    return DualPlan(
        parameters=parameters,
        samples=samples,
        features=features,
        clip=clip,
        data_bits=data_bits,
        # So that the intercept's part of a logit has no more bits than the features' part.
        sample_weight_bits=min(_SAMPLE_WEIGHT_BITS, gram_bits + INTERCEPT_EXPONENT),
        kappa_exponent=kappa_exponent,
        gram_bits=gram_bits,
        coefficient_bits=coefficient_bits,
        final_bits=final_bits,
        weight_bits=20 + kappa_exponent // 2,
        most_trace=most_trace,
        loss=loss,
        schedule=schedule,
        folds=folds,
        trained=trained,
        block_features=max(1, _BLOCK_ELEMENTS // samples),
        adjustment=adjusting,
        selection=selection,
    )


def _loss(parameters: DualParameters) -> Loss:
    if parameters.kind == "linear":
        return squared_loss(parameters.logit_bound)
    return logistic_loss(parameters.logit_bound, parameters.sigmoid, parameters.sigmoid_error)


def _weight_factor(parameters: DualParameters) -> float:
    """Return how much sample weights may multiply the Gram matrix's trace."""
    factor = parameters.weight_bound if parameters.sample_weights else 1.0
    if parameters.class_weight == "balanced":
        return factor * _BALANCED_ROOM
    return factor * max(parameters.class_weight or (1.0,))


def _columns(
    samples: int, parameters: DualParameters, assignment: NDArray[np.int64] | None
) -> tuple[tuple[NDArray[np.int64], ...], NDArray[np.float64] | None]:
    if assignment is None:
        return (), None
    count = int(assignment.max()) + 1
    folds = tuple(np.flatnonzero(assignment == fold) for fold in range(count))
    if len(assignment) != samples or count < 2 or not all(len(fold) for fold in folds):
        raise ParameterError(
            f"{samples} samples can not be divided into {count} folds as given.",
            remedy="Give each sample a fold from 0 on, two folds or more, none of them empty.",
        )
    trained = np.ones((samples, (count + 1) * len(parameters.l2)))
    for fold, rows in enumerate(folds):
        trained[rows, fold * len(parameters.l2) : (fold + 1) * len(parameters.l2)] = 0.0
    return folds, trained
