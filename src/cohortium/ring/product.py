"""Matrix products mod 2^64, exact, by the fastest kernel at hand.

NumPy has no fast integer matrix product, but float64 products of integers are exact while every
sum stays below 2^53. So each operand is cut into balanced limbs of 22 bits, the limb products run
through BLAS over blocks of the inner dimension short enough to stay exact, and the results are
put together with shifts. An operand known to be small needs fewer limbs; two small ones need a
single float64 product. Tensors go through TensorFlow's own int64 kernel.

Measured by benchmarks/ring_product.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohortium.ring.arrays import RingArray, is_tensor, tensorflow

LIMB_BITS = 22
_FULL_LIMBS = 3
# 3 limb pairs of one weight, 2^21 · 2^21 each, over 512 inner elements: below 2^53.
_BLOCK = 512
# Multiply-adds above which limbs beat NumPy's plain integer loop.
_PLAIN_LIMIT = 1 << 21
# A product with few columns is bound by reading the operand once; cutting it costs more.
_PLAIN_COLUMNS = 8


def matmul(a: RingArray, b: RingArray, *, a_bits: int = 64, b_bits: int = 64) -> RingArray:
    """Return a @ b mod 2^64 for two matrices of the same engine (m × k, k × n).

    ``a_bits`` and ``b_bits`` promise that every element, read as signed, is below 2^(bits − 1)
    in magnitude; a promise makes it faster and, if broken, the result wrong: callers pass only
    what a checked encoding guarantees.
    """
    if is_tensor(a):
        return tensorflow().matmul(a, b)
    columns = min(a.shape[0], b.shape[1])
    work = a.shape[0] * a.shape[1] * b.shape[1]
    inner = a.shape[1]
    if inner and a_bits + b_bits - 2 + np.log2(inner) < 53 and columns > 1:
        return (a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)
    if work < _PLAIN_LIMIT or columns <= _PLAIN_COLUMNS:
        return _plain(a, b)
    return _by_limbs(a, b, _limb_count(a_bits), _limb_count(b_bits))


def _plain(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(a @ b)


def _limb_count(bits: int) -> int:
    return min(_FULL_LIMBS, -(-bits // LIMB_BITS))


def _by_limbs(
    a: NDArray[np.int64], b: NDArray[np.int64], a_limbs: int, b_limbs: int
) -> NDArray[np.int64]:
    total = np.zeros((a.shape[0], b.shape[1]), np.int64)
    for start in range(0, a.shape[1], _BLOCK):
        left = _limbs(a[:, start : start + _BLOCK], a_limbs)
        right = _limbs(b[start : start + _BLOCK], b_limbs)
        for weight in range(_FULL_LIMBS):
            pairs = [
                (left[i], right[weight - i])
                for i in range(min(a_limbs, weight + 1))
                if weight - i < b_limbs
            ]
            if not pairs:
                continue
            exact = pairs[0][0] @ pairs[0][1]
            for one, other in pairs[1:]:
                exact += one @ other
            total += exact.astype(np.int64) << (LIMB_BITS * weight)
    return total


def _limbs(x: NDArray[np.int64], count: int) -> list[NDArray[np.float64]]:
    """Return x = Σ limb_i · 2^(22 i) with |limb_i| ≤ 2^21, lowest first."""
    half, mask = 1 << (LIMB_BITS - 1), (1 << LIMB_BITS) - 1
    limbs: list[NDArray[Any]] = []
    for _ in range(count - 1):
        low = x + half
        low &= mask
        low -= half
        limbs.append(low.astype(np.float64))
        # x - low is a multiple of 2^22; it may wrap at the top, which is right mod 2^64.
        x = (x - low) >> LIMB_BITS
    limbs.append(x.astype(np.float64))
    return limbs
