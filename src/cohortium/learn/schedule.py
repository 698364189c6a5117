"""Nesterov's method written as public combinations of residuals.

In the dual form (docs/protocol.md, "Logistic regression") a gradient step is

    u ← (1 − ηλ)·v − c·e(v),   v = u + β_t·(u − u_previous),   c = η / (nκ),

so every u_t and v_t is a linear combination of the residuals so far, with coefficients that depend
on public numbers alone. Training combines the residuals afresh at each iteration: scales do not
build up, nothing is truncated inside the loop, and rounding does not accumulate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Schedule:
    """Coefficients over iterations × residuals × columns (a column is one λ).

    ``points[t]`` combines residuals 0 … t−1 into the point where residual t is taken;
    ``final`` combines all of them into the result. ``intercept_points`` and ``intercept_final`` do
    so for the intercept, which is not penalised.
    """

    points: NDArray[np.float64]
    final: NDArray[np.float64]
    intercept_points: NDArray[np.float64]
    intercept_final: NDArray[np.float64]

    def first(self, iterations: int) -> Schedule:
        """Return the part that combines the first so many residuals."""
        part = slice(iterations)
        return Schedule(
            self.points[part, part],
            self.final[part],
            self.intercept_points[part, part],
            self.intercept_final[part],
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
    momenta = [np.minimum(t / (t + 3.0), most) for t in range(iterations)]
    points, final = _combinations(momenta, 1.0 - step * l2, step * gradient_factor)
    free_points, free_final = _combinations(momenta, np.ones(len(l2)), step * gradient_factor)
    return Schedule(points, final, free_points, free_final)


def _combinations(
    momenta: Sequence[NDArray[np.float64]], decay: NDArray[np.float64], step: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the points' and the result's coefficients: of −step·residual, decayed each time."""
    iterations = len(momenta)
    points = np.zeros((iterations, iterations, len(decay)))
    before = np.zeros((iterations, len(decay)))
    current = np.zeros((iterations, len(decay)))
    for t, momentum in enumerate(momenta):
        point = current + momentum * (current - before)
        points[t] = point
        before, current = current, decay * point
        current[t] = -step
    return points, current
