"""Times a matrix product mod 2^64 by the kernels that cohortium could use, on this machine.

The shape is a Gram block between two hospitals. "Cut" is cohortium.ring's own: limbs of 22 bits
through float64 BLAS. "XLA" cuts into int8 digits and multiplies with int32 accumulation. The ratio
is to the int64 kernel of TensorFlow; the first call, with compilation and import apart, is shown
because a training makes each product once.

    python benchmarks/ring_product.py
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from cohortium.ring import matmul

SHAPES = ((113, 12_634, 112), (235, 17_814, 235))
REPEATS = 5


def main() -> None:
    """Print the table."""
    began = time.perf_counter()
    import tensorflow as tf

    print(f"importing TensorFlow: {time.perf_counter() - began:.1f} s\n")
    random = np.random.default_rng(0)
    for rows, inner, columns in SHAPES:
        full = random.integers(-(2**63), 2**63 - 1, (rows, inner))
        small = random.integers(-32_639, 32_640, (rows, inner))
        other = random.integers(-(2**63), 2**63 - 1, (inner, columns))
        print(f"{rows} × {inner} × {columns}")
        print(f"  {'kernel':<38}{'first, ms':>10}{'median, ms':>12}{'ratio':>8}")
        baseline = None
        for name, product, left in (
            ("TensorFlow int64, 64 × 64 bits", lambda a, b: tf.matmul(a, b), full),
            ("XLA int8 digits, 64 × 64 bits", xla_product(tf, 8), full),
            ("cut for float64 BLAS, 64 × 64 bits", matmul, full),
            ("XLA int8 digits, 16 × 64 bits", xla_product(tf, 2), small),
            ("cut for float64 BLAS, 16 × 64 bits", small_product, small),
        ):
            first, median = measure(product, left, other)
            baseline = baseline or median
            print(f"  {name:<38}{first:>10.0f}{median:>12.0f}{median / baseline:>8.2f}")


def measure(
    product: Callable[[np.ndarray, np.ndarray], np.ndarray], left: np.ndarray, right: np.ndarray
) -> tuple[float, float]:
    """Return the first call's and the median milliseconds, after checking the result."""
    began = time.perf_counter()
    result = np.asarray(product(left, right))
    first = time.perf_counter() - began
    if not np.array_equal(result[:2], left[:2] @ right):
        raise SystemExit("wrong product")
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        np.asarray(product(left, right))
        seconds.append(time.perf_counter() - began)
    return 1e3 * first, 1e3 * statistics.median(seconds)


def small_product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the product with the promise that the left operand has 16 bits."""
    return matmul(left, right, a_bits=16)


def xla_product(tf: object, left_digits: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return a compiled product by balanced base-256 digits; 8 digits hold any element."""

    @tf.function(jit_compile=True)
    def product(left: object, right: object) -> object:
        ours, theirs = digits(left, left_digits), digits(right, 8)
        total = tf.zeros((left.shape[0], right.shape[1]), tf.int64)
        for weight in range(8):
            for index in range(min(left_digits, weight + 1)):
                part = tf.raw_ops.BatchMatMulV3(
                    x=ours[index], y=theirs[weight - index], Tout=tf.int32
                )
                shift = tf.constant(8 * weight, tf.int64)
                total += tf.bitwise.left_shift(tf.cast(part, tf.int64), shift)
        return total

    def digits(values: object, count: int) -> list[object]:
        parts = []
        for _ in range(count):
            digit = tf.cast(values, tf.int8)
            parts.append(digit)
            values = tf.bitwise.right_shift(
                values - tf.cast(digit, tf.int64), tf.constant(8, tf.int64)
            )
        return parts

    return product


if __name__ == "__main__":
    main()
