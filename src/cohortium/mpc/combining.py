"""What makes tensors, or one of several: inputs, joining, preparing, public weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cohortium.mpc.protocol import InputRequest, Protocol
from cohortium.mpc.tensor import SecretTensor, check_fits
from cohortium.ring import concatenate as ring_concatenate


def secret_inputs(protocol: Protocol, requests: Sequence[InputRequest]) -> list[SecretTensor]:
    """Return the owners' values as secret tensors, all shared in one round.

    One message of 8 bytes an element from each owner to each other computing party. Raises
    EncodingError at an owner where a value is not finite or beyond its bound.
    """
    for request in requests:
        check_fits(f"input {request.name!r}", request.fraction_bits, request.bound)
    return [
        SecretTensor(protocol, value, request.shape, request.fraction_bits, request.bound)
        for request, value in zip(requests, protocol.input(requests), strict=True)
    ]


def concatenate(tensors: Sequence[SecretTensor], axis: int = 0) -> SecretTensor:
    """Return tensors of equal scale joined along an axis; those with fewer bits are lifted."""
    bits = max(tensor.fraction_bits for tensor in tensors)
    lifted = [tensor.lift(bits - tensor.fraction_bits) for tensor in tensors]
    first = tensors[0].shape
    length = sum(tensor.shape[axis] for tensor in tensors)
    shape = (*first[:axis], length, *first[axis + 1 :])
    protocol = tensors[0].protocol
    value = protocol.linear(
        lambda *arrays: ring_concatenate(arrays, axis), [tensor.value for tensor in lifted], shape
    )
    return SecretTensor(protocol, value, shape, bits, max(tensor.bound for tensor in tensors))


def add_up(tensors: Sequence[SecretTensor]) -> SecretTensor:
    """Return the sum of one tensor or more; local."""
    added, *others = tensors
    for other in others:
        added = added + other
    return added


def prepare(tensors: Sequence[SecretTensor]) -> None:
    """Do now, in one round for all, the communication that products of these will need."""
    tensors[0].protocol.prepare([tensor.value for tensor in tensors])


def weighted_sum(
    weights: NDArray[np.float64],
    tensors: Sequence[SecretTensor],
    fraction_bits: int,
    *,
    bound: float | None = None,
) -> SecretTensor:
    """Return Σ weights[t] · tensors[t] with public weights encoded at ``fraction_bits``; local.

    weights[t] broadcasts against tensors[t]; the tensors have one shape and one scale. ``bound``
    states a smaller bound of the result than the derived one.
    """
    first = tensors[0]
    bits = first.fraction_bits + fraction_bits
    bounds = [tensor.bound for tensor in tensors]
    # Rounding of a weight adds half a unit to it, at most.
    if bound is None:
        largest = (bounds @ np.abs(weights).reshape(len(tensors), -1)).max(initial=0.0)
        bound = float(largest) + 2.0**-fraction_bits * sum(bounds)
    check_fits(f"a weighted sum of {len(tensors)} tensors", bits, bound)
    value = first.protocol.weighted_sum(
        weights, [tensor.value for tensor in tensors], fraction_bits, first.shape
    )
    return SecretTensor(first.protocol, value, first.shape, bits, bound)
