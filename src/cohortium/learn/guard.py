"""Whether statements about secret numbers held: one bit each, and nothing else of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cohortium.errors import BoundError
from cohortium.mpc import SecretTensor, concatenate
from cohortium.mpc.functions import compare, less

BOUNDS = "bounds"


def within(x: SecretTensor, bound: float) -> SecretTensor:
    """Return 1 where −bound ≤ x ≤ bound everywhere, else 0: a scalar at 0 fraction bits.

    The bound that the tensor states is not believed: any ring element is told right. (At the bound
    itself the answer may be 0, where a float can not tell it from the next number.) Seven rounds,
    one less for a prepared tensor, one more for 30,000 elements and above.
    """
    flat = x.reshape(-1).with_bound(bound)
    bits, _ = compare(flat, [-bound, bound + 2.0**-x.fraction_bits], all_bits=True)
    # Of an element outside this is 1, or 2 where x + bound or x − bound wraps around.
    outside = (bits[0] - bits[1]).sum() + flat.shape[0]
    return less(outside.with_bound(2.0 * flat.shape[0]), 0.5)


def check(
    statements: Mapping[str, tuple[SecretTensor, float]], receivers: Sequence[str]
) -> NDArray[np.float64] | None:
    """Reveal, as "bounds", whether each tensor is within its bound; statements are by their words.

    Raises BoundError at the receivers where one is not.
    """

    def all_held(held: NDArray[np.float64]) -> None:
        broken = [what for what, bit in zip(statements, held, strict=True) if not bit]
        if broken:
            raise BoundError(
                f"The training took for granted that {'; that '.join(broken)}. That was not so: "
                "its result would be wrong, and nothing of it was revealed.",
                remedy="State a larger bound in the study, or a larger l2, and train again.",
            )

    bits = [within(tensor, bound).reshape(1) for tensor, bound in statements.values()]
    return concatenate(bits).reveal(BOUNDS, receivers, all_held)
