"""The periodic gate: the error that is stated holds over the whole range."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
from mpc_parties import CLEAR, DEALER, GUEST, bring, run_clear, run_for_values, run_parties
from scipy.special import ndtr

from cohortium.errors import AgreementError, FixedPointOverflowError, ParameterError
from cohortium.mpc.dealer import waving
from cohortium.mpc.functions import periodic, probit, sigmoid, softplus, tanh
from cohortium.mpc.functions.activation import sigmoid_series, tanh_series
from cohortium.mpc.periodic import piece_shapes, rounded_waves

FUNCTIONS = {
    "sigmoid": (sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    "tanh": (tanh, np.tanh),
    "probit": (probit, ndtr),
    "softplus": (softplus, lambda x: np.logaddexp(0, x)),
}


def points(bound, bits, count=100_000, seed=0):
    """Random numbers over the bound that fixed point holds exactly, with the ends and zero."""
    rng = np.random.default_rng(seed)
    unit = 2.0**-bits
    values = np.rint(rng.uniform(-bound, bound, count) / unit) * unit
    values[:5] = [bound, -bound, 0, unit, -unit]
    return np.clip(values, -bound, bound)


@pytest.mark.parametrize("error", [1e-1, 1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("bound", [0.75, 20])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_stated_error_holds(name, bound, error):
    gate, function = FUNCTIONS[name]
    parties = 3 if error == 1e-2 else 2
    x = points(bound, 24)

    def build(protocol, me):
        (tensor,) = bring(protocol, me, {"x": ("p1", x)}, bits=24, bound=bound)
        return [gate(tensor, error=error)]

    (got,) = run_for_values(build, parties, outsiders=())
    difference = got - function(x)
    assert np.abs(difference).max() <= error
    # The dealt and public roundings are unbiased, the series' own error a fiftieth.
    assert abs(difference.mean()) < error / 20


@pytest.mark.parametrize("bits", [1, 5, 13, 30, 50, 57])
def test_any_scale_of_the_input(bits, computing):
    """m = f + p bits from 6 to 62: all packings of 1 to 8 bytes."""
    x = points(8, min(bits, 45), 3000)

    def build(protocol, me):
        one, two = bring(protocol, me, {"x": ("p0", x), "y": (GUEST, -x)}, bits=min(bits, 45))
        extra = bits - one.fraction_bits
        if extra:
            one, two = one.with_bound(4).lift(extra), two.with_bound(4).lift(extra)
        return [sigmoid(t, error=1e-2) for t in (one, two)]

    x = np.clip(x, -4, 4) if bits > 45 else x
    one, two = run_for_values(build, computing)
    assert np.abs(one - 1 / (1 + np.exp(-x))).max() <= 1e-2
    assert np.abs(two - 1 / (1 + np.exp(x))).max() <= 1e-2


def test_all_64_bits():
    x = points(4, 40, 2000)

    def build(protocol, me):
        (tensor,) = bring(protocol, me, {"x": ("p0", x)}, bits=40, bound=4)
        series = sigmoid_series(4, 1e-3)
        tensor = tensor.lift(64 - series.period_bits - 40)
        assert tensor.fraction_bits + series.period_bits == 64
        return [periodic(tensor, series)]

    (got,) = run_for_values(build, 2)
    assert np.abs(got - 1 / (1 + np.exp(-x))).max() <= 1e-3


@pytest.mark.parametrize("parties", [0, 2, 3])
def test_of_secret_products_constants_and_shapes(parties):
    rng = np.random.default_rng(2)
    a, b = rng.uniform(-2, 2, (4, 3)), rng.uniform(-2, 2, (3, 2))

    def build(protocol, me):
        x, y = bring(protocol, me, {"a": ("p0", a), "b": (DEALER, b)}, bits=12, bound=2)
        z = x @ y
        return [
            sigmoid(z),
            tanh(z),
            sigmoid(x[0, 0]),
            sigmoid(x - x),
            periodic(z.T, sigmoid_series(16, 1e-2)),
        ]

    z = a @ b
    expected = [
        FUNCTIONS["sigmoid"][1](z),
        np.tanh(z),
        FUNCTIONS["sigmoid"][1](a[0, 0]),
        np.full(a.shape, 0.5),
        FUNCTIONS["sigmoid"][1](z.T),
    ]
    errors = [4e-3, 6e-3, 4e-3, 4e-3, 1.2e-2]
    for got, want, error in zip(run_for_values(build, parties), expected, errors, strict=True):
        assert np.shape(got) == np.shape(want)
        assert np.abs(got - want).max() <= error


def test_the_clear_protocol_evaluates_the_series_or_the_function():
    x = points(8, 20, 5000)

    def program(protocol, me):
        (tensor,) = bring(protocol, me, {"x": (CLEAR, x)}, bits=20)
        return sigmoid(tensor, error=1e-3).reveal("y", [me])

    exact = 1 / (1 + np.exp(-x))
    np.testing.assert_allclose(run_clear(program), exact, atol=1e-14)
    by_series = np.abs(run_clear(program, exact=False) - exact).max()
    assert 1e-9 < by_series <= 1e-3 / 50


@pytest.mark.parametrize("bound", [0.3, 1, 7.9, 8, 8.1, 100])
@pytest.mark.parametrize("make", [sigmoid_series, tanh_series])
def test_a_series_knows_its_error_and_period(make, bound):
    series = make(bound, 5e-3)
    x = np.linspace(-bound, bound, 20_001)
    function = FUNCTIONS[series.name][1]
    assert np.abs(series(x) - function(x)).max() <= 5e-3 / 50
    assert 4 * bound <= 2.0**series.period_bits < 64 * bound
    assert series.harmonics <= 32 * max(1, bound / 8)
    assert series.largest == pytest.approx(np.abs(function(x)).max(), abs=1e-6)


def test_the_last_coefficient_takes_up_what_is_left_out():
    series = sigmoid_series(32.0, 2e-3)
    assert series.harmonics == 30
    # Larger than a geometric continuation of those before it.
    before, last = series.sines[-2:]
    assert last > 1.5 * before * before / series.sines[-3]


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 2500])
@pytest.mark.parametrize("harmonics", [1, 2, 7])
def test_waves_are_rounded_multiples_of_the_angle(size, harmonics):
    values = np.random.default_rng(size).integers(-(2**62), 2**62, size)
    amplitudes = np.linspace(900.0, 1.0, harmonics)
    pieces = list(rounded_waves(values, 40, harmonics, factor=1j, amplitudes=amplitudes))
    assert [piece.shape for piece in pieces] == piece_shapes(size, harmonics)
    angle = 2 * math.pi * (values % 2**40) / 2.0**40
    for j, amplitude in enumerate(amplitudes):
        got = np.concatenate([piece[j] for piece in pieces] or [np.empty(0, np.int64)])
        want = 1j * amplitude * np.exp(1j * (2 * j + 1) * angle)
        assert np.abs(got[::2] - want.real).max(initial=0) <= 0.5 + 1e-6
        assert np.abs(got[1::2] - want.imag).max(initial=0) <= 0.5 + 1e-6


@pytest.mark.parametrize("error", [0, 1e-7, 0.5, -1, math.nan])
def test_errors_that_are_not_offered(error):
    with pytest.raises(ParameterError):
        sigmoid_series(8.0, error)


def test_bounds_that_do_not_fit_are_refused_before_anything_is_sent():
    def program(protocol, me):
        (x,) = bring(protocol, me, {"x": ("p0", np.zeros(3))}, bits=40, bound=2)
        counted = protocol.counters.rounds
        with pytest.raises(FixedPointOverflowError, match=r"of 64 bits\. Rescale it to \d+ frac"):
            sigmoid(x.lift(20), error=2e-3)
        with pytest.raises(ParameterError, match="harmonics"):
            sigmoid(x.with_bound(2.0**20), error=0.3)
        with pytest.raises(ParameterError, match="larger bound"):
            periodic(x, sigmoid_series(1.0, 0.1))
        assert protocol.counters.rounds == counted

    run_parties(program, 2)


@pytest.mark.parametrize("parties", [0, 2])
def test_a_bound_of_less_than_one_unit(parties):
    """Such a tensor holds only zeros; its period is shorter than one unit of the ring."""

    def build(protocol, me):
        (x,) = bring(protocol, me, {"x": ("p0", np.zeros(4))}, bits=2, bound=0.01)
        return [sigmoid(x, error=1e-2), tanh(x, error=1e-2)]

    one, two = run_for_values(build, parties)
    assert np.abs(one - 0.5).max() <= 1e-2
    assert np.abs(two).max() <= 1e-2


def test_a_sine_that_rounds_otherwise_is_noticed_before_anything_is_revealed(monkeypatch):
    """Another processor's sine may differ in its last bit; with shares a unit would be noise."""
    exact = waving.rounded_waves

    def rounded(*arguments, **options):
        for piece in exact(*arguments, **options):
            if threading.current_thread().name == "p1" and "amplitudes" in options:
                piece[0, 0] += 1
            yield piece

    monkeypatch.setattr(waving, "rounded_waves", rounded)

    def program(protocol, me):
        (x,) = bring(protocol, me, {"x": ("p0", np.zeros(5))})
        return sigmoid(x, error=1e-2).reveal("result", ["p0"])

    out = run_parties(program, 2, fail=True)
    assert not any(result is not None for result in out.values())
    assert isinstance(out.first_error(), AgreementError)
