"""Whether statements about secret numbers held: one bit each, and nothing else of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cohortium.errors import BoundError
from cohortium.mpc import SecretTensor, concatenate, prepare
from cohortium.mpc.functions import compare, less

BOUNDS = "bounds"
_REMEDY = "State a larger bound in the study, or a larger l2, and train again."


def between(x: SecretTensor, low: float, high: float) -> tuple[SecretTensor, float]:
    """Return the statement low ≤ x ≤ high in the form that ``check`` takes; local."""
    return x - (low + high) / 2, (high - low) / 2


def within(x: SecretTensor, bound: float) -> SecretTensor:
    """Return 1 where −bound ≤ x ≤ bound everywhere, else 0: a scalar; as ``all_within``."""
    return all_within([(x, bound)]).reshape()


def all_within(statements: Sequence[tuple[SecretTensor, float]]) -> SecretTensor:
    """Return for each tensor 1 where −bound ≤ x ≤ bound everywhere, else 0, at 0 fraction bits.

    The bound that a tensor states is not believed: any ring element is told right. (At the bound
    itself the answer may be 0, where a float can not tell it from the next number.) Seven rounds
    whatever the number of statements, one less for prepared tensors, one more for one of 30,000
    elements and above.
    """
    # The ring's integers are compared, so tensors of different scales are taken for ones of one.
    bits = max(tensor.fraction_bits for tensor, _ in statements)
    prepare([tensor for tensor, _ in statements])
    parts = [
        tensor.reshape(-1).with_bound(bound).times_power_of_two(tensor.fraction_bits - bits)
        for tensor, bound in statements
    ]
    sizes = [part.shape[0] for part in parts]
    cuts = np.array([[-part.bound, part.bound + 2.0**-bits] for part in parts]).T
    # One number for all elements takes less memory than one for each.
    places = cuts[:, 0] if len(parts) == 1 else np.repeat(cuts, sizes, axis=1)
    below, _ = compare(concatenate(parts), places, all_bits=True)
    # Of an element outside this is 1, or 2 where x + bound or x − bound wraps around.
    outside = below[0] - below[1]
    ends = np.cumsum([0, *sizes])
    counts = [
        (outside[end - size : end].sum() + size).reshape(1)
        for size, end in zip(sizes, ends[1:], strict=True)
    ]
    return less(concatenate(counts).with_bound(2.0 * max(sizes)), 0.5)


def check(
    statements: Mapping[str, tuple[SecretTensor, float]],
    receivers: Sequence[str],
    remedies: Mapping[str, str] | None = None,
) -> NDArray[np.float64] | None:
    """Reveal, as "bounds", whether each tensor is within its bound; statements are by their words.

    Rounds as ``all_within``, and the reveal's. Raises BoundError at the receivers where one is
    not, with what is to be done about it if ``remedies`` has it by the same words.
    """

    def all_held(held: NDArray[np.float64]) -> None:
        broken = [what for what, bit in zip(statements, held, strict=True) if not bit]
        if broken:
            advice = dict.fromkeys((remedies or {}).get(what, _REMEDY) for what in broken)
            raise BoundError(
                f"The training took for granted that {'; that '.join(broken)}. That was not so: "
                "its result would be wrong, and nothing of it was revealed.",
                remedy=" ".join(advice),
            )

    return all_within(list(statements.values())).reveal(BOUNDS, receivers, all_held)
