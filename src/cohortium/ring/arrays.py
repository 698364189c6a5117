"""Shape and bit operations on ring arrays of either engine.

Addition, subtraction, negation and elementwise products are the operators of the arrays
themselves; here is what NumPy and TensorFlow spell differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from types import ModuleType

# A NumPy int64 array or a TensorFlow int64 tensor. TensorFlow ships no types, hence Any.
RingArray: TypeAlias = Any


def is_tensor(array: RingArray) -> bool:
    """Return whether the array belongs to the TensorFlow engine."""
    return not isinstance(array, (np.ndarray, np.generic))


def tensorflow() -> ModuleType:
    """Return TensorFlow, imported at the first call: it costs seconds, commands start without."""
    import tensorflow as tf

    return tf  # type: ignore[no-any-return]


def reshape(array: RingArray, shape: Sequence[int]) -> RingArray:
    """Return the array with another shape of the same size."""
    return tensorflow().reshape(array, shape) if is_tensor(array) else array.reshape(shape)


def transpose(array: RingArray) -> RingArray:
    """Return the array with its axes reversed."""
    return tensorflow().transpose(array) if is_tensor(array) else array.T


def broadcast_to(array: RingArray, shape: Sequence[int]) -> RingArray:
    """Return the array repeated to ``shape`` by NumPy's broadcasting rules."""
    if is_tensor(array):
        return tensorflow().broadcast_to(array, shape)
    return np.broadcast_to(array, tuple(shape))


def take(array: RingArray, index: np.ndarray[Any, Any]) -> RingArray:
    """Return the rows (along the first axis) at the places of ``index``."""
    return tensorflow().gather(array, index) if is_tensor(array) else array[index]


def scatter(array: RingArray, index: np.ndarray[Any, Any], size: int) -> RingArray:
    """Return ``size`` zeros, with the elements of a flat array at the places of ``index``."""
    if is_tensor(array):
        return tensorflow().scatter_nd(index.reshape(-1, 1), array, (size,))
    whole = np.zeros(size, np.asarray(array).dtype)
    whole[index] = array
    return whole


def concatenate(arrays: Sequence[RingArray], axis: int) -> RingArray:
    """Return the arrays joined along an axis."""
    if is_tensor(arrays[0]):
        return tensorflow().concat(list(arrays), axis)
    return np.concatenate(arrays, axis)


def sum_over(array: RingArray, axis: int | None) -> RingArray:
    """Return sums mod 2^64 along one axis, or of everything where ``axis`` is None."""
    if is_tensor(array):
        return tensorflow().reduce_sum(array, axis)
    return np.asarray(array.sum(axis))


def running_sum(array: RingArray) -> RingArray:
    """Return for each element the sum mod 2^64 of those up to it, along the last axis."""
    return tensorflow().cumsum(array, -1) if is_tensor(array) else np.cumsum(array, -1)


def weighted_sum(weights: np.ndarray[Any, Any], arrays: Sequence[RingArray]) -> RingArray:
    """Return Σ weights[t] · arrays[t] mod 2^64; weights[t] broadcasts against arrays[t].

    A loop with one temporary beats stacking the arrays: no copy of the whole stack is made.
    """
    if is_tensor(arrays[0]):
        # Few nodes: a training's graph has such a sum of all residuals in every iteration.
        tf = tensorflow()
        stacked = tf.stack(list(arrays))
        missing = stacked.shape.rank - weights.ndim
        shape = (len(weights), *(1,) * missing, *weights.shape[1:])
        return tf.reduce_sum(stacked * tf.constant(weights.reshape(shape)), 0)
    total = weights[0] * arrays[0]
    term = np.empty_like(total)
    for weight, array in zip(weights[1:], arrays[1:], strict=True):
        np.multiply(weight, array, out=term)
        total += term
    return total


def shift_left(array: RingArray, bits: int) -> RingArray:
    """Return array · 2^bits mod 2^64, 0 ≤ bits ≤ 63."""
    if is_tensor(array):
        tf = tensorflow()
        return tf.bitwise.left_shift(array, tf.constant(bits, tf.int64))
    return array << bits


def shift_right_logical(array: RingArray, bits: int) -> RingArray:
    """Return the array, read as unsigned, divided by 2^bits and rounded down; 0 ≤ bits ≤ 63."""
    if is_tensor(array):
        tf = tensorflow()
        # On int64 the shift is arithmetic. A cast to uint64 would do, but XLA and the eager
        # kernels agree on the signed operations only; clearing the copied sign bits is as cheap.
        if bits == 0:
            return array
        shifted = tf.bitwise.right_shift(array, tf.constant(bits, tf.int64))
        return tf.bitwise.bitwise_and(shifted, tf.constant((1 << (64 - bits)) - 1, tf.int64))
    return (array.view(np.uint64) >> np.uint64(bits)).view(np.int64)


def sign_bit(array: RingArray) -> RingArray:
    """Return bit 63 of each element, as 0 or 1."""
    return shift_right_logical(array, 63)
