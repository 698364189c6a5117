"""Scores of features, from sums that each owner makes of its own samples: variance or Welch's t.

A score is of the samples that train: there is one for all samples and, in a cross-validation, one
without each fold. Each owner's sums are about its own means, so there is hardly any cancellation,
however far from 0 the values lie; what lies between the owners' means is added in secret. Formulas,
rounds and errors: docs/protocol.md, "Selecting features".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cohortium.learn.guard import between
from cohortium.learn.selection_rule import VARIANCE, ClassSums, SelectionRule
from cohortium.mpc import (
    InputRequest,
    SecretTensor,
    add_up,
    concatenate,
    prepare,
    secret_inputs,
    weighted_sum,
)
from cohortium.mpc import Protocol as SecureProtocol
from cohortium.mpc.functions import compare, quotient, table

if TYPE_CHECKING:
    from cohortium.learn.dual_plan import DualPlan

# Means and sums have a unit of bound · 2^-29, squares of bound² · 2^-58.
_BITS = 29
# What is left of squares where they meet public factors, or such as are looked up; and of the two
# numbers whose quotient is Welch's score.
_SQUARE_BITS, _FACTOR_BITS = 36, 22
_WELCH_BITS, _TABLE_BITS, _RATIO_BITS = 42, 18, 54
# Scores of variance have a unit of bound² · 2^-31.
_VARIANCE_BITS = 31
# A feature counts as constant below this part of the bound (as a power of two).
_LEAST_DEVIATION = -14
_FEW = "each class has two samples or more, also without any one fold (for welch-t)"
REMEDIES = {
    _FEW: "Take fewer folds, more samples of the rarer class, or select by = 'variance'.",
}


class _Totals(NamedTuple):
    """Of all owners, by part and class: counts, and means of deviations and of their squares.

    Parts are the samples without each fold, then all; deviations are from the first owner's means,
    and all is divided by 2^``exponent``, the power of two that all samples do not exceed.
    """

    counts: SecretTensor
    sums: SecretTensor
    squares: SecretTensor
    exponent: int


def feature_scores(
    protocol: SecureProtocol,
    plan: DualPlan,
    rule: SelectionRule,
    sizes: Mapping[str, int],
    owned: Mapping[str, ClassSums],
) -> tuple[SecretTensor, dict[str, tuple[SecretTensor, float]]]:
    """Return scores to rank by (parts × features), and what they take for granted.

    Parts are as many as folds and one more, of all samples. "variance" is that of the part (n in
    the denominator) times n/2^h, 2^h the power of two that all samples do not exceed; 7 rounds.
    "welch-t" is t²/(t² + n), n the part's samples, and 0 for a feature that hardly varies; 34
    rounds. Both are shifted to lie about 0. Each owner sends 8 bytes to each (other) computing
    party for each of its means, sums, squares and counts. EncodingError at an owner whose values
    exceed the rule's bound.
    """
    totals = _totals(protocol, plan, rule, sizes, owned)
    if rule.by == VARIANCE:
        return _variance(totals, plan, rule), {}
    return _welch(totals, plan, rule)


def part_sizes(plan: DualPlan) -> NDArray[np.float64]:
    """Return the number of samples of each part."""
    return np.array([plan.samples - len(fold) for fold in plan.folds] + [plan.samples], float)


def _totals(
    protocol: SecureProtocol,
    plan: DualPlan,
    rule: SelectionRule,
    sizes: Mapping[str, int],
    owned: Mapping[str, ClassSums],
) -> _Totals:
    """Return all owners' sums together; four rounds, of a single one that computes one."""
    bound, bits = rule.value_bound, _BITS - _power(rule)
    exponent = math.ceil(math.log2(plan.samples))
    shared = secret_inputs(protocol, _requests(plan, rule, sizes, owned, exponent))
    parts = [_Part(*shared[start : start + 4]) for start in range(0, len(shared), 4)]
    counts = [_by_part(each.counts, plan) for each in parts]
    sums = [_by_part(each.sums, plan) for each in parts]
    squares = [_by_part(each.squares, plan) for each in parts]
    if len(parts) > 1:
        # How far each other owner's means are from the first one's: masked, as the means are.
        apart = concatenate(
            [(each.means - parts[0].means).reshape(1, plan.features) for each in parts[1:]]
        )
        square_bits = max(0, 2 * bits - exponent)
        apart_squared = (apart * apart).rescale(square_bits).prepare()
        for place, count in enumerate(counts[1:]):
            share = count.times_power_of_two(-exponent)
            between_means = apart[place : place + 1].reshape(1, 1, plan.features)
            squared = apart_squared[place : place + 1].reshape(1, 1, plan.features)
            twice = (sums[place + 1] * between_means).times_power_of_two(1)
            sums.append(share * between_means)
            squares += [twice, share * squared]
    sums_total = add_up(sums).with_bound(2 * bound).rescale(bits)
    return _Totals(add_up(counts), sums_total, add_up(squares).with_bound(4 * bound**2), exponent)


