"""Rounds and bytes of every gate, exactly as documented; and what really crosses the links."""

from __future__ import annotations

import numpy as np
import pytest
from mpc_parties import DEALER, GUEST, bring, run_parties

from cohortium.learn import DualParameters, plan_dual, train
from cohortium.mpc.functions import sigmoid
from cohortium.mpc.functions.activation import sigmoid_series

SIZE = 24


class Meter:
    """What one step costs this party: rounds, payload bytes to its equals, dealt bytes."""

    def __init__(self, protocol):
        self._counters = protocol.counters
        self.costs = {}

    def __call__(self, name, step):
        counters = self._counters
        rounds, dealt = counters.rounds, counters.dealt_bytes
        sent = counters.bytes_sent - dealt
        result = step()
        self.costs[name] = (
            counters.rounds - rounds,
            counters.bytes_sent - counters.dealt_bytes - sent,
            counters.dealt_bytes - dealt,
        )
        return result


def measured(protocol, me):
    meter = Meter(protocol)
    ones = np.ones((4, 6))
    owners = {"x": ("p0", ones), "y": ("p1", ones)}
    x, y = meter("input", lambda: bring(protocol, me, owners))
    (z,) = meter("input of the dealer", lambda: bring(protocol, me, {"z": (DEALER, ones)}))
    meter("input of a guest", lambda: bring(protocol, me, {"g": (GUEST, ones)}))
    linear = meter("linear", lambda: (x + y - 3)[1:].T * 2 + z[1:].T.lift(0) - x.sum())
    meter("product of inputs", lambda: x * y)
    secret = meter("product of an input and a mixture", lambda: (x + y) * z)
    meter("own product", lambda: x * x)
    meter("constant product", lambda: x * np.full((4, 6), 2.0))
    meter("prepare", lambda: secret.prepare())
    meter("prepare again", lambda: secret.prepare())
    meter("product of prepared", lambda: secret * secret)
    meter("matrix product of slices", lambda: secret[:2] @ secret[2:].T)
    meter("matrix product with an input", lambda: secret @ y.T)
    meter("product, both to be opened", lambda: linear * (x * z)[1:].T)
    meter("rescale", lambda: secret.rescale(10))
    for error, bits in ((0.1, 10), (0.01, 21), (0.1, 27), (0.01, 45)):
        bound = x.with_bound(1).lift(bits - 10) if bits > 10 else x.with_bound(1)
        series = sigmoid_series(1.0, error)
        meter(("sigmoid", bits, error), lambda b=bound, e=error: sigmoid(b, error=e))
        meter.costs["sigmoid", bits, error] += (bits + series.period_bits, series.harmonics)
    meter("reveal to p0", lambda: secret.reveal("r", ["p0"]))
    meter("reveal to all", lambda: secret.reveal("a", ["p0", "p1", DEALER, GUEST]))
    return meter.costs


