"""What a training in the dual keeps of its state, and how it goes on from there after a crash.

The state after t iterations is the Gram matrix, the t residuals so far, and those logits whose
bound is still to be checked. Everything else the owners share again, under new masks. A state is
kept when the Gram matrix is there ("after 0 iterations") and after every so many iterations, each
with what is new since the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from cohortium.learn.dual_plan import CHECK_EVERY, DualPlan
from cohortium.mpc import Protocol as SecureProtocol
from cohortium.mpc import SecretTensor
from cohortium.mpc.protocol import Shape


class Facts(NamedTuple):
    """What is public of a kept tensor, and known from the plan: shape, scale and bound."""

    shape: Shape
    fraction_bits: int
    bound: float


class Checkpoints(Protocol):
    """Where each party keeps its own part of a training's states.

    ``done`` is how many iterations need not be done again, the same at all parties: None where
    there is nothing to go on from, 0 where that is the Gram matrix alone.
    """

    every: int
    done: int | None

    def keep(self, done: int, tensors: Sequence[SecretTensor]) -> None:
        """Keep what is new of the state after so many iterations; local."""

    def kept(
        self, protocol: SecureProtocol, done: int, facts: Sequence[Facts]
    ) -> list[SecretTensor]:
        """Return what was kept after so many iterations; local."""

    def end(self) -> None:
        """Remove all that is kept: from here on values are revealed, and each only once."""


def kept_kernel(checkpoints: Checkpoints, protocol: SecureProtocol, plan: DualPlan) -> SecretTensor:
    """Return the Gram matrix, sample weights in it, that was kept; local."""
    shape = (plan.samples, plan.samples)
    facts = Facts(shape, plan.gram_bits, plan.kernel_bound)
    (kernel,) = checkpoints.kept(protocol, 0, [facts])
    return kernel


def keep_iterations(
    checkpoints: Checkpoints,
    done: int,
    residuals: Sequence[SecretTensor],
    earlier: Sequence[SecretTensor],
) -> None:
    """Keep what is new where ``done`` is a multiple of ``every``; local.

    ``residuals`` and ``earlier`` (logits to be checked) are all there are so far.
    """
    if done % checkpoints.every:
        return
    checked = len(_checked(done - checkpoints.every, done))
    recent = earlier[len(earlier) - checked :]
    checkpoints.keep(done, [*residuals[done - checkpoints.every :], *recent])


def kept_iterations(
    checkpoints: Checkpoints, protocol: SecureProtocol, plan: DualPlan
) -> tuple[list[SecretTensor], list[SecretTensor]]:
    """Return the residuals and the logits to be checked of all iterations that are done; local."""
    shape, loss = (plan.samples, plan.columns), plan.loss
    residual = Facts(shape, loss.fraction_bits, loss.residual_bound)
    logits = Facts(shape, plan.working_logit_bits, loss.bound)
    residuals: list[SecretTensor] = []
    earlier: list[SecretTensor] = []
    every = checkpoints.every
    for done in range(every, (checkpoints.done or 0) + 1, every):
        facts = [residual] * every + [logits] * len(_checked(done - every, done))
        tensors = checkpoints.kept(protocol, done, facts)
        residuals += tensors[:every]
        earlier += tensors[every:]
    return residuals, earlier


def _checked(start: int, stop: int) -> range:
    """Return the iterations of a span whose logits are checked."""
    first = max(CHECK_EVERY, -(-start // CHECK_EVERY) * CHECK_EVERY)
    return range(first, stop, CHECK_EVERY)
