"""How a training keeps what its iterations have made, to go on from there after a crash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cohortium.mpc import SecretTensor
from cohortium.mpc.protocol import Shape

# A run keeps its state about so often, and not more often than every so many iterations.
_TIMES, _LEAST = 20, 10


class Checkpoints(Protocol):
    """Each party's own shares of a training's state. ``done`` is where this run starts.

    All parties start at the same number of iterations, 0 if there is nothing to go on from.
    """

    done: int

    def keep(self, done: int, tensors: Sequence[SecretTensor]) -> None:
        """Keep tensors of one shape and scale, new since the last time; local."""

    def restored(
        self, count: int, shape: Shape, fraction_bits: int, bound: float
    ) -> list[SecretTensor]:
        """Return the last so many tensors that were kept until ``done``; local."""


def is_due(done: int, iterations: int) -> bool:
    """Return whether the state is to be kept after so many iterations: the same everywhere."""
    return done % max(_LEAST, iterations // _TIMES) == 0
