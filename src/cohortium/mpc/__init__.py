"""Secret tensors, and the protocols that compute on them."""

from cohortium.mpc.protocol import Counters, InputRequest, Ledger, Protocol
from cohortium.mpc.tensor import (
    SecretTensor,
    concatenate,
    constant,
    prepare,
    secret_inputs,
    weighted_sum,
)

__all__ = [
    "Counters",
    "InputRequest",
    "Ledger",
    "Protocol",
    "SecretTensor",
    "concatenate",
    "constant",
    "prepare",
    "secret_inputs",
    "weighted_sum",
]
