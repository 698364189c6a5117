"""Standardisation by the mean and deviation of all sites' samples together, which stay secret.

Sites share raw values. With the pooled mean m and c = 1/variance secret, K = κ·(X−m)·diag(c)·(X−m)ᵀ
is the Gram matrix of standardised rows, and the weights for raw values are c∘(X−m)ᵀu·κ: no square
root, and whoever receives the model needs no mean or deviation to apply it. Formulas, rounds and
errors: docs/protocol.md, "Pooled standardisation".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cohortium.learn.dual import Cohort, WeightedCohort
from cohortium.learn.dual_plan import DualPlan
from cohortium.mpc import InputRequest, SecretTensor, concatenate, prepare, secret_inputs
from cohortium.mpc import Protocol as SecureProtocol
from cohortium.mpc.functions import less, reciprocal

# A feature of a smaller deviation counts as (nearly) constant.
LEAST_DEVIATION = 2.0**-8
# 28 significant bits are worked with; of both factors of a product together at most 60.
_OPERAND_BITS = 28


class PooledRows(NamedTuple):
    """Each owner's centred rows, the same divided by the variances, labels, and the means.

    ``mean`` is 1 × features.
    """

    centred: Sequence[SecretTensor]
    scaled: Sequence[SecretTensor]
    labels: SecretTensor
    mean: SecretTensor


def pooled_rows(
    protocol: SecureProtocol,
    plan: DualPlan,
    sizes: Mapping[str, int],
    owned: Mapping[str, Cohort | WeightedCohort],
    value_bound: float,
) -> PooledRows:
    """Return all owners' rows x − m and (x − m)/v, by secret pooled means and variances.

    Values are raw, without missing ones, at most ``value_bound``; EncodingError at an owner where
    one exceeds it. Features whose deviation is below 2^-8 are divided by 1 + v, so that they hardly
    count. 23 rounds: each owner sends 8·(n_p + 3) bytes a feature; a computing party 16 bytes a
    value of all sites, and for the variances a number of bytes a feature that does not depend on n.
    """
    bits = _OPERAND_BITS - math.ceil(math.log2(2 * value_bound))
    total = sum(sizes.values())
    requests = []
    for owner, count in sizes.items():
        values = labels = moments = None
        if owner in owned:
            values = np.asarray(owned[owner][0], np.float64)
            # As fixed point holds them, so that moments and values are of the same numbers.
            values = np.rint(values * 2.0**bits) * 2.0**-bits
            labels = np.asarray(owned[owner][1], np.float64).reshape(-1, 1)
            own = values.mean(axis=0)
            moments = np.stack([own, own * (count / total)])
        spread = None if values is None else values.var(axis=0)[None] * (count / total)
        features, square = plan.features, value_bound**2
        loss = plan.loss
        for kind, content, shape, places, bound in (
            ("values", values, (count, features), bits, value_bound),
            ("labels", labels, (count, 1), loss.label_bits, loss.label_bound),
            ("means", moments, (2, features), bits, value_bound),
            ("variances", spread, (1, features), 2 * bits, square),
        ):
            name = f"{kind} of {owner}"
            requests.append(InputRequest(name, owner, content, shape, places, bound))
    shared = secret_inputs(protocol, requests)
    values_of, labels_of, means, spreads = (shared[kind::4] for kind in range(4))
    mean = _sum([each[1:] for each in means]).with_bound(value_bound)
    between = concatenate([each[:1] - mean for each in means]).prepare()
    squares = between * between
    squares = squares.with_bound(4 * value_bound**2).rescale(2 * bits - 16)
    parts = [
        squares[place : place + 1] * (count / total) for place, count in enumerate(sizes.values())
    ]
    variance = _sum([*spreads, *parts]).rescale(2 * bits).with_bound(value_bound**2)
    least = LEAST_DEVIATION**2
    variance = variance + less(variance, least)
    inverse = reciprocal(variance.with_bound(value_bound**2 + 1), least, value_bound**2 + 1)
    # A value is at most √n deviations from the mean, so (x − m)/v at most √n / deviation.
    most = math.sqrt(total) / LEAST_DEVIATION
    room = 61 - bits - math.ceil(math.log2(most))
    inverse = inverse.rescale(min(inverse.fraction_bits, _OPERAND_BITS, room))
    prepare([mean, inverse])
    centred = [(each - mean).with_bound(2 * value_bound) for each in values_of]
    # Only the product has to fit the ring, and its bound is less than that of its factors together.
    narrow = inverse.with_bound(most / (2 * value_bound))
    products = [(each * narrow).reshape(-1) for each in centred]
    kept = _OPERAND_BITS - math.ceil(math.log2(most)) + 2
    flat = concatenate(products).with_bound(most).rescale(kept).prepare()
    scaled, start = [], 0
    for each in centred:
        size = math.prod(each.shape)
        scaled.append(flat[start : start + size].reshape(*each.shape))
        start += size
    return PooledRows(centred, scaled, concatenate(labels_of), mean)


def pooled_gram(rows: PooledRows, plan: DualPlan) -> SecretTensor:
    """Return κ·Z·Zᵀ of the standardised rows Z at ``plan.gram_bits``; one round."""
    left, right = concatenate(rows.scaled), concatenate(rows.centred)
    # An element is Σ z·z' over the features: by Cauchy-Schwarz at most features · n.
    product = left.matmul(right.T, bound=float(plan.samples * plan.features))
    return product.times_power_of_two(-plan.kappa_exponent).rescale(plan.gram_bits)


def raw_weights(
    rows: PooledRows, dual: SecretTensor, intercept: SecretTensor, plan: DualPlan
) -> SecretTensor:
    """Return the weights for raw values, intercept last: (features + 1) × columns; six rounds."""
    left = concatenate(rows.scaled)
    room = 61 - left.bits - math.ceil(math.log2(plan.samples * dual.bound))
    dual = dual.rescale(min(dual.fraction_bits, room)).prepare()
    weights = (left.T @ dual).times_power_of_two(-plan.kappa_exponent).rescale(plan.weight_bits)
    shift = rows.mean.matmul(weights.rescale(20), bound=2.0**8)
    return concatenate([weights, intercept.rescale(20) - shift.rescale(20)])


def _sum(tensors: Sequence[SecretTensor]) -> SecretTensor:
    total = tensors[0]
    for tensor in tensors[1:]:
        total = total + tensor
    return total
