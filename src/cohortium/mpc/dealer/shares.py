"""What a computing party holds of a secret, and linear functions of it: local work only."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohortium.errors import ParameterError
from cohortium.mpc.protocol import Check, InputRequest, Shape
from cohortium.ring import Engine, RingArray, concatenate, decode, encode, reshape

# The owner of a public constant: everybody knows it.
EVERYONE = -1


@dataclass
class Share:
    """One party's part of a secret. None stands for an array of zeros.

    ``owner`` is the index of the computing party that knows the secret (EVERYONE for a public
    constant), ``clear`` the secret itself there. Masked where ``delta`` is not None; ``mask`` is
    then this party's share of the mask r, and delta = x + r.
    """

    shape: Shape
    share: RingArray | None
    delta: RingArray | None = None
    mask: RingArray | None = None
    owner: int | None = None
    clear: RingArray | None = None

    def __repr__(self) -> str:
        return f"Share(shape={self.shape})"


def linear_share(
    function: Callable[..., Any],
    values: Sequence[Share],
    shape: Shape,
    engine: Engine,
    index: int,
) -> Share:
    """Return function(*values) by applying it to every part that all the values have.

    Masks go through linear functions too: fn(x) + fn(r) = fn(Δ). So a slice of a masked tensor
    is masked, and needs no opening when it becomes an operand.
    """
    shapes = [value.shape for value in values]

    def apply(parts: Sequence[RingArray | None]) -> RingArray | None:
        return apply_to_parts(function, parts, shapes, engine)

    owner = common_owner([value.owner for value in values])
    result = Share(shape, apply([value.share for value in values]), owner=owner)
    if owner in (index, EVERYONE):
        result.clear = apply([value.clear for value in values])
    if all(value.delta is not None for value in values):
        result.delta = apply([value.delta for value in values])
        result.mask = apply([value.mask for value in values])
    return result


def apply_to_parts(
    function: Callable[..., Any],
    parts: Sequence[RingArray | None],
    shapes: Sequence[Shape],
    engine: Engine,
) -> RingArray | None:
    """Return function(*parts) for a linear function, where None stands for zeros."""
    missing = sum(part is None for part in parts)
    if missing == len(parts):
        return None
    if missing:
        parts = [or_zeros(part, shape, engine) for part, shape in zip(parts, shapes, strict=True)]
    return function(*parts)


def or_zeros(part: RingArray | None, shape: Shape, engine: Engine) -> RingArray:
    """Return the part, or the zeros that None stands for."""
    return engine.asarray(np.zeros(shape, np.int64)) if part is None else part


def common_owner(owners: Sequence[int | None]) -> int | None:
    """Return the party that knows all of several values: EVERYONE if all are public."""
    result: int | None = EVERYONE
    for owner in owners:
        if owner is None:
            return None
        if owner != EVERYONE:
            if result not in (EVERYONE, owner):
                return None
            result = owner
    return result


def encode_input(request: InputRequest) -> RingArray:
    """Return an input's encoded values at its owner; ParameterError if they are not as agreed."""
    if request.values is None or np.shape(request.values) != request.shape:
        given = "no values" if request.values is None else f"shape {np.shape(request.values)}"
        raise ParameterError(
            f"The input {request.name!r} was agreed to have shape {request.shape}, but its owner "
            f"{request.owner} gave {given}.",
            remedy="Give values of the agreed shape.",
        )
    return encode(request.values, request.fraction_bits, request.bound)


def join(arrays: Sequence[RingArray]) -> RingArray:
    """Return the arrays' elements one after the other in a flat array."""
    flat = [reshape(array, (-1,)) for array in arrays]
    return flat[0] if len(flat) == 1 else concatenate(flat, 0)


def split(flat: RingArray, shapes: Sequence[Shape]) -> list[RingArray]:
    """Return consecutive pieces of a flat array in the given shapes."""
    if len(shapes) == 1:
        return [reshape(flat, shapes[0])]
    pieces, start = [], 0
    for shape in shapes:
        size = math.prod(shape)
        pieces.append(reshape(flat[start : start + size], shape))
        start += size
    return pieces


def revealed_numbers(
    engine: Engine, total: RingArray, fraction_bits: int, check: Check | None
) -> Any:
    """Return the numbers that a receiver gets, after its check has seen them."""
    if check is not None:

        def checked(values: NDArray[np.int64]) -> NDArray[np.int64]:
            check(decode(values, fraction_bits))
            return values

        total = engine.call(checked, [total], total.shape)
    return decode(total, fraction_bits)
