"""Nesterov's method written as public combinations of residuals.

In the dual form (docs/protocol.md, "Logistic regression") a gradient step is

    u ← (1 − ηλ)·v − c·e(v),   v = u + β_t·(u − u_previous),   c = η / (nκ),

so every u_t and v_t is a linear combination of the residuals so far, with coefficients that depend
on public numbers alone. Training combines the residuals afresh at each iteration: scales do not
build up, nothing is truncated inside the loop, and rounding does not accumulate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Schedule:
    """Coefficients of residuals, for columns (a column is one λ); iterations × columns each.

    ``final`` combines all residuals into the result, ``intercept_final`` for the intercept, which
    is not penalised. Those of the points are made one after the other, when they are needed: all of
    them together would be iterations² × columns numbers.
    """

    momenta: NDArray[np.float64]
    decay: NDArray[np.float64]
    step: NDArray[np.float64]
    final: NDArray[np.float64]
    intercept_final: NDArray[np.float64]

    @property
    def iterations(self) -> int:
        """How many residuals are taken."""
        return len(self.momenta)

    def points(self, first: int = 0) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Yield for each t from ``first`` on what combines the t residuals so far (t × columns).

        That is the point where residual t is taken; first its dual coefficients, then those of the
        intercept.
        """
        penalised = _combinations(self.momenta, self.decay, self.step)
        free = _combinations(self.momenta, np.ones_like(self.decay), self.step)
        both = islice(zip(penalised, free, strict=True), first, self.iterations)
        return ((dual.copy(), intercept.copy()) for dual, intercept in both)

    def first(self, iterations: int) -> Schedule:
        """Return the part that combines the first so many residuals."""
        part = slice(iterations)
        return replace(
            self,
            momenta=self.momenta[part],
            final=self.final[part],
            intercept_final=self.intercept_final[part],
        )


def nesterov(
    iterations: int,
    smoothness: NDArray[np.float64] | float,
    l2: NDArray[np.float64],
    gradient_factor: NDArray[np.float64] | float,
) -> Schedule:
    """Return the schedule for each column; the arguments are one number each, or one a column.

    ``smoothness`` is a Lipschitz constant of the unpenalised gradient, ``gradient_factor`` 1/(nκ).
    Step η = 1/(smoothness + λ). Momentum β_t is the smaller of t/(t + 3) and, where λ > 0, the
    constant of the strongly convex case (Nesterov, Lectures on Convex Optimization, 2.2).
    """
    step = 1.0 / (smoothness + l2)
    root = np.sqrt(step * l2)
    most = (1.0 - root) / (1.0 + root)
    momenta = np.array([np.minimum(t / (t + 3.0), most) for t in range(iterations)])
    decay, scaled = 1.0 - step * l2, step * gradient_factor
    final, intercept_final = (
        _last(_combinations(momenta, each, scaled)) for each in (decay, np.ones_like(decay))
    )
    return Schedule(momenta, decay, scaled, final, intercept_final)


def _combinations(
    momenta: NDArray[np.float64], decay: NDArray[np.float64], step: NDArray[np.float64]
) -> Iterator[NDArray[np.float64]]:
    """Yield the points' coefficients, then the result's: of −step·residual, decayed each time.

    What was yielded is overwritten by the next: new arrays would take most of the time.
    """
    before, current, room = (np.zeros_like(momenta) for _ in range(3))
    for t, momentum in enumerate(momenta):
        point = np.subtract(current[:t], before[:t], out=room[:t])
        point *= momentum
        point += current[:t]
        yield point
        # Rows from t on are still zero in both.
        before, current = current, before
        np.multiply(point, decay, out=current[:t])
        current[t] = -step
    yield current


def _last(combinations: Iterator[NDArray[np.float64]]) -> NDArray[np.float64]:
    return deque(combinations, maxlen=1).pop()
