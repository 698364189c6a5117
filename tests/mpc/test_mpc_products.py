"""Products of two secrets in every combination of who knows what: equal to exact integers."""

from __future__ import annotations

import numpy as np
import pytest
from mpc_parties import DEALER, GUEST, bring, dyadic, run_for_values, run_parties

from cohortium.mpc import concatenate, constant
from cohortium.mpc.functions import gram

PARTIES = pytest.mark.parametrize("parties", [0, 2, 3, 4])


def operands(protocol, me, values, parties):
    """Tensors of 6 × 6, one of each kind that products treat in their own way."""
    last = f"p{max(parties, 2) - 1}"
    owners = ["p0", "p1", last, DEALER, GUEST, "p0", "p0"]
    tensors = bring(
        protocol, me, {f"v{i}": (o, values[i]) for i, o in enumerate(owners)}, bits=6, bound=4
    )
    x0, x1, last_one, dealt, guests, other0, _ = tensors
    big = concatenate([x0 + x1, x1, dealt]).prepare()
    return {
        "of p0": x0,
        "of p1": x1,
        "of the last": last_one,
        "of the dealer": dealt,
        "of a guest": guests,
        "masked sum of two owners": x0 + x1,
        "own product, not masked": x0 * other0,
        "secret product, not masked": x1 * dealt,
        "slice of prepared": big[6:12],
        "strided slice of prepared": big[0:12:2],
        "transpose of prepared": big[12:].T,
        "lifted, negated": -x1.lift(2),
        "weighted": x1 * 0.5 + x1.T * 2,
        "plus constant": x0 + 1.0,
        "constant": constant(protocol, values[6], 6),
        "constant plus owned": constant(protocol, values[6], 6) - x1,
        "halved twice": guests.times_power_of_two(-2),
    }


def plain_operands(v):
    big = np.concatenate([v[0] + v[1], v[1], v[3]])
    return {
        "of p0": v[0],
        "of p1": v[1],
        "of the last": v[2],
        "of the dealer": v[3],
        "of a guest": v[4],
        "masked sum of two owners": v[0] + v[1],
        "own product, not masked": v[0] * v[5],
        "secret product, not masked": v[1] * v[3],
        "slice of prepared": big[6:12],
        "strided slice of prepared": big[0:12:2],
        "transpose of prepared": big[12:].T,
        "lifted, negated": -v[1],
        "weighted": v[1] * 0.5 + v[1].T * 2,
        "plus constant": v[0] + 1.0,
        "constant": v[6],
        "constant plus owned": v[6] - v[1],
        "halved twice": v[4] / 4,
    }


@PARTIES
@pytest.mark.parametrize("seed", [0, 1])
def test_every_pair_of_kinds_elementwise_and_matrix(parties, seed):
    rng = np.random.default_rng(seed)
    values = [dyadic(rng, (6, 6), bits=6, bound=4) for _ in range(7)]
    plain = plain_operands(values)
    pairs = [(one, other) for one in plain for other in plain]

    def build(protocol, me):
        kinds = operands(protocol, me, values, parties)
        results = []
        for one, other in pairs:
            results += [kinds[one] * kinds[other], kinds[one] @ kinds[other]]
        return [concatenate([result.lift(44 - result.fraction_bits) for result in results])]

    (got,) = run_for_values(build, parties)
    for index, (one, other) in enumerate(pairs):
        product, matrix = got[12 * index : 12 * index + 6], got[12 * index + 6 : 12 * index + 12]
        np.testing.assert_array_equal(product, plain[one] * plain[other], f"{one} × {other}")
        np.testing.assert_array_equal(matrix, plain[one] @ plain[other], f"{one} @ {other}")


@PARTIES
def test_a_tensor_prepared_after_its_first_use_and_products_of_products(parties):
    rng = np.random.default_rng(3)
    a, b, c = (dyadic(rng, (5, 5), bits=4, bound=4) for _ in range(3))

    def build(protocol, me):
        tensors = {"a": ("p0", a), "b": ("p1", b), "c": (DEALER, c)}
        x, y, z = bring(protocol, me, tensors, bits=4, bound=4)
        square = x * x
        deep = (x @ y) @ z
        return [square, square * y, deep, (deep * square), (x * y) * (x * y), x @ x.T, y.T @ y]

    expected = [a * a, a * a * b, a @ b @ c, (a @ b @ c) * a * a, (a * b) ** 2, a @ a.T, b.T @ b]
    for got, want in zip(run_for_values(build, parties), expected, strict=True):
        np.testing.assert_array_equal(got, want)