def test_rounds_and_bytes_of_every_gate(computing):
    out = run_parties(measured, computing, outsiders=[GUEST])
    others = computing - 1
    element = 8 * SIZE * others
    transcript = 64 * others
    expected = {
        "input of the dealer": (1, 0, 0),
        "input of a guest": (1, 0, 0),
        "linear": (0, 0, 0),
        "product of inputs": (0, 0, 0),
        "product of an input and a mixture": (0, 0, 0),
        "own product": (0, 0, 0),
        "constant product": (0, 0, 0),
        "prepare": (1, element, 0),
        "prepare again": (0, 0, 0),
        "product of prepared": (0, 0, 0),
        "matrix product of slices": (0, 0, 0),
        "matrix product with an input": (0, 0, 0),
        # 6 × 3 elements each: what follows from inputs by linear steps is masked already.
        "product, both to be opened": (1, 18 * 8 * others, 0),
        "rescale": (1, element, 0),
    }
    for index in range(computing):
        costs = out[f"p{index}"]
        owner = index in (0, 1)
        assert costs["input"] == (1, element if owner else 0, 0)
        for name, cost in expected.items():
            assert costs[name] == cost, name
        # A transcript's round and the reveal's own.
        assert costs["reveal to p0"] == (2, transcript + (8 * SIZE if index else 0), 0)
        receivers = 4 - (index < 2)
        assert costs["reveal to all"] == (2, transcript + 8 * SIZE * receivers, 0)
        for name, cost in costs.items():
            if name[0] == "sigmoid":
                rounds, sent, dealt, modulus_bits, _ = cost
                assert (rounds, sent, dealt) == (1, -(-modulus_bits // 8) * SIZE * others, 0)
    widths = {-(-cost[3] // 8) for name, cost in out["p0"].items() if name[0] == "sigmoid"}
    assert len(widths) >= 3


def test_what_the_dealer_sends(computing):
    """One value for each dealt element, to the last computing party alone."""
    costs = run_parties(measured, computing, outsiders=[GUEST])[DEALER]
    word = 8 * SIZE
    expected = {
        "input": 0,
        "input of the dealer": word * computing,
        "input of a guest": 0,
        "linear": 0,
        "product of inputs": word,
        "product of an input and a mixture": word,
        "own product": 0,
        "prepare": 0,
        "product of prepared": word,
        "matrix product of slices": 8 * 2 * 2,
        "matrix product with an input": 8 * 4 * 4,
        "rescale": 2 * word,
        "reveal to p0": 0,
        "reveal to all": 0,
    }
    for name, dealt in expected.items():
        assert costs[name] == (0, 0, dealt), name
    for name, cost in costs.items():
        if name[0] == "sigmoid":
            assert cost[2] == 2 * cost[4] * word


def test_an_outsider_sends_its_input_to_all_that_compute(computing):
    costs = run_parties(measured, computing, outsiders=[GUEST])[GUEST]
    assert costs.pop("input of a guest") == (1, 8 * SIZE * computing, 0)
    assert {cost[:3] for cost in costs.values()} == {(0, 0, 0)}


def test_counts_by_gate(computing):
    def program(protocol, me):
        x, y = bring(protocol, me, {"x": ("p0", np.ones(5)), "y": ("p1", np.ones(5))})
        (x * y).rescale(8)
        sigmoid(x)
        (x * y * x).reveal("r", ["p0"])
        return {name: (c.calls, c.rounds) for name, c in protocol.counters.gates.items()}

    out = run_parties(program, computing)
    assert out["p0"] == {
        "input": (1, 1),
        "product": (3, 0),
        "rescale": (1, 1),
        "periodic": (1, 1),
        "open": (1, 1),
        "transcript": (1, 1),
        "reveal": (1, 1),
    }
    assert out[DEALER] == {"product": (3, 0)}


def test_an_input_of_real_size_takes_8_bytes_an_element_on_the_wire(computing):
    """A hospital's 100 × 12,634 numbers: framing is next to nothing."""
    values = np.ones((100, 12_634))
    grown = {}

    def program(protocol, me):
        mesh = meshes[me]
        before = dict(mesh.sent_to), protocol.counters.bytes_sent
        bring(protocol, me, {"x": ("p1", values)})
        grown[me] = (
            {to: count - before[0][to] for to, count in mesh.sent_to.items()},
            protocol.counters.bytes_sent - before[1],
        )

    meshes = {}
    run_parties(program, computing, on_mesh=lambda m: meshes.setdefault(m.name, m))
    for name, (sent, counted) in grown.items():
        for to, count in sent.items():
            if name == "p1" and to != DEALER:
                assert 8 * values.size <= count <= 8.001 * values.size
            else:
                assert count == 0
        assert counted == (8 * values.size * (computing - 1) if name == "p1" else 0)


def test_counters_agree_with_the_wire(computing):
    """Payloads counted, against bytes sent: the rest is frames' headers of at most 150 bytes."""
    frames = {}

    def watch(mesh):
        exchange = mesh.exchange

        def counting(label, outgoing, incoming, **options):
            frames[mesh.name] = frames.get(mesh.name, 0) + len(outgoing)
            return exchange(label, outgoing, incoming, **options)

        mesh.exchange = counting

    def program(protocol, me):
        mesh = meshes[me]
        before = mesh.bytes_sent
        x, y = bring(protocol, me, {"x": ("p0", np.ones(500)), "y": (DEALER, np.ones(500))})
        sigmoid((x * y).rescale(8)).reveal("r", ["p1"])
        return mesh.bytes_sent - before, protocol.counters.bytes_sent

    meshes = {}

    def both(mesh):
        watch(mesh)
        meshes[mesh.name] = mesh

    for name, (sent, counted) in run_parties(program, computing, on_mesh=both).items():
        assert 48 * frames[name] <= sent - counted <= 150 * frames[name]


def test_all_owners_inputs_share_one_round(computing):
    def program(protocol, me):
        requests = {f"x{i}": (o, np.ones(7)) for i, o in enumerate(["p0", "p1", DEALER, GUEST] * 2)}
        bring(protocol, me, requests)
        return protocol.counters.rounds

    out = run_parties(program, computing, outsiders=[GUEST])
    assert [out[f"p{i}"] for i in range(computing)] == [1] * computing


def training(columns, iterations, computing=2):
    """Return the rounds and bytes that p0 counts in a whole training."""
    sizes = {"p0": 7, "p1": 6}
    l2 = tuple(np.linspace(0.1, 1, columns))
    plan = plan_dual(13, 10, 4.0, DualParameters(l2=l2, iterations=iterations))
    rng = np.random.default_rng(0)
    data = {n: (rng.uniform(-2, 2, (k, 10)), np.arange(k) % 2) for n, k in sizes.items()}

    def program(protocol, me):
        told = {"bounds": ["p0", "p1"], "model": ["p1"]}
        train(protocol, plan, sizes, {me: data[me]} if me in data else {}, told)
        return protocol.counters.rounds, protocol.counters.bytes_sent

    return run_parties(program, computing)["p0"]


@pytest.mark.parametrize("columns", [1, 50])
def test_an_iteration_takes_two_rounds(columns, computing):
    rounds = [training(columns, t, computing)[0] for t in (4, 5, 9)]
    assert rounds[1] - rounds[0] == 2
    assert rounds[2] - rounds[1] == 8


def test_the_rounds_do_not_depend_on_the_columns(computing):
    """Share; Gram, prepare; two an iteration after the first; dual, check, its reveal; rescales;
    reveal. In a study this small the dual coefficients need no rescaling first.
    """
    one, fifty = training(1, 6, computing), training(50, 6, computing)
    assert one[0] == fifty[0] == 1 + 2 + 2 * 5 + (1 + 7 + 2) + 2 + 2
    assert fifty[1] > one[1]
