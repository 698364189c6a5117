"""The largest of secret numbers: against NumPy, with ties, at both ends; rounds and bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpc_parties import GUEST, bring, run_clear, run_for_values, run_parties

from cohortium.errors import ParameterError
from cohortium.mpc.functions import quotient, top


def expected(scores: np.ndarray[Any, Any], count: int) -> np.ndarray[Any, Any]:
    """Return bits at the largest of each row, of equals at the first."""
    order = np.argsort(-scores, axis=1, kind="stable")
    bits = np.zeros(scores.shape)
    np.put_along_axis(bits, order[:, :count], 1.0, axis=1)
    return bits


def found(
    scores: np.ndarray[Any, Any], count: int, parties: int, bits: int, bound: float
) -> np.ndarray[Any, Any]:
    def build(protocol: Any, me: str) -> Any:
        (x,) = bring(protocol, me, {"x": (GUEST, scores)}, bits=bits, bound=bound)
        return [top(x, count)]

    return run_for_values(build, parties)[0]


@pytest.mark.parametrize("parties", [0, 2, 3, 4])
@settings(max_examples=40)
@given(data=st.data())
def test_the_largest_are_those_of_numpy(parties: int, data: st.DataObject) -> None:
    rows, n = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 40))
    bits = data.draw(st.integers(0, 12))
    # Few different values, so that many are equal; the bound itself among them.
    bound = data.draw(st.sampled_from([0.75, 1.0, 3.0, 100.0]))
    most = max(1, int(bound * 2**bits))
    bound = max(bound, 2.0**-bits)
    spread = data.draw(st.sampled_from([1, 3, most]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    units = rng.integers(-min(spread, most), min(spread, most), (rows, n), endpoint=True)
    units.flat[0] = rng.choice([-most, most])
    scores = units * 2.0**-bits
    for count in {1, n, int(rng.integers(1, n, endpoint=True))}:
        got = found(scores, count, parties, bits, bound)
        np.testing.assert_array_equal(got, expected(scores, count))


def test_tensors_give_the_same_bits() -> None:
    pytest.importorskip("tensorflow")
    from cohortium.ring import TensorFlowEngine

    scores = np.random.default_rng(2).integers(-3, 3, (1, 12)).astype(float)

    def build(protocol: Any, me: str) -> Any:
        (x,) = bring(protocol, me, {"x": ("p0", scores)}, bits=0, bound=3.0)
        return [top(x, 4)]

    got = run_for_values(build, 2, outsiders=(), engine=lambda: TensorFlowEngine(traced=False))[0]
    np.testing.assert_array_equal(got, expected(scores, 4))


def test_all_equal_scores_are_taken_in_their_order() -> None:
    for value in (-5.0, 0.0, 5.0):
        got = found(np.full((2, 9), value), 4, 2, 4, 5.0)
        np.testing.assert_array_equal(got, [[1.0] * 4 + [0.0] * 5] * 2)


@pytest.mark.parametrize(("bits", "bound", "total"), [(8, 0.99, 9), (24, 0.5, 25), (0, 7.0, 4)])
def test_rounds_and_bytes(bits: int, bound: float, total: int, computing: int) -> None:
    n, rows = 48, 2

    def program(protocol: Any, me: str) -> Any:
        scores = np.linspace(-bound, bound, rows * n).reshape(rows, n)
        (x,) = bring(protocol, me, {"x": (GUEST, scores)}, bits=bits, bound=bound)
        y = (x + 0.0).rescale(bits)
        counters = protocol.counters
        before = counters.rounds, {name: c.bytes_sent for name, c in counters.gates.items()}
        top(y, 5)
        sent = {name: c.bytes_sent - before[1].get(name, 0) for name, c in counters.gates.items()}
        return counters.rounds - before[0], sent

    rounds, sent = run_parties(program, computing, outsiders=[GUEST])["p0"]
    # Scores are inputs here, masked as they come. Numbers of up to 17 bits need a round less.
    digits = -(-total // 2)
    short = total + 1 <= 16
    assert rounds == digits * (1 + (2 if short else 3) + 3) + (2 if short else 3) + 3
    peers = computing - 1
    # Thresholds, counts (three a digit but for a single bit) and places are opened.
    counts = 3 * (total // 2) + total % 2
    assert sent["open"] == 8 * peers * (rows * (digits + counts) + 2 * rows * n)
    assert sent["compare"] <= 4.5 * peers * rows * (n * (counts + 3) + counts) + 64 * digits


def test_a_count_that_is_no_count_is_refused() -> None:
    def build(protocol: Any, me: str) -> Any:
        (x,) = bring(protocol, me, {"x": ("p0", np.ones((2, 3)))}, bits=4, bound=8)
        for wrong in (0, 4):
            with pytest.raises(ParameterError, match="can not be told"):
                top(x, wrong)
        with pytest.raises(ParameterError, match="can not be told"):
            top(x.reshape(6), 1)

    run_parties(build)


@pytest.mark.parametrize("parties", [2, 3])
@pytest.mark.parametrize(("low", "high", "bits"), [(2.0**-28, 3.0, 54), (1, 4096, 30)])
def test_quotients_hold_their_error_over_the_whole_range(
    parties: int, low: float, high: float, bits: int
) -> None:
    rng = np.random.default_rng(7)
    unit = 2.0**-bits
    x = np.exp(rng.uniform(np.log(low), np.log(high), 1000))
    x[:2] = low, high
    x = np.clip(np.rint(x / unit) * unit, low, high)
    share = rng.uniform(-1, 1, 1000)
    share[:4] = 1, 0, -1, 0
    numerator = np.trunc(x * share / unit) * unit

    def build(protocol: Any, me: str) -> Any:
        owners = {"x": ("p0", x), "n": ("p1", numerator)}
        tensors = bring(protocol, me, owners, bits=bits, bound=high)
        before = protocol.counters.rounds
        result = quotient(tensors[1], tensors[0], low, high)
        assert protocol.counters.rounds - before <= 19
        assert result.fraction_bits == 24
        return [result]

    got = run_for_values(build, parties, outsiders=())[0]
    assert np.abs(got - numerator / x).max() < 2.0**-21
    program_clear = run_clear(lambda protocol, me: build(protocol, me)[0].value)
    assert np.abs(program_clear - numerator / x).max() < 2.0**-21