@PARTIES
@pytest.mark.parametrize(
    ("left", "right"), [((4, 1), (1, 6)), ((3, 4, 2), (2,)), ((), (3, 2)), ((1,), (5, 1))]
)
def test_broadcasting_products(parties, left, right):
    rng = np.random.default_rng(4)
    a, b = dyadic(rng, left), dyadic(rng, right)

    def build(protocol, me):
        x, y, z = bring(protocol, me, {"a": ("p0", a), "b": ("p1", b), "c": (DEALER, b)})
        return [x * y, y * x, x * z, (x + x) * (z - y * 0.5)]

    expected = [a * b, b * a, a * b, 2 * a * (b - 0.5 * b)]
    for got, want in zip(run_for_values(build, parties), expected, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.usefixtures("integers")
@pytest.mark.parametrize(
    ("computing", "owners"),
    [(2, ("p0", "p1")), (3, ("p2", DEALER)), (4, (DEALER, GUEST)), (2, ("p1", "p1"))],
)
def test_a_million_products_are_exact_integers(computing, owners):
    rng = np.random.default_rng(5)
    most = 2**30 - 1
    a, b = (rng.integers(-most, most, 1_000_000, endpoint=True) for _ in range(2))
    a[:2], b[:2] = (most, -most), most

    def build(protocol, me):
        x, y = bring(
            protocol,
            me,
            {"a": (owners[0], a / 2.0**20), "b": (owners[1], b / 2.0**20)},
            bits=20,
            bound=1024,
        )
        product = x * y
        return [product, product.rescale(15)]

    product, rescaled = run_for_values(build, computing)
    np.testing.assert_array_equal(product, a * b)
    above = rescaled - (a * b >> 25)
    assert set(np.unique(above)) <= {0, 1}


@pytest.mark.usefixtures("integers")
def test_full_range_products_wrap_like_the_ring(computing):
    """Shares are uniform: products of masks use all 64 bits, whatever the values."""
    rng = np.random.default_rng(6)
    a, b = rng.integers(-(2**19), 2**19, (40, 600)), rng.integers(-(2**19), 2**19, (600, 70))

    def build(protocol, me):
        x, y, z = bring(
            protocol,
            me,
            {"a": ("p0", a * 1.0), "b": ("p1", b * 1.0), "c": (DEALER, b * 1.0)},
            bits=0,
            bound=2**19,
        )
        return [x @ y, x @ z, (x @ y).T, y.T @ z]

    one, two, three, four = run_for_values(build, computing)
    np.testing.assert_array_equal(one, a @ b)
    np.testing.assert_array_equal(two, a @ b)
    np.testing.assert_array_equal(three, (a @ b).T)
    np.testing.assert_array_equal(four, b.T @ b)


@PARTIES
def test_gram(parties):
    rng = np.random.default_rng(7)
    owners = ["p0", "p1", DEALER, GUEST, "p0"]
    blocks = [rng.uniform(-8, 8, (rows, 30)) for rows in (7, 4, 1, 5, 3)]

    def build(protocol, me):
        pairs = enumerate(zip(owners, blocks, strict=True))
        tensors = bring(protocol, me, {f"b{i}": pair for i, pair in pairs}, bits=12)
        return [
            gram([tensors], fraction_bits=18, exponent=-5),
            gram([tensors[:1]], fraction_bits=18, exponent=0),
        ]

    rounded = [np.rint(block * 2**12) / 2**12 for block in blocks] if parties else blocks
    X = np.concatenate(rounded)
    whole, single = run_for_values(build, parties)
    np.testing.assert_allclose(whole, X @ X.T / 32, rtol=0, atol=2.0**-18 + 1e-12)
    # Between different blocks one product serves both sides of the diagonal.
    np.testing.assert_array_equal(whole[:7, 7:], whole[7:, :7].T)
    np.testing.assert_allclose(single, rounded[0] @ rounded[0].T, rtol=0, atol=2.0**-18 + 1e-12)


def test_gram_takes_one_round_after_the_inputs(computing):
    def program(protocol, me):
        blocks = bring(protocol, me, {n: (n, np.ones((3, 9))) for n in ("p0", "p1")})
        before = protocol.counters.rounds
        gram([blocks], fraction_bits=10, exponent=-3)
        return protocol.counters.rounds - before

    assert run_parties(program, computing)["p0"] == 1