class _Part(NamedTuple):
    """What one owner has shared."""

    means: SecretTensor
    counts: SecretTensor
    sums: SecretTensor
    squares: SecretTensor


def _requests(
    plan: DualPlan,
    rule: SelectionRule,
    sizes: Mapping[str, int],
    owned: Mapping[str, ClassSums],
    exponent: int,
) -> list[InputRequest]:
    """Return each owner's four inputs, its sums divided by 2^exponent."""
    bound, bits, features = rule.value_bound, _BITS - _power(rule), plan.features
    groups = (max(1, len(plan.folds)), rule.classes)
    requests = []
    for owner, count in sizes.items():
        share = count * 2.0**-exponent
        own: list[NDArray[np.float64] | None] = [None] * 4
        if owner in owned:
            means, counts, sums, squares = owned[owner]
            unit = 2.0**-exponent
            own = [means, counts.reshape(*groups, 1), sums * unit, squares * unit]
        for kind, values, shape, places, most in (
            ("means", own[0], (features,), bits, bound),
            ("counts", own[1], (*groups, 1), 0, float(count)),
            # A little more than can be: the owner's float64 rounds.
            ("sums", own[2], (*groups, features), bits, 1.01 * bound * share),
            ("squares", own[3], (*groups, features), 2 * bits, 1.01 * bound**2 * share),
        ):
            name = f"{kind} of {owner} to select by"
            requests.append(InputRequest(name, owner, values, shape, places, most))
    return requests


def _by_part(by_fold: SecretTensor, plan: DualPlan) -> SecretTensor:
    """Return sums over all folds but each, and over all, of sums by fold; local."""
    bound, folds = by_fold.bound, by_fold.shape[0]
    # Whatever folds are taken together, their sums are no larger than the owner's bound.
    whole = by_fold.with_bound(bound / folds).sum(0).with_bound(bound)
    whole = whole.reshape(1, *by_fold.shape[1:])
    if not plan.folds:
        return whole
    return concatenate([(whole - by_fold).with_bound(bound), whole])


def _variance(totals: _Totals, plan: DualPlan, rule: SelectionRule) -> SecretTensor:
    """Return Q − S²·2^h/n of each part, shifted; four rounds."""
    power, bound = _power(rule), rule.value_bound**2
    squared = totals.sums.prepare() * totals.sums
    both = concatenate([totals.squares, squared], axis=1).rescale(_SQUARE_BITS - 2 * power)
    # By Cauchy-Schwarz a part's S²·2^h/n is no more than Q.
    factor = (2.0**totals.exponent / part_sizes(plan)).reshape(1, -1, 1)
    correction = weighted_sum(factor, [both[:, 1]], _FACTOR_BITS, bound=4 * bound)
    scores = (both[:, 0] - correction).with_bound(bound)
    # The variance is from 0 to the bound's square: about its middle a bit less is enough.
    middle = scores.rescale(max(0, _VARIANCE_BITS - 2 * power)) - bound / 2
    return middle.with_bound(bound / 2 + 2.0 ** (2 * power - _VARIANCE_BITS + 8))


