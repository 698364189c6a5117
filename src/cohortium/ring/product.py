"""Matrix products mod 2^64, exact, by the fastest kernel at hand.

NumPy has no fast integer matrix product, but float64 products of integers are exact while every
sum stays below 2^53. So each operand is cut into limbs of 21 or 22 bits, the limb products run
through BLAS over blocks of the inner dimension short enough to stay exact, and the results are
put together with shifts. An operand known to be small needs fewer limbs; two small ones need a
single float64 product. Tensors go through TensorFlow's own int64 kernel.

Measured by benchmarks/ring_product.py.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cohortium.ring.arrays import RingArray, is_tensor, tensorflow

# Where the limbs of an operand start: 22 bits, 21 bits, and the rest with the sign.
_STARTS = (0, 22, 43)
_WIDTHS = (22, 21, 21)
# Over 512 inner elements the sums of all limb products of one weight stay below 2^53: the largest
# are (2^22 − 1)^2 at weight 0 and twice (2^22 − 1)(2^21 − 1) at weight 22.
_BLOCK = 512
# Multiply-adds above which limbs beat NumPy's plain integer loop.
_PLAIN_LIMIT = 1 << 21
# A product with few columns is bound by reading the operand once; cutting it costs more.
_PLAIN_COLUMNS = 8
# Elements of a matrix from which on einsum takes a vector faster than matmul, by half.
_EINSUM_LIMIT = 1 << 13


def matmul(a: RingArray, b: RingArray, *, a_bits: int = 64, b_bits: int = 64) -> RingArray:
    """Return a @ b mod 2^64 for two matrices of the same engine (m × k, k × n).

    ``a_bits`` and ``b_bits`` promise that every element, read as signed, is below 2^(bits − 1)
    in magnitude; a promise makes it faster and, if broken, the result wrong: callers pass only
    what a checked encoding guarantees.
    """
    if is_tensor(a):
        return tensorflow().matmul(a, b)
    if b.shape[1] == 1:
        return _plain(a, b)
    columns = min(a.shape[0], b.shape[1])
    work = a.shape[0] * a.shape[1] * b.shape[1]
    inner = a.shape[1]
    if inner and a_bits + b_bits - 2 + np.log2(inner) < 53 and columns > 1:
        return (a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)
    if work < _PLAIN_LIMIT or columns <= _PLAIN_COLUMNS:
        return _plain(a, b)
    return _by_limbs(a, b, _limb_count(a_bits), _limb_count(b_bits))


def _plain(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    if b.shape[1] == 1 and a.size > _EINSUM_LIMIT:
        return np.asarray(np.einsum("ij,j->i", a, b[:, 0])[:, None])
    return np.asarray(a @ b)


def _limb_count(bits: int) -> int:
    return 1 if bits <= 22 else 2 if bits <= 43 else 3


def _by_limbs(
    a: NDArray[np.int64], b: NDArray[np.int64], a_limbs: int, b_limbs: int
) -> NDArray[np.int64]:
    weights: dict[int, list[tuple[int, int]]] = {}
    for i in range(a_limbs):
        for j in range(b_limbs):
            if _STARTS[i] + _STARTS[j] < 64:
                weights.setdefault(_STARTS[i] + _STARTS[j], []).append((i, j))
    total = np.zeros((a.shape[0], b.shape[1]), np.int64)
    for start in range(0, a.shape[1], _BLOCK):
        left = _limbs(a[:, start : start + _BLOCK], a_limbs)
        right = _limbs(b[start : start + _BLOCK], b_limbs)
        for weight, pairs in weights.items():
            exact = left[pairs[0][0]] @ right[pairs[0][1]]
            for i, j in pairs[1:]:
                exact += left[i] @ right[j]
            total += exact.astype(np.int64) << weight
    return total


def _limbs(x: NDArray[np.int64], count: int) -> list[NDArray[np.float64]]:
    """Return x = Σ limb_i · 2^start_i, lowest first; all but the last are not negative."""
    limbs = []
    part = np.empty_like(x)
    for index in range(count):
        np.right_shift(x, _STARTS[index], out=part)
        if index < count - 1:
            part &= (1 << _WIDTHS[index]) - 1
        limbs.append(part.astype(np.float64))
    return limbs
