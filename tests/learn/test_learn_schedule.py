from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohortium.learn.dual_plan import INTERCEPT_EXPONENT
from cohortium.learn.schedule import nesterov


def nesterov_on_weights(X, y, iterations, smoothness, l2):
    """The method in its textbook form, on the weights themselves."""
    n, d = X.shape
    step = 1 / (smoothness + l2)
    root = np.sqrt(step * l2)
    w, before = np.zeros(d), np.zeros(d)
    for t in range(iterations):
        momentum = min(t / (t + 3), (1 - root) / (1 + root))
        point = w + momentum * (w - before)
        residual = 1 / (1 + np.exp(-(X @ point))) - y
        before, w = w, point - step * (X.T @ residual / n + l2 * point)
    return w


@given(
    st.integers(0, 2**32),
    st.integers(1, 30),
    st.lists(st.sampled_from([0.0, 1e-3, 0.1, 1.0, 30.0]), min_size=1, max_size=3),
)
def test_combining_residuals_is_the_method_on_the_weights(seed, iterations, l2):
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, 12)), int(rng.integers(1, 20))
    X, y = rng.normal(size=(n, d)), rng.integers(0, 2, n).astype(float)
    kappa = 2.0 ** -np.ceil(np.log2(d)) if d > 1 else 1.0
    smoothness = np.linalg.norm(X, 2) ** 2 / (4 * n)
    schedule = nesterov(iterations, smoothness, np.array(l2), 1 / (n * kappa))
    points = [point for point, _ in schedule.points()]
    assert [point.shape for point in points] == [(t, len(l2)) for t in range(iterations)]
    for column, value in enumerate(l2):
        residuals = np.zeros((iterations, n))
        for t in range(iterations):
            u = points[t][:, column] @ residuals[:t]
            residuals[t] = 1 / (1 + np.exp(-kappa * (X @ (X.T @ u)))) - y
        w = kappa * X.T @ (schedule.final[:, column] @ residuals)
        expected = nesterov_on_weights(X, y, iterations, smoothness, value)
        np.testing.assert_allclose(w, expected, rtol=1e-9, atol=1e-11)


def test_it_converges_to_the_penalised_optimum():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    n, d, l2 = 60, 10, 0.05
    X = rng.normal(size=(n, d))
    y = (X[:, 0] + rng.normal(size=n) > 0).astype(int)
    smoothness = np.linalg.norm(X, 2) ** 2 / (4 * n)
    w = nesterov_on_weights(X, y, 300, smoothness, l2)
    reference = LogisticRegression(C=1 / (n * l2), fit_intercept=False, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(w, reference.coef_[0], atol=1e-6)


@pytest.mark.parametrize("iterations", [1, 2, 100])
def test_columns_of_the_schedule_do_not_depend_on_each_other(iterations):
    l2 = np.array([0.0, 0.5, 20.0])
    together = nesterov(iterations, 3.0, l2, 0.1)
    for column in range(3):
        alone = nesterov(iterations, 3.0, l2[column : column + 1], 0.1)
        for (point, _), (lone, _) in zip(together.points(), alone.points(), strict=True):
            np.testing.assert_array_equal(point[:, column], lone[:, 0])
        np.testing.assert_array_equal(together.final[..., column], alone.final[..., 0])


def all_at_once(momenta, decay, step):
    """All points' coefficients (iterations × iterations × columns) and the result's."""
    points = np.zeros((len(momenta), *momenta.shape))
    before, current = np.zeros_like(momenta), np.zeros_like(momenta)
    for t, momentum in enumerate(momenta):
        points[t] = current + momentum * (current - before)
        before, current = current, decay * points[t]
        current[t] = -step
    return points, current


def test_points_made_one_after_the_other_are_those_made_at_once():
    l2 = np.array([0.0, 0.5, 20.0])
    factor = np.array([0.1, 0.2, 0.3])
    schedule = nesterov(40, 3.0, l2, factor)
    step = 1 / (3.0 + l2)
    points, final = all_at_once(schedule.momenta, 1 - step * l2, step * factor)
    free_points, free_final = all_at_once(schedule.momenta, np.ones(3), step * factor)
    np.testing.assert_array_equal(schedule.final, final)
    np.testing.assert_array_equal(schedule.intercept_final, free_final)
    for first in (0, 1, 39, 40):
        rest = list(schedule.points(first))
        assert len(rest) == 40 - first
        for t, (point, free) in enumerate(rest, first):
            np.testing.assert_array_equal(point, points[t, :t])
            np.testing.assert_array_equal(free, free_points[t, :t])
    part = schedule.first(7)
    assert part.iterations == len(list(part.points())) == 7
    np.testing.assert_array_equal(part.final, final[:7])


def test_memory_does_not_grow_with_the_square_of_the_iterations():
    tracemalloc.start()
    try:
        schedule = nesterov(800, 3.0, np.full(5, 0.1), 0.1)
        for _ in schedule.points():
            pass
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 40 * 800 * 5 * 8, "all points at once would be 800 times 800 × 5 numbers"


def test_the_intercept_s_feature_is_small():
    assert 2.0**INTERCEPT_EXPONENT == 1 / 8
