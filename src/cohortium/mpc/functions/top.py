"""The largest of many secret numbers, as bits: without telling which, or how large they are.

The m-th largest number is found digit by digit from the top, in secret: at each digit all numbers
are compared with a few thresholds at once, and those that reach a threshold are counted.
"""

from __future__ import annotations

import math

import numpy as np

from cohortium.errors import ParameterError
from cohortium.mpc.functions.comparison import compare, less
from cohortium.mpc.tensor import SecretTensor, constant

# Three thresholds find two bits in the rounds of one bit. Of more thresholds the comparisons'
# dealt values, 16 bytes and more each, take longer than the rounds that they save.
_DIGIT_BITS = 2


def top(scores: SecretTensor, count: int) -> SecretTensor:
    """Return 1 at the ``count`` largest of each row, else 0: rows × n, at 0 fraction bits.

    ``scores`` are rows × n, of any sign. Exact, on the scores as they are stored; of equal ones
    those that come first are taken, so that each row has exactly ``count``. The scores' bound and
    fraction bits say how many bits b there are, sign included: with n below 2^15 it takes
    7·⌈b/2⌉ + 6 rounds, one more for scores that were not prepared. A computing party sends to each
    other at most 13.5 bytes a score and digit, and 8 bytes a score where it was not prepared.
    ParameterError unless 1 ≤ count ≤ n.
    """
    if len(scores.shape) != 2 or not 1 <= count <= scores.shape[1]:
        raise ParameterError(
            f"The {count} largest of each row can not be told of the shape {scores.shape}.",
            remedy="Give rows × n scores, and a count from 1 to n.",
        )
    rows, n = scores.shape
    unit = 2.0**-scores.fraction_bits
    magnitude = max(0, math.floor(math.log2(scores.bound / unit)) + 1)
    lowest = -(2.0**magnitude) * unit
    threshold = constant(scores.protocol, np.full((rows, 1), lowest), scores.fraction_bits)
    scores.prepare()
    # As stored integers, thresholds are from −2^magnitude to 2^magnitude − 1.
    left = magnitude + 1
    while left:
        digit = min(_DIGIT_BITS, left)
        left -= digit
        steps = np.arange(1, 2**digit) * 2.0**left * unit
        below = compare(scores - threshold, steps)[0].sum(-1).with_bound(n)
        reached = less(below, n - count + 0.5)
        higher = reached.sum(0).reshape(rows, 1).times_power_of_two(left - scores.fraction_bits)
        # A row's threshold is now the largest multiple of the digit's unit that enough reach.
        threshold = (threshold + higher).with_bound(-lowest).prepare()
    below, _ = compare(scores - threshold, [0.0, unit])
    above = 1 - below[1]
    ties = (below[1] - below[0]).with_bound(1.0)
    place = ties.running_sum() + above.sum(-1).reshape(rows, 1)
    chosen = compare(place.with_bound(n), [count + 0.5], ties)[1][0]
    return (above + chosen).with_bound(1.0)
