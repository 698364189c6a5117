"""Whether a statement about secret numbers held: one bit, and nothing else of them."""

from __future__ import annotations

from cohortium.mpc import SecretTensor
from cohortium.mpc.functions import compare, less


def within(x: SecretTensor, bound: float) -> SecretTensor:
    """Return 1 where every |x| ≤ bound, else 0: a scalar at 0 fraction bits. Seven rounds.

    The bound that the tensor states is not believed: all 64 bits are compared.
    """
    flat = x.reshape(-1).with_bound(2.0 ** (61 - x.fraction_bits))
    bits, _ = compare(flat, [-bound, bound + 2.0**-x.fraction_bits])
    outside = (bits[0] - bits[1]).sum() + flat.shape[0]
    return less(outside.with_bound(flat.shape[0]), 0.5)
