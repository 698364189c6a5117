"""Which features pass a study's quality filter, by counts of all sites' samples together.

Each owner shares whole numbers for every feature: missing values, alternative alleles, heterozygous
samples. Their sums are compared on shares with what the study allows; of each feature one bit is
revealed, whether it passes all rules. The rules are those of PLINK's --geno and --maf, exactly, and
of the chi-squared test of Hardy–Weinberg equilibrium. Formulas, rounds and errors:
docs/protocol.md, "Quality filters".
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cohortium.errors import FixedPointOverflowError
from cohortium.mpc import (
    InputRequest,
    SecretTensor,
    add_up,
    concatenate,
    less,
    prepare,
    secret_inputs,
    weighted_sum,
)
from cohortium.mpc import Protocol as SecureProtocol
from cohortium.ring.fixed import VALUE_BITS

KEPT_FEATURES = "kept_features"
# Features that are compared at a time: their dealt bits take about 200 bytes a comparison.
_BLOCK_FEATURES = 1 << 16
# A site's sum of dosages is rounded to 2^-10; one of calls is a whole number.
_DOSAGE_BITS = 10
# Significant bits of the quantile that chi-squared is compared with.
_QUANTILE_BITS = 17
# Of a decimal fraction in the study file.
_LARGEST_DENOMINATOR = 10**6
_KINDS = ("missing", "alleles", "heterozygotes")


@dataclass(frozen=True)
class FilterPlan:
    """What every party knows of a filter before it: sizes, and the rules as numbers.

    ``most_missing`` is a number of samples; ``least_frequency`` an exact fraction; ``quantile`` of
    chi-squared with one degree of freedom, ``quantile_bits`` its fraction bits, and ``dropped`` the
    lowest bits of squares that the ring has no room for.
    """

    samples: int
    features: int
    most_missing: int | None
    least_frequency: Fraction | None
    quantile: float | None
    quantile_bits: int
    dropped: int

    @property
    def counted(self) -> tuple[str, ...]:
        """What the owners count of each feature, in the order of their rows."""
        if self.quantile is not None:
            return _KINDS
        return _KINDS[: 1 if self.least_frequency is None else 2]

    @property
    def blocks(self) -> list[slice]:
        """The features that are compared at a time."""
        return [
            slice(start, min(start + _BLOCK_FEATURES, self.features))
            for start in range(0, self.features, _BLOCK_FEATURES)
        ]


def plan_filter(
    samples: int,
    features: int,
    *,
    max_missing: Fraction | None = None,
    min_maf: Fraction | None = None,
    hwe_p: float | None = None,
) -> FilterPlan:
    """Return the plan of a filter; a feature passes where all rules that are given hold.

    Of n samples N have a value, with a alternative alleles and h heterozygotes: missing values n −
    N ≤ max_missing · n; min(a, 2N − a) ≥ min_maf · 2N; and the p-value of chi-squared is hwe_p or
    above. FixedPointOverflowError where there are more samples than the ring can count so.
    """
    most_missing = None if max_missing is None else math.floor(max_missing * samples)
    quantile, bits, dropped = None, 0, 0
    if min_maf is not None and samples * _LARGEST_DENOMINATOR >= 1 << (VALUE_BITS - 14):
        raise _too_many(samples, "an allele's frequency", "min_maf")
    if hwe_p is not None:
        # Squares of numbers up to n² are computed.
        if samples**4 >= 1 << VALUE_BITS:
            raise _too_many(samples, "Hardy–Weinberg equilibrium", "hwe_p")
        # Half of the smallest float is 0, which has no quantile.
        quantile = NormalDist().inv_cdf(max(hwe_p / 2, sys.float_info.min)) ** 2
        bits = _QUANTILE_BITS - 1 - math.floor(math.log2(quantile))
        most = math.log2(samples**5 + quantile * samples**4) + bits
        dropped = max(0, math.ceil(most) - (VALUE_BITS - 1))
    return FilterPlan(samples, features, most_missing, min_maf, quantile, bits, dropped)


def _too_many(samples: int, what: str, key: str) -> FixedPointOverflowError:
    return FixedPointOverflowError(
        f"A filter by {what} does not fit in {VALUE_BITS} bits for {samples:,} samples.",
        remedy=f"Leave {key} out of the study's [filter], or filter at each site beforehand.",
    )


def kept_features(
    protocol: SecureProtocol,
    plan: FilterPlan,
    sizes: Mapping[str, int],
    owned: Mapping[str, NDArray[np.float64]],
) -> SecretTensor:
    """Return 1 for each feature that passes, else 0: (features,), without fraction bits.

    ``sizes`` is the public number of samples of each owner; ``owned`` holds the counts
    (``plan.counted`` × features) of the owners at this party. EncodingError at an owner where a
    count is more than its samples can have. Rounds for each block of 65,536 features: one to share;
    three to compare (two where 17 bits hold the counts); one less than there are rules to join
    them; and for Hardy–Weinberg equilibrium three more, four where bits are dropped. Each owner
    sends 8 bytes a feature and count to each (other) computing party; bytes of these:
    docs/protocol.md.

    Missing values and frequencies are decided exactly (a site's sum of dosages is rounded to 2^-10,
    calls are exact); equilibrium as by exact arithmetic, unless chi-squared is nearer to its
    quantile q than 2^-17 · q + (N + q) · 2^dropped / (a·(2N − a))².
    """
    blocks = [
        _kept(plan, _totals(protocol, plan, sizes, owned, place, features))
        for place, features in enumerate(plan.blocks)
    ]
    return concatenate(blocks)


def _totals(
    protocol: SecureProtocol,
    plan: FilterPlan,
    sizes: Mapping[str, int],
    owned: Mapping[str, NDArray[np.float64]],
    place: int,
    features: slice,
) -> list[SecretTensor]:
    """Return the counts of a block of features over all owners, a tensor for each kind."""
    shape = (features.stop - features.start,)
    requests = []
    for owner, samples in sizes.items():
        for row, kind in enumerate(plan.counted):
            counts = owned[owner][row, features] if owner in owned else None
            alleles = kind == "alleles"
            bits = _DOSAGE_BITS if alleles and plan.quantile is None else 0
            bound = float(2 * samples if alleles else samples)
            name = f"{kind} of {owner}, block {place}"
            requests.append(InputRequest(name, owner, counts, shape, bits, bound))
    shared, kinds = secret_inputs(protocol, requests), len(plan.counted)
    return [add_up(shared[row::kinds]) for row in range(kinds)]


def _kept(plan: FilterPlan, totals: list[SecretTensor]) -> SecretTensor:
    """Return whether each feature of a block passes."""
    rules = _rules(plan, totals)
    parts = [part for rule in rules for part in rule]
    prepare(parts)
    # The ring's integers are compared with 0, so tensors of different scales count as of one.
    parts = [part.times_power_of_two(part.fraction_bits) for part in parts]
    failed = less(concatenate(parts), 0.0).reshape(len(parts), *totals[0].shape)
    passed, row = [], 0
    for rule in rules:
        # Of one rule at most one part fails.
        held = 1 - failed[row : row + len(rule)].sum(0)
        passed.append(held.with_bound(1.0))
        row += len(rule)
    kept = passed[0]
    for each in passed[1:]:
        kept = kept * each
    return kept


def _rules(plan: FilterPlan, totals: list[SecretTensor]) -> list[list[SecretTensor]]:
    """Return for each rule what must not be below 0; of a rule's parts one at most can be."""
    missing, rules = totals[0], []
    present = (plan.samples - missing).with_bound(plan.samples)
    if plan.most_missing is not None:
        rules.append([plan.most_missing - missing])
    if plan.least_frequency is not None:
        numerator, denominator = plan.least_frequency.as_integer_ratio()
        least = present * (2 * numerator)
        other = (present * 2 - totals[1]).with_bound(2.0 * plan.samples)
        rules.append([totals[1] * denominator - least, other * denominator - least])
    if plan.quantile is not None:
        rules.append([_equilibrium(plan, present, *totals[1:])])
    return rules


def _equilibrium(
    plan: FilterPlan, present: SecretTensor, alleles: SecretTensor, heterozygotes: SecretTensor
) -> SecretTensor:
    """Return q·(aA)² − N·D² with A = 2N − a and D = aA − 2N·h, less the bits that are dropped.

    Chi-squared is N·F², F = D/(aA) the coefficient of inbreeding.
    """
    most, quantile = float(plan.samples), plan.quantile or 0.0
    other = (present * 2 - alleles).with_bound(2 * most)
    # a·A ≤ N², and h ≤ min(a, A), so −N² ≤ D ≤ N² too.
    expected = (alleles * other).with_bound(most**2)
    excess = (expected - present * heterozygotes * 2).with_bound(most**2)
    both = concatenate([expected.reshape(1, -1), excess.reshape(1, -1)]).prepare()
    squares = (both * both).times_power_of_two(-plan.dropped).rescale(0)
    allowed = weighted_sum(np.array([quantile]), [squares[0]], plan.quantile_bits)
    return allowed - squares[1] * present
