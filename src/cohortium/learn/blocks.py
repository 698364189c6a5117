"""The owners' values as secret tensors, a block of features at a time.

A training looks at all values twice: for the Gram matrix, and for the final weights. Shares and
masks take several times the memory of what they hide, so they are made for one block of features
after the other, of a public number of elements, and dropped after use: memory is bounded, however
many features there are. Where the blocks are few they are kept for the second time; where they are
many they are shared again, under new names and so by new masks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cohortium.learn.dual_plan import DualPlan
from cohortium.mpc import InputRequest, SecretTensor, secret_inputs
from cohortium.mpc import Protocol as SecureProtocol


class Columns(Protocol):
    """One owner's prepared values, samples × features, made as they are asked for.

    ``values[:, start:stop]`` is a float64 array of these features; a NumPy matrix is one.
    """

    def __getitem__(self, index: Any, /) -> Any:
        """Return the values of a slice of the features."""


class Block(NamedTuple):
    """Some of the study's features, and their values: a tensor (samples × features) an owner."""

    features: slice
    rows: Sequence[SecretTensor]


class FeatureBlocks:
    """All owners' values: iterating yields ``plan.blocks`` one by one, each time from the first.

    A block that is not kept takes a round: each owner sends 8 bytes an element to each (other)
    computing party. Whoever iterates must hold one block at a time, or memory is not bounded.
    ``sizes`` is the public number of samples of each owner; ``owned`` holds the values of the
    owners at this party.
    """

    def __init__(
        self,
        protocol: SecureProtocol,
        plan: DualPlan,
        sizes: Mapping[str, int],
        owned: Mapping[str, Columns],
    ) -> None:
        self._protocol = protocol
        self._plan = plan
        self._sizes = dict(sizes)
        self._owned = dict(owned)
        self._held: dict[int, Block] = {}
        self._shared = 0

    def begin(self, others: Sequence[InputRequest]) -> list[SecretTensor]:
        """Share other inputs and, in the same round, the first block; return the others."""
        first = self._requests(self._plan.blocks[0])
        tensors = secret_inputs(self._protocol, [*first, *others])
        self._held[0] = Block(self._plan.blocks[0], tensors[: len(first)])
        return tensors[len(first) :]

    def __iter__(self) -> Iterator[Block]:
        for place in range(len(self._plan.blocks)):
            # Without a name, which would keep the block while the next one is made.
            yield self._block(place)

    def _block(self, place: int) -> Block:
        block = self._held.pop(place, None)
        if block is None:
            features = self._plan.blocks[place]
            block = Block(features, secret_inputs(self._protocol, self._requests(features)))
        if self._plan.keeps_blocks:
            self._held[place] = block
        return block

    def _requests(self, features: slice) -> list[InputRequest]:
        plan = self._plan
        self._shared += 1
        requests = []
        for owner, rows in self._sizes.items():
            values: NDArray[np.float64] | None = None
            if owner in self._owned:
                values = np.asarray(self._owned[owner][:, features], np.float64)
            shape = (rows, features.stop - features.start)
            name = f"values of {owner}, block {self._shared}"
            requests.append(InputRequest(name, owner, values, shape, plan.data_bits, plan.clip))
        return requests
