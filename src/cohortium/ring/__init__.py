"""Arrays over the ring Z_2^64 and fixed-point numbers in them, on NumPy or TensorFlow.

A ring array is a NumPy int64 array or a TensorFlow int64 tensor; arithmetic wraps. Every function
here takes either and returns the same kind, so that protocol code is written once. TensorFlow is
imported only when a tensor is met or asked for.
"""

from cohortium.ring.arrays import (
    RingArray,
    broadcast_to,
    concatenate,
    is_tensor,
    reshape,
    running_sum,
    scatter,
    shift_left,
    shift_right_logical,
    sign_bit,
    sum_over,
    take,
    transpose,
    weighted_sum,
)
from cohortium.ring.engine import Engine, NumpyEngine, TensorFlowEngine
from cohortium.ring.fixed import decode, encode
from cohortium.ring.product import matmul

__all__ = [
    "Engine",
    "NumpyEngine",
    "RingArray",
    "TensorFlowEngine",
    "broadcast_to",
    "concatenate",
    "decode",
    "encode",
    "is_tensor",
    "matmul",
    "reshape",
    "running_sum",
    "scatter",
    "shift_left",
    "shift_right_logical",
    "sign_bit",
    "sum_over",
    "take",
    "transpose",
    "weighted_sum",
]
