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

from cohortium.learn.blocks import Block
from cohortium.learn.dual import AdjustedCohort, Cohort, WeightedCohort, block_weights
from cohortium.learn.dual_plan import DualPlan
from cohortium.mpc import InputRequest, SecretTensor, add_up, concatenate, prepare, secret_inputs
from cohortium.mpc import Protocol as SecureProtocol
from cohortium.mpc.functions import less, reciprocal, symmetric

# A feature whose deviation is a smaller part of the bound (as a power of two) counts as constant.
_LEAST_DEVIATION = -14
# The same of allele counts, as it is: of two million samples one allele is more, and what rounding
# leaves of a monomorphic variant's 2p(1 − p), 2^-27 an owner, is less.
_LEAST_COUNT_DEVIATION = -11
# 28 significant bits are worked with; of both factors of a product together at most 60.
_OPERAND_BITS = 28
_INTERCEPT_BITS = 20
# How many times the bound on values Σ w·m may be; the ring holds eight times as much.
SHIFT = 2.0**12


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
    owned: Mapping[str, Cohort | WeightedCohort | AdjustedCohort],
    value_bound: float,
) -> PooledRows:
    """Return all owners' rows x − m and (x − m)/v, by secret pooled means and variances.

    Values are raw, without missing ones, at most ``value_bound``; EncodingError at an owner where
    one exceeds it. A feature whose deviation is below 2^-14 of the bound (as a power of two) counts
    as constant: its (x − m)/v is exactly 0. 24 rounds: each owner sends 8·(n_p + 3) bytes a feature
    to each (other) computing party; these send each other 16 bytes a value of all sites' samples,
    and for the variances a number of bytes a feature that does not depend on the samples.
    The variance of allele counts is m·(1 − m/2), of frequency m/2: a round and 16 bytes less;
    one with a deviation below 2^-11 counts as constant.
    """
    counts = plan.parameters.allele_counts
    exponent = math.ceil(math.log2(value_bound))
    bits = _OPERAND_BITS - 1 - exponent
    total, features, loss = sum(sizes.values()), plan.features, plan.loss
    requests, kinds = [], 0
    for owner, count in sizes.items():
        values = labels = own = weighted = spread = None
        if owner in owned:
            values = np.asarray(owned[owner][0], np.float64)
            # As fixed point holds them, so that moments and values are of the same numbers.
            values = np.rint(values * 2.0**bits) * 2.0**-bits
            labels = np.asarray(owned[owner][1], np.float64).reshape(-1, 1)
            own = values.mean(axis=0)[None]
            weighted, spread = own * (count / total), values.var(axis=0)[None] * (count / total)
        parts = [
            ("values", values, (count, features), bits, value_bound),
            ("labels", labels, (count, 1), loss.label_bits, loss.label_bound),
            ("weighted means", weighted, (1, features), bits, value_bound),
        ]
        if not counts:
            parts += [
                ("means", own, (1, features), bits, value_bound),
                ("variances", spread, (1, features), 2 * bits, value_bound**2),
            ]
        kinds = len(parts)
        for kind, content, shape, places, bound in parts:
            name = f"{kind} of {owner}"
            requests.append(InputRequest(name, owner, content, shape, places, bound))
    shared = secret_inputs(protocol, requests)
    values_of, labels_of, weighted_means, *moments = (shared[kind::kinds] for kind in range(kinds))
    mean = add_up(weighted_means).with_bound(value_bound)
    if counts:
        # 2p(1 − p) of the mean 2p.
        variance = (mean * (2 - mean)).times_power_of_two(-1)
        least, most_variance = 2.0**_LEAST_COUNT_DEVIATION, 0.5
    else:
        means, spreads = moments
        weights = [count / total for count in sizes.values()]
        variance = _variance(mean, means, spreads, weights, bits)
        least, most_variance = 2.0 ** (exponent + _LEAST_DEVIATION), value_bound**2
    variance = variance.with_bound(most_variance)
    flat = less(variance, least**2)
    # So that all are in the reciprocal's range.
    variance = variance + flat.times_power_of_two(2 * round(math.log2(least)))
    most_variance += least**2
    inverse = reciprocal(variance.with_bound(most_variance), least**2, most_variance)
    # A value is at most √n deviations from the mean, so (x − m)/v at most √n / deviation. Of allele
    # counts twice the variance bounds what is squared.
    most = math.sqrt(total * (plan.parameters.mean_square or 1.0)) / least
    room = 61 - bits - math.ceil(math.log2(most))
    inverse = inverse.rescale(min(inverse.fraction_bits, _OPERAND_BITS, room))
    varies = 1 - flat
    prepare([mean, inverse, varies])
    inverse = (inverse * varies).with_bound(inverse.bound).prepare()
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


def _variance(
    mean: SecretTensor,
    means: Sequence[SecretTensor],
    spreads: Sequence[SecretTensor],
    parts: Sequence[float],
    bits: int,
) -> SecretTensor:
    """Return what lies within the owners, ``spreads``, and between them; one round."""
    bound = mean.bound
    between = concatenate([each - mean for each in means]).prepare()
    squares = (between * between).with_bound(4 * bound**2).rescale(2 * bits - 16)
    apart = [squares[place : place + 1] * part for place, part in enumerate(parts)]
    return add_up([*spreads, *apart]).rescale(2 * bits)


def pooled_gram(rows: PooledRows, plan: DualPlan) -> SecretTensor:
    """Return κ·Z·Zᵀ of the standardised rows Z at ``plan.gram_bits``; one round."""
    count = len(rows.scaled)
    products = {
        (i, j): rows.scaled[i].matmul(rows.centred[j].T, bound=plan.row_product_bound)
        for i in range(count)
        for j in range(i, count)
    }
    return symmetric(products, fraction_bits=plan.gram_bits, exponent=-plan.kappa_exponent)


def raw_weights(
    rows: PooledRows, dual: SecretTensor, intercept: SecretTensor, plan: DualPlan
) -> tuple[SecretTensor, dict[str, tuple[SecretTensor, float]]]:
    """Return the weights for raw values, intercept last, and what they take for granted.

    (features + 1) × columns at the plan's weight bits; seven rounds. The statement is that the
    means move no intercept by more than ``SHIFT`` · value_bound, which the ring holds with room.
    """
    room = 61 - rows.scaled[0].bits - math.ceil(math.log2(plan.samples * dual.bound))
    dual = dual.rescale(min(dual.fraction_bits, room)).prepare()
    weights = block_weights(dual, Block(slice(0, plan.features), rows.scaled))
    weights = weights.times_power_of_two(-plan.kappa_exponent).rescale(plan.weight_bits)
    most = SHIFT * rows.mean.bound
    shift = rows.mean.matmul(weights.rescale(_INTERCEPT_BITS), bound=most)
    statement = f"the pooled means move no intercept by more than {most:g}"
    moved = intercept.rescale(_INTERCEPT_BITS) - shift.rescale(_INTERCEPT_BITS)
    return concatenate([weights, moved]), {statement: (shift, most)}
