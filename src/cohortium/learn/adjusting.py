"""Covariates without penalty in the dual: solved for jointly, however they are scaled or related.

With Z (n × c) the covariates, the site indicators and the constant, logits are K·u + F·u', where
u' is the combination of residuals that does not decay. F is 2^x·Z·(ZᵀVZ)⁻¹·Zᵀ·V, V the samples'
weights: a projection, so that the covariates' part of the loss is equally curved in all directions,
and its largest curvature is known without knowing the covariates. The inverse is computed once, in
secret, by doubling a power series. Formulas: docs/protocol.md, "Covariates".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cohortium.mpc import Protocol as SecureProtocol
from cohortium.mpc import SecretTensor, concatenate, constant, prepare
from cohortium.ring.fixed import VALUE_BITS

if TYPE_CHECKING:
    from cohortium.learn.parameters import DualParameters

# Of a covariate, |z| ≤ 1.
COVARIATE_BITS = 15
# The power series has 2^12 terms: a direction that holds a thousandth of the covariates' sum of
# squares is inverted to 2 %, a smaller one less, which only makes its weight slower to learn.
_DOUBLINGS = 12
_SERIES_BITS = 24
_SOLVER_BITS = 14
# What covariates add to the curvature, relative to the features: a quarter. More slows the
# features, less the covariates.
_SHARE = 0.25


@dataclass(frozen=True)
class Adjustment:
    """What a training is adjusted for, without penalty.

    ``covariates`` is the number of columns that owners bring, each |z| ≤ 1; ``row_square`` how
    large the sum of a row's squares of them may be (the levels of one covariate count once);
    ``sites`` the number of site indicators: of all owners but the first, or 0.
    """

    covariates: int = 0
    row_square: float = 0.0
    sites: int = 0


@dataclass(frozen=True)
class AdjustmentPlan:
    """The public numbers: of the columns of Z, and of their scales.

    ``row_square`` bounds a row of Z, the constant and the site indicator included; 2^``exponent``
    is F's largest eigenvalue, 2^``spread_exponent`` is above that of ZᵀVZ.
    """

    covariates: int
    sites: int
    row_square: float
    most_weight: float
    spread_exponent: int
    exponent: int

    @property
    def columns(self) -> int:
        """How many columns Z has."""
        return self.covariates + self.sites + 1

    def line(self) -> str:
        """Return the plan in words."""
        return (
            f"{self.columns} columns without penalty: covariates {self.covariates}, sites "
            f"{self.sites}, the intercept; projection times 2^{self.exponent}"
        )

    @property
    def _reach(self) -> float:
        """The norm of the solver (ZᵀVZ·2^-e)⁻¹·Zᵀ·√V is at most this."""
        return math.sqrt(2.0 ** (self.spread_exponent + _DOUBLINGS))

    @property
    def inverse_bound(self) -> float:
        """How large an element of (ZᵀVZ·2^-e)⁻¹·Zᵀ may be."""
        return 2.0**_DOUBLINGS * math.sqrt(self.row_square)

    @property
    def solver_bound(self) -> float:
        """How large an element of the solver may be, weights included."""
        return self._reach * math.sqrt(self.most_weight)

    @property
    def projection_bound(self) -> float:
        """How large an element of Z times the solver may be."""
        return self.solver_bound * math.sqrt(self.row_square)

    def weights_bound(self, samples: int, combined: float) -> float:
        """Return how large the solver times residuals may be, each of them at most ``combined``."""
        return self._reach * math.sqrt(samples * self.most_weight) * combined

    def final_bits(self, samples: int, combined: float, most: int) -> int:
        """Return with how many fraction bits, at most ``most``, that product fits."""
        room = VALUE_BITS - 1 - _SOLVER_BITS
        return min(most, room - math.ceil(math.log2(self.weights_bound(samples, combined))))


def plan_adjustment(
    adjustment: Adjustment, samples: int, trace: float, parameters: DualParameters
) -> AdjustmentPlan:
    """Return the plan; ``trace`` bounds that of the Gram matrix K with the samples' weights."""
    row_square = 1.0 + (adjustment.sites > 0) + adjustment.row_square
    spread = samples * row_square * _mean_weight(parameters)
    return AdjustmentPlan(
        covariates=adjustment.covariates,
        sites=adjustment.sites,
        row_square=row_square,
        most_weight=parameters.most_weight,
        # Weights are rounded, perhaps up.
        spread_exponent=math.ceil(math.log2(1.001 * spread)),
        exponent=round(math.log2(_SHARE * trace)),
    )


