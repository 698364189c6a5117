"""The Gram matrix of rows that several parties own."""

from __future__ import annotations

from collections.abc import Sequence

from cohortium.mpc.tensor import SecretTensor, concatenate


def gram(blocks: Sequence[SecretTensor], *, fraction_bits: int, exponent: int) -> SecretTensor:
    """Return 2^exponent · X·Xᵀ at ``fraction_bits``, X the blocks' rows one below the other.

    One round: the rescale of the products between different blocks, each computed once and used
    on both sides of the diagonal. A block against itself is local work where one party owns it.
    """
    count = len(blocks)
    products = {
        (i, j): (blocks[i] @ blocks[j].T).times_power_of_two(exponent)
        for i in range(count)
        for j in range(i, count)
    }
    # One batch, so that all blocks share the rescale's round.
    flat = concatenate([product.reshape(-1) for product in products.values()])
    flat = flat.rescale(fraction_bits)
    start = 0
    for place, product in products.items():
        rows, columns = product.shape
        products[place] = flat[start : start + rows * columns].reshape(rows, columns)
        start += rows * columns
    return concatenate(
        [
            concatenate(
                [products[i, j] if i <= j else products[j, i].T for j in range(count)], axis=1
            )
            for i in range(count)
        ]
    )
