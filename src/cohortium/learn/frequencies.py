"""Allele frequencies of all sites' samples together, of the genotypes that were observed.

With A alleles among N observed genotypes p = A/(2N). N is secret, as each site's missing genotypes
are. With n samples and x = 1 − N/n the part that is missing,

    p = A/(2n) · 1/(1 − x) = A/(2n) · (1 + x)(1 + x²)(1 + x⁴)…

(Goldschmidt's division), of numbers that never exceed 1: no table, no comparison. Nothing missing
gives A/(2n) as it is; no allele, or no genotype, gives exactly 0. Error: docs/protocol.md, "Pooled
allele frequencies".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cohortium.mpc import (
    InputRequest,
    SecretTensor,
    add_up,
    concatenate,
    secret_inputs,
    weighted_sum,
)
from cohortium.mpc import Protocol as SecureProtocol

FREQUENCY_BITS = 30
# After so many times the samples, as powers of x, nothing is left: exp(−21) < 2^-30.
_TERMS_A_SAMPLE = 21

# Of one site by feature: how many values are missing, and the sum of those that are observed.
AlleleCounts: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]


def allele_frequencies(
    protocol: SecureProtocol,
    sizes: Mapping[str, int],
    features: int,
    owned: Mapping[str, AlleleCounts],
) -> SecretTensor:
    """Return each variant's frequency of the alternative allele: 1 × features, at 30 bits.

    ``sizes`` is the public number of samples of each of P owners, n together; ``owned`` holds the
    counts of the owners at this party. With K = ⌈log2 21n⌉: 2K + 2 rounds; each owner sends 16
    bytes a variant to each (other) computing party, these 32K + 8 to each other. A frequency of N
    observed genotypes is off by at most (P + 2K + 6) · n/N · 2^-30. EncodingError at an owner whose
    counts are more than its samples have.
    """
    total = sum(sizes.values())
    places = math.ceil(math.log2(total))
    # Counts are shared as they are, calls exactly: of parts that are rounded the last bit of the
    # sum would tell how the sites divide it.
    bits = max(1, FREQUENCY_BITS + 1 - places)
    factor_bits = FREQUENCY_BITS + places
    requests = []
    for owner, count in sizes.items():
        parts = None
        if owner in owned:
            missing, alleles = (np.asarray(each, np.float64) for each in owned[owner])
            parts = np.stack([alleles / 2, missing])
        name, shape = f"allele counts of {owner}", (2, features)
        requests.append(InputRequest(name, owner, parts, shape, bits, float(count)))
    counted = add_up(secret_inputs(protocol, requests))
    # Rounded down, so that no part of the samples is more than 1.
    share = math.floor(2**factor_bits / total) * 2.0**-factor_bits
    parts_of_all = weighted_sum(np.array([share]), [counted], factor_bits, bound=1.0)
    parts_of_all = parts_of_all.rescale(FREQUENCY_BITS).with_bound(1.0).prepare()
    frequency, absent = parts_of_all[:1], parts_of_all[1:]
    steps = math.ceil(math.log2(_TERMS_A_SAMPLE * total))
    for _ in range(steps - 1):
        products = [frequency * (absent + 1), absent * absent]
        both = concatenate(products).with_bound(1.0).rescale(FREQUENCY_BITS).prepare()
        frequency, absent = both[:1], both[1:]
    return (frequency * (absent + 1)).with_bound(1.0).rescale(FREQUENCY_BITS)
