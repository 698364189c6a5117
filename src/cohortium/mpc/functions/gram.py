"""The Gram matrix of rows that several parties own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cohortium.mpc.combining import concatenate
from cohortium.mpc.tensor import SecretTensor


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
    return symmetric(totals, fraction_bits=fraction_bits, exponent=exponent)


def symmetric(
    totals: Mapping[tuple[int, int], SecretTensor], *, fraction_bits: int, exponent: int
) -> SecretTensor:
    """Return 2^exponent · a symmetric matrix, of its blocks on and above the diagonal; one round.

    ``totals`` are the blocks by row and column; all are rescaled to ``fraction_bits`` together.
    """
    places = list(totals)
    # One batch, so that all products share the rescale's round.
    flat = concatenate([total.reshape(-1) for total in totals.values()])
    flat = flat.times_power_of_two(exponent).rescale(fraction_bits)
    start, scaled = 0, {}
    for place in places:
        rows, columns = totals[place].shape
        scaled[place] = flat[start : start + rows * columns].reshape(rows, columns)
        start += rows * columns
    count = 1 + max(j for _, j in places)
    return concatenate(
        [
            concatenate([scaled[i, j] if i <= j else scaled[j, i].T for j in range(count)], axis=1)
            for i in range(count)
        ]
    )


def _products(rows: Sequence[SecretTensor]) -> dict[tuple[int, int], SecretTensor]:
    count = len(rows)
    return {(i, j): rows[i] @ rows[j].T for i in range(count) for j in range(i, count)}
