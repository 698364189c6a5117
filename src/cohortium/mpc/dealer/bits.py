"""XOR-shared bits: the logic of the comparison gate, as each side computes it.

Compared is a public number with one that only the dealer knows, four bits at a time: the dealer
deals XOR shares of the one-hot vector of each group of its number, so "this group is less, is
equal" are look-ups at public places. Groups are then combined four at a time by products of masked
bits (docs/protocol.md, "Comparison"). Bits are packed along the last axis, eight to a byte.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint8]

_GROUP_BITS = 4
_FAN_IN = 4
# One wire for each bit that a combination multiplies, from the group of the highest weight down:
# equal 3 … equal 0, then less 2 … less 0. "less 3" enters the result alone.
WIRES = 7
_LESS_PRODUCTS = ((0, 4), (0, 1, 5), (0, 1, 2, 6))
_EQUAL_PRODUCT = (0, 1, 2, 3)


def _monomials() -> tuple[tuple[int, ...], ...]:
    wanted: set[tuple[int, ...]] = set()
    for product in (*_LESS_PRODUCTS, _EQUAL_PRODUCT):
        for size in range(2, len(product) + 1):
            wanted.update(combinations(product, size))
    return tuple(sorted(wanted, key=lambda wires: (len(wires), wires)))


# The products of masks that the dealer has to deal, for one combination of four groups.
MONOMIALS = _monomials()


def group_counts(width: int) -> list[int]:
    """Return how many groups a comparison of ``width`` bits has at first and after each level."""
    groups = -(-width // _GROUP_BITS)
    counts = [_FAN_IN if groups <= _FAN_IN else _FAN_IN**2]
    while counts[-1] > 1:
        counts.append(counts[-1] // _FAN_IN)
    return counts


def groups_of(values: NDArray[np.int64], width: int) -> Bits:
    """Return the low ``width`` bits of each value in groups of four, highest group first.

    Shape: groups × the values' shape, one byte a group. Groups above ``width`` are zero.
    """
    low = values.view(np.uint64) & np.uint64((1 << width) - 1)
    count = group_counts(width)[0]
    groups = np.empty((count, *values.shape), np.uint8)
    for index in range(count):
        groups[index] = (low >> np.uint64(_GROUP_BITS * (count - 1 - index))) & np.uint64(15)
    return groups


def one_hot(groups: Bits) -> NDArray[np.uint16]:
    """Return 2^group for each group: a vector of 16 bits with one set."""
    return np.left_shift(np.uint16(1), groups, dtype=np.uint16)


def look_up(public: Bits, shares: NDArray[np.uint16]) -> tuple[Bits, Bits]:
    """Return packed XOR shares of [public < hidden] and [public = hidden] for each group.

    ``shares`` are XOR shares of the hidden groups' one-hot vectors, groups × n; ``public`` is
    groups × cuts × n. Local.
    """
    shifted = np.right_shift(shares[:, None], public, dtype=np.uint16)
    equal = np.packbits(shifted.astype(np.uint8) & 1, axis=-1)
    # The hidden group is larger where its bit is above the public place: parity of what is there.
    above = np.right_shift(shifted, 1)
    for shift in (8, 4, 2, 1):
        above ^= np.right_shift(above, shift)
    return np.packbits(above.astype(np.uint8) & 1, axis=-1), equal


def top_bits(values: NDArray[np.int64], width: int) -> Bits:
    """Return the highest of the low ``width`` bits of each value, packed along the last axis."""
    return np.packbits((values >> (width - 1)).astype(np.uint8) & 1, axis=-1)


def wires_of(less: Bits, equal: Bits) -> Bits:
    """Return the bits that the combination multiplies: WIRES × groups/4 × the rest."""
    fours = (less.shape[0] // _FAN_IN, _FAN_IN, *less.shape[1:])
    less, equal = less.reshape(fours), equal.reshape(fours)
    parts = [equal[:, index] for index in range(_FAN_IN)]
    return np.stack(parts + [less[:, index] for index in range(1, _FAN_IN)])


def combine(
    less: Bits, opened: Bits, mask_shares: Bits, product_shares: Bits, *, first: bool
) -> tuple[Bits, Bits]:
    """Return shares of (less, equal) of each four groups taken together.

    ``opened`` are the wires XOR their masks, public; ``mask_shares`` and ``product_shares`` this
    party's XOR shares of the masks and of MONOMIALS of them; ``first`` for party 0, which adds
    what is public.
    """
    combined = less.reshape(less.shape[0] // _FAN_IN, _FAN_IN, *less.shape[1:])[:, 0].copy()

    def product(wires: tuple[int, ...]) -> Bits:
        # Π (opened ⊕ mask): for each subset of masks, their product times the others' openings.
        total = np.zeros_like(combined)
        for size in range(len(wires) + 1):
            for masked in combinations(wires, size):
                if masked:
                    term = _share_of(masked, mask_shares, product_shares)
                elif first:
                    term = np.full_like(combined, 255)
                else:
                    continue
                for wire in wires:
                    if wire not in masked:
                        term = term & opened[wire]
                total ^= term
        return total

    for wires in _LESS_PRODUCTS:
        combined ^= product(wires)
    return combined, product(_EQUAL_PRODUCT)


def _share_of(wires: tuple[int, ...], masks: Bits, products: Bits) -> Bits:
    return np.asarray(masks[wires[0]] if len(wires) == 1 else products[MONOMIALS.index(wires)])


def products_of(masks: Bits) -> Bits:
    """Return all MONOMIALS of the masks: what the dealer deals for one level."""
    return np.stack([np.bitwise_and.reduce(masks[list(wires)], axis=0) for wires in MONOMIALS])
