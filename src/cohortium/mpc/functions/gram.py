"""The Gram matrix of rows that several parties own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cohortium.mpc.tensor import SecretTensor, concatenate


def gram(
    blocks: Iterable[Sequence[SecretTensor]], *, fraction_bits: int, exponent: int
) -> SecretTensor:
    """Return 2^exponent · X·Xᵀ at ``fraction_bits``, X given by blocks of its columns.

    A block is a sequence of tensors, rows one below the other: the same numbers of rows in every
    block. Blocks may be made as they are asked for, none is kept: products of all are added as they
    come, and rescaled once. One round, the rescale's. Rows of a tensor against others' are computed
    once and used on both sides of the diagonal, against its own are local work where one party
    owns it; each such product of a block is dealt, 8 bytes an element.
    """
    totals: dict[tuple[int, int], SecretTensor] = {}
    # By map: a loop's variable would keep a block while the next one is made.
    for products in map(_products, blocks):
        totals = {
            place: totals[place] + product if totals else product
            for place, product in products.items()
        }
    # One batch, so that all products share the rescale's round.
    flat = concatenate([total.reshape(-1) for total in totals.values()])
    flat = flat.times_power_of_two(exponent).rescale(fraction_bits)
    start = 0
    for place, total in totals.items():
        rows, columns = total.shape
        totals[place] = flat[start : start + rows * columns].reshape(rows, columns)
        start += rows * columns
    count = 1 + max(j for _, j in totals)
    return concatenate(
        [
            concatenate([totals[i, j] if i <= j else totals[j, i].T for j in range(count)], axis=1)
            for i in range(count)
        ]
    )


def _products(rows: Sequence[SecretTensor]) -> dict[tuple[int, int], SecretTensor]:
    count = len(rows)
    return {(i, j): rows[i] @ rows[j].T for i in range(count) for j in range(i, count)}