def _welch(
    totals: _Totals, plan: DualPlan, rule: SelectionRule
) -> tuple[SecretTensor, dict[str, tuple[SecretTensor, float]]]:
    """Return t²/(t² + n) of each part, shifted, and that no class is too small."""
    power, bound = _power(rule), rule.value_bound
    inverse, weights, balance = _of_counts(totals, plan)
    prepare([totals.sums, inverse])
    # Means of deviations, by class.
    means = (totals.sums * inverse.with_bound(1.0)).with_bound(2 * bound)
    means = means.rescale(totals.sums.fraction_bits).prepare()
    apart = means[:, 1:] - means[:, :1]
    within = (totals.squares - means * totals.sums).with_bound(bound**2)
    apart = apart.with_bound(2 * bound)
    both = concatenate([within, apart * apart], axis=1).rescale(_WELCH_BITS - 2 * power)
    prepare([both, weights, balance])
    # n₁/(n₀ − 1) and n₀/(n₁ − 1) times the sums of squares within the classes 0 and 1: together no
    # more than twice the bound's square. And n₀n₁ times the squared difference of the means.
    spread = (both[:, :2].with_bound(bound**2) * weights.with_bound(1.0)).sum(1)
    apart_squared = (both[:, 2] * balance.with_bound(0.25)).with_bound(bound**2)
    ratio = concatenate(
        [each.reshape(1, *each.shape) for each in (apart_squared, apart_squared + spread)]
    ).rescale(_RATIO_BITS - 2 * power)
    numerator, denominator = ratio[0].with_bound(bound**2), ratio[1]
    least = 4.0 ** (power + _LEAST_DEVIATION)
    flat, of_flat = compare(denominator, [least], numerator)
    numerator = (numerator - of_flat[0]).with_bound(bound**2)
    denominator = denominator + flat[0].times_power_of_two(2 * (power + _LEAST_DEVIATION))
    most = 3 * bound**2 + least
    share = quotient(numerator, denominator.with_bound(most), least, most)
    counts = totals.counts.reshape(-1)
    return (share - 0.5).with_bound(0.5 + 2.0**-10), {_FEW: between(counts, 2, plan.samples)}


def _of_counts(totals: _Totals, plan: DualPlan) -> tuple[SecretTensor, SecretTensor, SecretTensor]:
    """Return what follows from each part's counts of the classes, at 18 fraction bits; one round.

    2^h/n₀ and 2^h/n₁ (parts × 2 × 1); n₁/(n₀ − 1) and n₀/(n₁ − 1) (parts × 2 × 1); n₀n₁/(n·2^h)
    (parts × 1). Where a class has fewer than two samples they mean nothing.
    """
    sizes, unit = part_sizes(plan).reshape(-1, 1), 2.0**totals.exponent
    positive = np.tile(np.arange(plan.samples + 1.0), (len(sizes), 1))
    negative = sizes - positive
    entries = np.stack(
        [
            unit / np.maximum(negative, 2),
            unit / np.maximum(positive, 2),
            np.maximum(positive, 0) / np.maximum(negative - 1, 1),
            np.maximum(negative, 0) / np.maximum(positive - 1, 1),
            np.maximum(positive * negative, 0) / (sizes * unit),
        ]
    )
    kinds, parts, places = entries.shape
    found = table(totals.counts[:, 1].reshape(-1), entries.reshape(-1, places), _TABLE_BITS)
    # Every part's tables were looked up at every part's count.
    own = np.arange(kinds * parts) * parts + np.tile(np.arange(parts), kinds)
    found = found.reshape(-1)[own].reshape(kinds, parts, 1)
    return (
        concatenate([found[0], found[1]], axis=1).reshape(parts, 2, 1),
        concatenate([found[2], found[3]], axis=1).reshape(parts, 2, 1),
        found[4],
    )


def _power(rule: SelectionRule) -> int:
    """Return the exponent of the power of two that the bound does not exceed."""
    return math.ceil(math.log2(rule.value_bound))
