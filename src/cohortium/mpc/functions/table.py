"""Functions of secret numbers by public tables, exact on small integers; and what follows from it.

The table gate looks up public entries at a secret place in one round. A reciprocal or an inverse
square root of any size takes its first guess from a table, and Newton's steps after.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cohortium.errors import ParameterError
from cohortium.mpc.combining import prepare, weighted_sum
from cohortium.mpc.functions.comparison import compare
from cohortium.mpc.tensor import SecretTensor, check_fits, constant

# A table costs 8 bytes an entry and element of dealt values.
MOST_PLACES = 1 << 12
_GUESS_BITS = 11
_MANTISSA_BITS = 28
_RESULT_BITS = 22
# Of quotients, of which there may be many, a smaller table: its 64 places take half a kilobyte.
_QUOTIENT_STEPS, _QUOTIENT_BITS = 62, 24


def table(x: SecretTensor, entries: NDArray[np.float64], fraction_bits: int) -> SecretTensor:
    """Return entries[t, x] at ``fraction_bits``, tables × x's shape, for secret integers x ≥ 0.

    Exact, for x below the entries' number (at most 4,096); a larger x is another place's entry.
    One round of one or two bytes an element, whatever the number of tables.
    """
    entries = np.atleast_2d(np.asarray(entries, dtype=np.float64))
    count = entries.shape[1]
    if x.fraction_bits != 0 or not 1 <= count <= MOST_PLACES:
        raise ParameterError(
            f"A table of {count} entries can not be looked up at {x.fraction_bits} fraction bits.",
            remedy=f"Look up integers, in at most {MOST_PLACES} entries.",
        )
    places = max(2, 1 << (count - 1).bit_length())
    padded = np.pad(entries, ((0, 0), (0, places - count)), mode="edge")
    bound = float(np.abs(entries).max())
    check_fits("a table's entry", fraction_bits, bound)
    value = x.protocol.table(x.value, padded, fraction_bits, x.shape)
    return SecretTensor(x.protocol, value, (len(entries), *x.shape), fraction_bits, bound)


def reciprocal(x: SecretTensor, low: float, high: float) -> SecretTensor:
    """Return 1/x for low ≤ x ≤ high (0 < low), off by less than 2^-20 of it; 13 rounds.

    The result has enough fraction bits for that at 1/high. Where x is outside of the range the
    result means nothing. Newton's iteration y ← y·(2 − x·y) from a table of the leading bits.
    """
    return _power(x, low, high, -1.0, lambda product: 2 - product, squared=False)


def quotient(numerator: SecretTensor, x: SecretTensor, low: float, high: float) -> SecretTensor:
    """Return numerator / x for low ≤ x ≤ high (0 < low) and |numerator| ≤ x, at 24 fraction bits.

    Off by less than 2^-21, and by numerator and x being rounded to their own units; 19 rounds. Both
    are divided by the power of two below x first, so that nothing is lost where x is small. Where
    they are not as stated the result means nothing.
    """
    mantissa, scale = _normalised(x, low, high, -1.0)
    prepare([mantissa, scale, numerator])
    # The product is at most 2, as x is below twice that power.
    part = (numerator * scale.with_bound(2.0 / numerator.bound)).with_bound(2.0)
    # Rounded up or down, so one step less than places.
    places = ((mantissa - 1.0) * float(_QUOTIENT_STEPS)).rescale(0)
    guesses = 1 / (1 + np.arange(_QUOTIENT_STEPS + 2) / _QUOTIENT_STEPS)
    inverse = table(places, guesses, _MANTISSA_BITS)[0]
    # A guess is off by less than 2^-5.9, and each step squares that.
    for _ in range(2):
        product = (mantissa * inverse).rescale(_MANTISSA_BITS)
        inverse = (inverse * (2 - product)).rescale(_MANTISSA_BITS).with_bound(1.0)
    return (part.rescale(_MANTISSA_BITS) * inverse).rescale(_QUOTIENT_BITS)


def inverse_square_root(x: SecretTensor, low: float, high: float) -> SecretTensor:
    """Return 1/√x for low ≤ x ≤ high (0 < low), off by less than 2^-19 of it; 15 rounds.

    As ``reciprocal``, by Newton's iteration y ← y·(3 − x·y²)/2.
    """
    return _power(
        x, low, high, -0.5, lambda product: (3 - product).times_power_of_two(-1), squared=True
    )


def _power(
    x: SecretTensor,
    low: float,
    high: float,
    power: float,
    correction: Callable[[SecretTensor], SecretTensor],
    *,
    squared: bool,
) -> SecretTensor:
    mantissa, scale = _normalised(x, low, high, power)
    places = (mantissa - 1.0).rescale(_GUESS_BITS).times_power_of_two(_GUESS_BITS)
    count = 1 << _GUESS_BITS
    guesses = (1 + np.arange(count + 1) / count) ** power
    guess = table(places, guesses, _MANTISSA_BITS)[0]
    other = (guess * guess).rescale(_MANTISSA_BITS) if squared else guess
    product = (mantissa * other).rescale(_MANTISSA_BITS)
    better = (guess * correction(product)).rescale(_MANTISSA_BITS).with_bound(1.0)
    return (better * scale).rescale(scale.fraction_bits + _RESULT_BITS)


def _normalised(
    x: SecretTensor, low: float, high: float, power: float
) -> tuple[SecretTensor, SecretTensor]:
    """Return m = x / 2^e in [1, 2] and 2^(e·power), e the exponent of x's octave."""
    if not 0 < low <= high:
        raise ParameterError(
            f"A power on the range {low:g} to {high:g} is not defined.",
            remedy="Give 0 < low ≤ high.",
        )
    exponents = np.arange(math.floor(math.log2(low)), math.ceil(math.log2(high)))
    exponents = exponents if len(exponents) else np.array([math.floor(math.log2(low))])
    last = int(exponents[-1])
    scales = 2.0 ** (exponents * power)
    # Powers of two are exact; their square roots are not.
    scale_bits = max(0, math.ceil(-last * power)) + (0 if power == -1 else _RESULT_BITS + 2)
    if len(exponents) == 1:
        scale = constant(x.protocol, np.full(x.shape, scales[0]), scale_bits)
        return x.times_power_of_two(-last).rescale(_MANTISSA_BITS).with_bound(2.0), scale
    # With b_j = [x < 2^e_j], m·2^e_last = x + Σ_j b_j·x·2^(e_last − e_j).
    bits, products = compare(x, 2.0 ** exponents[1:])
    total = x
    for index, exponent in enumerate(exponents[1:]):
        part, up = products[index].with_bound(2.0**exponent), last - int(exponent)
        total = total + part.times_power_of_two(up).lift(up)
    mantissa = total.with_bound(2.0 ** (last + 1)).times_power_of_two(-last)
    steps = [bits[index] for index in range(len(exponents) - 1)]
    scale = weighted_sum(-np.diff(scales), steps, scale_bits) + float(scales[-1])
    return mantissa.rescale(_MANTISSA_BITS), scale.with_bound(float(scales[0]))
