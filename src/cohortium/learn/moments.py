"""Means and variances of all sites' samples together, of which each site gives its own part.

Σ_p w_p·m_p is the pooled mean of sites with means m_p and shares w_p = n_p/n of the samples. The
pooled variance is what lies within the sites, Σ_p w_p·v_p, and what lies between them,
Σ_{p<q} w_p·w_q·(m_p − m_q)²: a form without cancellation, in which a constant feature has exactly
0. Formulas, rounds and errors: docs/protocol.md, "Pooled means and variances".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cohortium.mpc import InputRequest, SecretTensor, concatenate, secret_inputs
from cohortium.mpc import Protocol as SecureProtocol

FEATURE_STATISTICS = "feature_statistics"
# Means have a unit of bound · 2^-27, variances of bound² · 2^-54 as long as they are secret.
_MEAN_BITS = 27
# Lowest bits that are rounded away before anybody sees them, of a variance and of a mean: they tell
# how the sites divide the sum, since each site's part is rounded.
_ROUNDED_BITS = 10
_ROUNDED_MEAN_BITS = 8

# Mean and variance of each feature over one site's samples.
Moments: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]


def pooled_moments(
    protocol: SecureProtocol,
    sizes: Mapping[str, int],
    features: int,
    owned: Mapping[str, Moments],
    value_bound: float,
) -> SecretTensor:
    """Return pooled means and variances: 2 × features, of values up to ``value_bound``.

    ``sizes`` is the public number of samples of each of P owners; ``owned`` holds the moments of
    the owners at this party. Two rounds: each owner sends 8·(P + 1) bytes a feature to each (other)
    computing party, then these send 16 bytes a feature to each other. A mean is off by at most
    P/2 · bound · 2^-27 + bound · 2^-19, a variance v by at most P · √v · bound · 2^-26 + bound² ·
    2^-44, with the next power of two for the bound. EncodingError at an owner whose moments exceed
    the bound.
    """
    exponent = math.ceil(math.log2(value_bound))
    bits = _MEAN_BITS - exponent
    pairs = list(combinations(sizes, 2))
    total = sum(sizes.values())
    requests = []
    for owner, count in sizes.items():
        mean = variance = scaled = None
        others = [name for name in sizes if name != owner]
        if owner in owned:
            own_mean, own_variance = (np.asarray(each, np.float64) for each in owned[owner])
            mean, variance = own_mean * (count / total), own_variance * (count / total)
            factors = [math.sqrt(count * sizes[name]) / total for name in others]
            scaled = np.multiply.outer(factors, own_mean).reshape(len(others), features)
        for kind, content, shape, places, bound in (
            ("means", mean, (features,), bits, value_bound),
            ("variances", variance, (features,), 2 * bits, value_bound**2),
            ("scaled means", scaled, (len(others), features), bits, value_bound / 2),
        ):
            name = f"{kind} of {owner}"
            requests.append(InputRequest(name, owner, content, shape, places, bound))
    shared = secret_inputs(protocol, requests)
    mean_total, variance_total = shared[0], shared[1]
    for place in range(3, len(shared), 3):
        mean_total = mean_total + shared[place]
        variance_total = variance_total + shared[place + 1]
    if pairs:
        scaled_of = dict(zip(sizes, shared[2::3], strict=True))
        apart = concatenate(
            [
                _towards(scaled_of, sizes, one, other) - _towards(scaled_of, sizes, other, one)
                for one, other in pairs
            ]
        ).prepare()
        between = (apart * apart).sum(0)
        variance_total = variance_total + between
    # Means and variances of numbers up to the bound: no more than it and its square.
    mean_total = mean_total.with_bound(value_bound)
    variance_total = variance_total.with_bound(value_bound**2)
    # Means are brought to the variances' scale, so that one round serves for both.
    lifted = mean_total.lift(_ROUNDED_BITS - _ROUNDED_MEAN_BITS)
    up = lifted.fraction_bits - 2 * bits
    both = concatenate(
        [
            lifted.times_power_of_two(up).reshape(1, features),
            variance_total.reshape(1, features),
        ]
    ).rescale(max(0, 2 * bits - _ROUNDED_BITS))
    means, variances = both[:1].times_power_of_two(-up), both[1:]
    return concatenate([means.with_bound(value_bound), variances.with_bound(value_bound**2)])


def _towards(
    scaled_of: Mapping[str, SecretTensor], sizes: Mapping[str, int], one: str, other: str
) -> SecretTensor:
    """Return √(w_one·w_other) · m_one: 1 × features."""
    place = [name for name in sizes if name != one].index(other)
    return scaled_of[one][place : place + 1]
