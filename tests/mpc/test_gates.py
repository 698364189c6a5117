from __future__ import annotations

import numpy as np
import pytest
from conftest import run_clear, run_parties

from cohortium.mpc import InputRequest, secret_inputs
from cohortium.mpc.functions import sigmoid


def test_smoke(computing):
    rng = np.random.default_rng(0)
    a = rng.uniform(-8, 8, (5, 7))
    b = rng.uniform(-8, 8, (7, 3))
    c = rng.uniform(-8, 8, (5, 7))

    def program(protocol, name):
        x, y, z = secret_inputs(
            protocol,
            [
                InputRequest("a", "p0", a if name == "p0" else None, a.shape, 12, 8),
                InputRequest("b", "p1", b if name == "p1" else None, b.shape, 12, 8),
                InputRequest("c", "dealer", c if name == "dealer" else None, c.shape, 12, 8),
            ],
        )
        results = [
            (x @ y).rescale(16),
            (x + z) @ y,
            x * z,
            (x + z) * (z - x),
            sigmoid((x * 0.25).with_bound(4)),
            x[1:3].T @ x[1:3],
            z.sum(),
            x.sum(0) + 1.5,
        ]
        return [r.reveal(f"r{i}", ["p0", "p1", "dealer"]) for i, r in enumerate(results)]

    out = run_parties(program, computing)
    expected = [
        a @ b,
        (a + c) @ b,
        a * c,
        (a + c) * (c - a),
        1 / (1 + np.exp(-a / 4)),
        a[1:3].T @ a[1:3],
        c.sum(),
        a.sum(0) + 1.5,
    ]
    for name in ("p0", "p1", "dealer"):
        for got, want in zip(out[name], expected, strict=True):
            np.testing.assert_allclose(got, want, atol=2e-2)
