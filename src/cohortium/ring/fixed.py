"""Fixed-point numbers in the ring: a real v is the integer round(v · 2^f), f its fraction bits."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from cohortium.errors import EncodingError
from cohortium.ring.arrays import RingArray, is_tensor, tensorflow

# A value and its bound must leave a sign bit and one bit of headroom (the rescale gate's).
VALUE_BITS = 62


def encode(values: Any, fraction_bits: int, bound: float) -> RingArray:
    """Return round-to-nearest(values · 2^fraction_bits) as a ring array of the same engine.

    Raises EncodingError, naming the first offending row and column but never its value, where an
    element is not a number, infinite, or larger in magnitude than ``bound``; and where the bound
    itself does not fit the ring. (Inside a traced or compiled TensorFlow function values can not
    be inspected; there the caller has checked them before.)
    """
    if fraction_bits < 0 or not bound * 2.0**fraction_bits < 2.0**VALUE_BITS:
        raise EncodingError(
            f"Numbers up to {bound:g} with {fraction_bits} fraction bits do not fit in "
            f"{VALUE_BITS} bits.",
            remedy="Use fewer fraction bits or a smaller bound.",
        )
    # A list is neither; while TensorFlow is not imported, nothing is a tensor.
    if is_tensor(values) and "tensorflow" in sys.modules and tensorflow().is_tensor(values):
        tf = tensorflow()
        if hasattr(values, "numpy"):
            _check(values.numpy(), bound)
        return tf.cast(tf.round(tf.cast(values, tf.float64) * 2.0**fraction_bits), tf.int64)
    array = np.asarray(values, dtype=np.float64)
    _check(array, bound)
    scaled = array * 2.0**fraction_bits
    return np.rint(scaled, out=scaled if scaled.ndim else None).astype(np.int64)


def decode(array: RingArray, fraction_bits: int) -> Any:
    """Return the float64 values that a ring array stands for, as the same engine's array."""
    if is_tensor(array):
        tf = tensorflow()
        return tf.cast(array, tf.float64) * 2.0**-fraction_bits
    return np.asarray(array).astype(np.float64) * 2.0**-fraction_bits


def _check(array: np.ndarray[Any, Any], bound: float) -> None:
    if array.size == 0:
        return
    # Two passes without temporaries; a NaN or an infinity makes one of the comparisons false.
    if array.max() <= bound and array.min() >= -bound:
        return
    finite = np.isfinite(array)
    bad = ~finite if not finite.all() else np.abs(array) > bound
    index = np.unravel_index(int(np.argmax(bad)), array.shape)
    place = ", ".join(
        f"{axis} {position + 1}"
        for axis, position in zip(("row", "column", "layer"), index, strict=False)
    )
    kind = "not a finite number" if not finite.all() else f"larger than the bound {bound:g}"
    raise EncodingError(
        f"The value at {place or 'the only element'} is {kind} ({int(bad.sum())} such).",
        remedy="Impute missing values and clip to the stated bound before sharing.",
    )
