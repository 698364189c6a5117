"""Inputs, and what needs no communication: equal to the same expression on plain numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpc_parties import CLEAR, DEALER, GUEST, bring, dyadic, run_for_values, run_parties

from cohortium.mpc import concatenate, constant, weighted_sum

# 0 stands for the clear protocol.
PARTIES = pytest.mark.parametrize("parties", [0, 2, 3, 4])


def check(build, expected, parties):
    results = run_for_values(build, parties)
    assert len(results) == len(expected)
    for index, (got, want) in enumerate(zip(results, expected, strict=True)):
        assert np.shape(got) == np.shape(want), index
        np.testing.assert_array_equal(got, want, err_msg=str(index))


@PARTIES
@settings(settings.get_profile("sessions"))
@given(seed=st.integers(0, 2**32), shape=st.sampled_from([(), (1,), (7,), (3, 5), (2, 3, 4), (0,)]))
def test_inputs_of_every_kind_of_owner(parties, seed, shape):
    rng = np.random.default_rng(seed)
    owners = ["p0", "p1", f"p{max(parties, 2) - 1}", DEALER, GUEST, "p0", GUEST]
    values = [dyadic(rng, shape) for _ in owners]
    names = [f"x{index}" for index in range(len(owners))]

    def build(protocol, me):
        together = dict(zip(names, zip(owners, values, strict=True), strict=True))
        later = {f"again {name}": pair for name, pair in together.items()}
        return bring(protocol, me, together) + bring(protocol, me, later)

    check(build, values * 2, parties)


@PARTIES
@settings(settings.get_profile("sessions"))
@given(seed=st.integers(0, 2**32))
def test_linear_operations(parties, seed):
    rng = np.random.default_rng(seed)
    a, b, c, row = (dyadic(rng, shape) for shape in [(4, 6), (4, 6), (4, 6), (6,)])
    whole = rng.integers(-9, 9, (4, 6)).astype(float)
    quarters = rng.integers(-20, 20, 6) / 4
    public = dyadic(rng, (4, 6))
    square = rng.integers(-5, 5, (6, 2)).astype(float)

    def expressions(x, y, z, r):
        return [
            x + y,
            x + y + z,
            x - y,
            y - x - x,
            -z,
            x + x,
            x + r,
            r - z,
            x + public,
            public + x,
            x - public,
            public - y,
            z + 1.5,
            2 - z,
            x * whole,
            whole * x,
            y * quarters,
            y * 3,
            0.25 * z,
            r * whole,
            x[0],
            x[1:3, ::2] + y[1:3, ::2],
            x[:, None, 1:],
            x[-1, 2],
            x.T,
            (x - y).T[2:],
            x.sum(),
            x.sum(0),
            (x + z).sum(1),
            x @ square,
            x.reshape(3, 8),
            x.reshape(-1),
            (x[0] + r).reshape(2, -1),
        ]

    def build(protocol, me):
        owners = ["p0", "p1", DEALER, GUEST]
        tensors = bring(
            protocol,
            me,
            {n: (o, v) for n, o, v in zip("abcr", owners, [a, b, c, row], strict=True)},
        )
        x, y, z, _ = tensors
        return [
            *expressions(*tensors),
            concatenate([x, y, z]),
            concatenate([x, z * 0.5], axis=1),
            concatenate([constant(protocol, public, 10), y], axis=0),
            x.lift(20),
            x.times_power_of_two(3),
            x.times_power_of_two(-7),
            x.times_power_of_two(14),
            x.lift(3) + y,
            x.with_bound(9.0),
            constant(protocol, public, 10),
            constant(protocol, public, 10) + constant(protocol, public, 12),
        ]

    expected = [
        *expressions(a, b, c, row),
        np.concatenate([a, b, c]),
        np.concatenate([a, c / 2], 1),
        np.concatenate([public, b]),
        a,
        a * 8,
        a / 128,
        a * 2**14,
        a + b,
        a,
        public,
        2 * public,
    ]
    check(build, expected, parties)


@PARTIES
@pytest.mark.parametrize("columns", [1, 3])
def test_weighted_sum(parties, columns):
    rng = np.random.default_rng(columns)
    terms = [dyadic(rng, (5, columns)) for _ in range(6)]
    weights = rng.integers(-40, 40, (6, columns)) / 16

    def build(protocol, me):
        tensors = bring(
            protocol,
            me,
            {f"t{i}": (["p0", "p1", DEALER][i % 3], term) for i, term in enumerate(terms)},
        )
        own = [tensor for index, tensor in enumerate(tensors) if index % 3 == 0]
        return [
            weighted_sum(weights, tensors, 4),
            weighted_sum(weights[:1], tensors[:1], 4),
            weighted_sum(weights[::3], own, 7),
        ]

    expected = [
        sum(w * t for w, t in zip(weights, terms, strict=True)),
        weights[0] * terms[0],
        sum(w * t for w, t in zip(weights[::3], terms[::3], strict=True)),
    ]
    check(build, expected, parties)


def test_fraction_bits_and_bounds_follow_the_operations():
    def build(protocol, me):
        (x,) = bring(protocol, me, {"x": ("p0", np.ones((3, 4)))}, bits=10, bound=8)
        (y,) = bring(protocol, me, {"y": ("p0", np.ones((4, 2)))}, bits=13, bound=3)
        facts = {
            "sum": x + x,
            "mixed": x + y[0, 0],
            "public": x + 5.5,
            "whole": x * 3,
            "fraction": x * 0.3,
            "rows": x.sum(0),
            "all": x.sum(),
            "product": x @ y,
            "stated": x.matmul(y, bound=7),
            "elements": x * x,
            "rescaled": (x @ y).rescale(11),
            "shift": x.times_power_of_two(-4),
        }
        return {name: (t.fraction_bits, t.bound) for name, t in facts.items()}

    expected = {
        "sum": (10, 16),
        "mixed": (13, 11),
        "public": (10, 13.5),
        "whole": (10, 24),
        "fraction": (26, pytest.approx(2.4, rel=1e-4)),
        "rows": (10, 24),
        "all": (10, 96),
        "product": (23, 96),
        "stated": (23, 7),
        "elements": (20, 64),
        "rescaled": (11, 96 + 2**-11),
        "shift": (14, 0.5),
    }
    out = run_parties(build, 2, outsiders=[GUEST])
    assert all(result == expected for result in out.values())


def test_a_stated_bound_holds_for_the_rounded_public_factor():
    """0.6 units of the factor's last place are rounded to a whole one: more than the float says."""
    factor = 0.6 * 2.0**-16

    def build(protocol, me):
        (x,) = bring(protocol, me, {"x": ("p0", np.full(3, 8.0))})
        scaled = x * np.array([factor, -factor, 0.0])
        return scaled.bound, scaled.reveal("scaled", ["p0"])

    bound, values = run_parties(build, 2)["p0"]
    assert np.abs(values).max() <= bound


def test_the_clear_protocol_needs_values():
    from cohortium.errors import ParameterError
    from cohortium.mpc import InputRequest, secret_inputs
    from cohortium.mpc.clear import ClearProtocol

    request = InputRequest("x", "p0", None, (2,), 10, 8)
    with pytest.raises(ParameterError, match="'x'"):
        secret_inputs(ClearProtocol(), [request])
    (x,) = secret_inputs(ClearProtocol({"x": np.array([1.0, 2.0])}), [request])
    assert x.reveal("x", [CLEAR]).tolist() == [1.0, 2.0]