def _mean_weight(parameters: DualParameters) -> float:
    """Return how large the samples' weights may be on average; balanced ones are 1 at most."""
    own = parameters.weight_bound if parameters.sample_weights else 1.0
    given = parameters.class_weight
    return own * (max(given) if isinstance(given, tuple) else 1.0)


class Projection(NamedTuple):
    """F (n × n), and what makes weights of residuals (columns × n); both prepared."""

    logits: SecretTensor
    solver: SecretTensor


def project(
    protocol: SecureProtocol,
    covariates: SecretTensor | None,
    weights: SecretTensor | None,
    sizes: Mapping[str, int],
    plan: AdjustmentPlan,
    gram_bits: int,
) -> Projection:
    """Return F at ``gram_bits``; 30 rounds, 34 with sample weights.

    ``covariates`` are all owners' (n × covariates), None if there are none; ``weights`` (n × 1)
    are the samples'. An owner's part of the bytes does not depend on the covariates' values: 8 for
    each element that is opened or rescaled, of which 2n² are F's.
    """
    rows = _columns(protocol, covariates, sizes, plan)
    weighted = rows
    if weights is not None:
        prepare([rows, weights])
        weighted = (rows * weights).rescale(COVARIATE_BITS).with_bound(plan.most_weight)
    spread = rows.T.matmul(weighted, bound=weighted.bound * rows.shape[0])
    spread = spread.times_power_of_two(-plan.spread_exponent).with_bound(1.0)
    inverse = _inverse(spread.rescale(_SERIES_BITS), plan)
    solver = inverse.matmul(rows.T, bound=plan.inverse_bound).rescale(_SOLVER_BITS)
    if weights is not None:
        prepare([solver, weights])
        solver = (solver * weights.T).rescale(_SOLVER_BITS)
    solver = solver.with_bound(plan.solver_bound).prepare()
    logits = rows.matmul(solver, bound=plan.projection_bound)
    logits = logits.times_power_of_two(plan.exponent - plan.spread_exponent)
    return Projection(logits.rescale(gram_bits).prepare(), solver)


def solved(rows: SecretTensor, projection: Projection, plan: AdjustmentPlan) -> SecretTensor:
    """Return the weights that residuals' combinations u' (n × models, prepared) stand for; local.

    columns × models: the covariates', the sites', the intercept last.
    """
    bound = plan.weights_bound(rows.shape[0], rows.bound)
    product = projection.solver.matmul(rows, bound=bound)
    return product.times_power_of_two(plan.exponent - plan.spread_exponent)


def _columns(
    protocol: SecureProtocol,
    covariates: SecretTensor | None,
    sizes: Mapping[str, int],
    plan: AdjustmentPlan,
) -> SecretTensor:
    """Return Z: covariates, site indicators, the constant. Whose a row is, is public."""
    owner = np.repeat(np.arange(len(sizes)), list(sizes.values()))
    sites: NDArray[np.int64] = np.arange(1, plan.sites + 1)
    public = np.column_stack([owner[:, None] == sites, np.ones(len(owner))]).astype(np.float64)
    known = constant(protocol, public, COVARIATE_BITS)
    return known if covariates is None else concatenate([covariates, known], axis=1)


def _inverse(spread: SecretTensor, plan: AdjustmentPlan) -> SecretTensor:
    """Return 1/S of a matrix S whose eigenvalues are from 0 to 1; two rounds a doubling.

    With M = 1 − S it is Π(1 + M^(2^j)), the sum of M's first 2^12 powers: symmetric, and S times it
    is 1 − M^4096, so never above 1. Where S has an eigenvalue of 0 it is large, and harmless.
    """
    count = plan.columns
    rest = (-spread + np.eye(count)).with_bound(1.0)
    inverse = constant(spread.protocol, np.eye(count), _SERIES_BITS)
    for doubling in range(_DOUBLINGS):
        both = concatenate([inverse, rest]).prepare()
        product = both.matmul(both[count:], bound=2.0**doubling).rescale(_SERIES_BITS)
        inverse = (inverse + product[:count]).with_bound(2.0 ** (doubling + 1))
        rest = product[count:].with_bound(1.0)
    return inverse.prepare()
