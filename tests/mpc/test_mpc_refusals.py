"""What is refused, when, and in which words; and that nothing is sent before it is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mpc_parties import CLEAR, DEALER, GUEST, bring, run_parties

from cohortium.errors import (
    AgreementError,
    CohortiumError,
    DisclosureError,
    EncodingError,
    FixedPointOverflowError,
    FrameError,
    ParameterError,
    PeerAbortedError,
)
from cohortium.mpc import InputRequest, concatenate, constant, secret_inputs, weighted_sum
from cohortium.mpc.clear import ClearProtocol
from cohortium.mpc.dealer import Roles
from cohortium.mpc.functions import sigmoid
from cohortium.study import DisclosureLedger


def state(protocol, mesh):
    """Everything that would change if something were sent, received or counted."""
    counters = protocol.counters
    gates = {name: (c.calls, c.rounds, c.bytes_sent) for name, c in counters.gates.items()}
    return gates, counters.dealt_bytes, mesh.bytes_sent, mesh.bytes_received


def refuses(attempt, error, match, computing=3):
    """All parties refuse by themselves, nothing is sent, and the session goes on."""
    meshes = {}

    def program(protocol, me):
        x, y = bring(
            protocol,
            me,
            {"x": ("p0", np.full((4, 3), 0.5)), "y": ("p1", np.full((3, 5), 0.25))},
            bits=20,
        )
        before = state(protocol, meshes[me])
        with pytest.raises(error, match=match) as caught:
            attempt(protocol, x, y)
        assert state(protocol, meshes[me]) == before
        assert isinstance(caught.value, CohortiumError)
        assert caught.value.remedy
        return (x @ y).reveal("still usable", ["p0"])

    out = run_parties(
        program, computing, outsiders=[GUEST], on_mesh=lambda m: meshes.setdefault(m.name, m)
    )
    np.testing.assert_array_equal(out["p0"], np.full((4, 5), 0.375))


OVERFLOWS = {
    "add": lambda p, x, y: x.with_bound(2.0**41) + x.with_bound(2.0**41),
    "subtract": lambda p, x, y: x.with_bound(2.0**41) - x.with_bound(2.0**41),
    "add a constant": lambda p, x, y: x + 2.0**42,
    "lift": lambda p, x, y: x.lift(39),
    "align": lambda p, x, y: x + y[0, 0].with_bound(0.25).lift(40),
    "sum": lambda p, x, y: x.with_bound(2.0**40).sum(),
    "multiply": lambda p, x, y: x.lift(15) * x.lift(15),
    "square after square": lambda p, x, y: (x * x) * (x * x),
    "matmul": lambda p, x, y: x.lift(10) @ y.lift(6).with_bound(4),
    "stated bound": lambda p, x, y: x.matmul(y, bound=2.0**22),
    "public factor": lambda p, x, y: x * 2.0**39,
    "public fraction": lambda p, x, y: x.lift(20) * 1000.1,
    "public matrix": lambda p, x, y: x @ np.full((3, 2), 2.0**38),
    "bound": lambda p, x, y: x.with_bound(2.0**42),
    "infinite bound": lambda p, x, y: x.with_bound(math.inf),
    "bound that is no number": lambda p, x, y: x.with_bound(math.nan),
    "constant": lambda p, x, y: constant(p, [1.0], 62),
    "concatenate": lambda p, x, y: concatenate([x, x[:1].with_bound(0.01).lift(45)]),
    "weighted sum": lambda p, x, y: weighted_sum(np.full((2, 1), 2.0**10), [x, x], 28),
    "power of two": lambda p, x, y: x.times_power_of_two(60),
    "input": lambda p, x, y: secret_inputs(p, [InputRequest("z", "p0", None, (2,), 60, 8)]),
}


@pytest.mark.parametrize("name", OVERFLOWS)
def test_overflow_is_refused_before_anything_is_sent(name):
    refuses(
        OVERFLOWS[name],
        FixedPointOverflowError,
        r"needs (\d+\.\d|inf|nan) of 62 bits \(\d+ fraction bits, magnitude up to .*"
        r"[Rr]escale .* smaller bound",
    )


def test_a_refused_input_leaves_its_name_free():
    def program(protocol, me):
        values = np.ones(2) if me == "p0" else None
        with pytest.raises(FixedPointOverflowError):
            secret_inputs(protocol, [InputRequest("z", "p0", values, (2,), 60, 8)])
        (z,) = secret_inputs(protocol, [InputRequest("z", "p0", values, (2,), 20, 8)])
        return z.reveal("z", ["p1"])

    assert run_parties(program, 2)["p1"].tolist() == [1, 1]


SHAPES = {
    "add": lambda p, x, y: x + y,
    "multiply": lambda p, x, y: x * y,
    "matmul": lambda p, x, y: x @ x,
    "matmul of three axes": lambda p, x, y: x[None] @ y,
    "vector": lambda p, x, y: x[0] @ y,
    "public matmul": lambda p, x, y: x @ np.ones((4, 4)),
    "negative lift": lambda p, x, y: x.lift(-1),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_that_do_not_fit_are_refused(name):
    refuses(SHAPES[name], ParameterError, "tensors of shapes|matrix product|lift takes")


def test_names_are_used_once():
    def program(protocol, me):
        (x,) = bring(protocol, me, {"x": ("p0", np.ones(3))})
        with pytest.raises(ParameterError, match="input 'x' was made before"):
            bring(protocol, me, {"x": ("p1", np.ones(3))})
        pair = [
            InputRequest("y", o, np.ones(1) if o == me else None, (1,), 10, 8) for o in ("p0", "p1")
        ]
        with pytest.raises(ParameterError, match="input 'y' was made before"):
            secret_inputs(protocol, pair)
        first = x.reveal("sum", ["p0"])
        with pytest.raises(ParameterError, match="reveal 'sum' was made before"):
            (x + x).reveal("sum", ["p0"])
        return first

    out = run_parties(program, 2, outsiders=[GUEST])
    assert out["p0"].tolist() == [1, 1, 1]


LEDGER = {"model": ["p0", "p1", GUEST], "accuracy": [DEALER]}


def fixed(allowed, shape):
    ledger = DisclosureLedger(allowed)
    ledger.fix_shapes(dict.fromkeys(allowed, shape))
    return ledger


@pytest.mark.parametrize(
    ("name", "to", "match"),
    [
        ("weights", ["p0"], "'weights', which the study does not list"),
        ("model", ["p0", "p2"], "to p2; the study lists guest, p0, p1"),
        ("model", [DEALER], "to dealer"),
        ("accuracy", [DEALER, GUEST], "to guest"),
        ("Model", ["p0"], "'Model'"),
    ],
)
def test_the_ledger_refuses_at_every_party_before_anything_is_sent(name, to, match):
    meshes = {}

    def program(protocol, me):
        (x,) = bring(protocol, me, {"x": ("p0", np.ones(3))})
        before = state(protocol, meshes[me])
        with pytest.raises(DisclosureError, match=match) as caught:
            x.reveal(name, to)
        assert "Nothing was sent" in caught.value.remedy
        assert state(protocol, meshes[me]) == before
        with pytest.raises(DisclosureError, match=r"in the shape 1 × 3; .* allow 3"):
            x.reshape(1, 3).reveal("model", ["p0"])
        assert state(protocol, meshes[me]) == before
        return x.reveal("model", ["p0", GUEST])

    out = run_parties(
        program,
        3,
        outsiders=[GUEST],
        ledger=fixed(LEDGER, (3,)),
        on_mesh=lambda m: meshes.setdefault(m.name, m),
    )
    assert out["p0"].tolist() == out[GUEST].tolist() == [1, 1, 1]
    assert out["p1"] is out["p2"] is out[DEALER] is None


def test_the_ledger_records_what_was_revealed():
    def program(protocol, me):
        (x,) = bring(protocol, me, {"x": ("p0", np.ones((3, 2)))})
        x.reveal("model", ["p0", "p1"])

    ledger = fixed(LEDGER, (3, 2))
    run_parties(program, 2, ledger=ledger)
    assert [entry.what for entry in ledger.revealed] == ["model"]
    assert ledger.receivers("model") == (GUEST, "p0", "p1")
    assert ledger.receivers("other") == ()


def test_a_party_with_a_stricter_ledger_stops_the_reveal():
    """Each party asks its own copy: one that does not list it is enough."""

    class Strict(DisclosureLedger):
        def authorise(self, name, receivers, shape):
            import threading

            if threading.current_thread().name == "p2":
                raise DisclosureError(
                    "The program asked to reveal 'x'.", remedy="Nothing was sent."
                )

    def program(protocol, me):
        (x,) = bring(protocol, me, {"x": ("p0", np.ones(3))})
        return x.reveal("x", ["p0", "p1"])

    out = run_parties(program, 3, ledger=Strict({}), fail=True)
    assert not {"p0", "p1", "p2"} & set(out)
    assert isinstance(out.errors["p2"], DisclosureError)
    assert isinstance(out.errors["p0"], PeerAbortedError)


@pytest.mark.parametrize("cheat", ["p0", "p1"])
def test_a_modified_program_at_one_party_gets_nothing_from_the_others(cheat):
    """It has no ledger and asks for more; the others do not send what they did not ask for."""
    sent = {}

    class Open(DisclosureLedger):
        def authorise(self, name, receivers, shape):
            import threading

            if threading.current_thread().name != cheat:
                super().authorise(name, receivers, shape)

    def program(protocol, me):
        (x,) = bring(protocol, me, {"x": ("p0" if cheat != "p0" else "p2", np.ones(3))})
        if me == cheat:
            return x.reveal("labels", [cheat])
        try:
            return x.reveal("model", ["p0", "p1"])
        finally:
            sent[me] = protocol.counters.gates.get("reveal")

    ledger = Open(LEDGER)
    ledger.fix_shapes(dict.fromkeys(LEDGER, (3,)))
    out = run_parties(program, 3, ledger=ledger, fail=True)
    assert not {"p0", "p1", "p2"} & set(out)
    assert any(isinstance(error, AgreementError) for error in out.errors.values())
    # No share of a reveal was sent by anybody: transcripts are compared before.
    assert set(sent.values()) == {None}


@pytest.mark.parametrize("owner", ["p0", "p2", DEALER, GUEST])
@pytest.mark.parametrize("bad", [math.nan, 8.4375])
def test_a_value_that_can_not_be_encoded_ends_the_run_for_all(owner, bad):
    values = np.zeros((5, 4))
    values[3, 1] = bad

    def program(protocol, me):
        bring(protocol, me, {"first": ("p1", np.ones(3))})
        (x,) = bring(protocol, me, {"x": (owner, values)})
        return (x * x).reveal("square", ["p0"])

    out = run_parties(program, 3, outsiders=[GUEST], fail=True)
    assert len(out.errors) == 5
    assert isinstance(out.errors[owner], EncodingError)
    for name, error in out.errors.items():
        # Where it is in the data is for the owner's eyes.
        assert ("row 4, column 2" in str(error)) == (name == owner)
        assert "8.4375" not in str(error)
        assert "clip" in str(error) or name != owner
        if name != owner:
            assert isinstance(error, PeerAbortedError)
            assert owner in str(error)


@pytest.mark.parametrize("values", [np.ones((3, 5)), np.ones(15), None])
def test_values_of_another_shape_than_was_agreed(values):
    def program(protocol, me):
        request = InputRequest("x", "p0", values if me == "p0" else None, (5, 3), 10, 8)
        (x,) = secret_inputs(protocol, [request])
        return x.reveal("x", ["p1"])

    out = run_parties(program, 2, fail=True)
    assert not out
    assert isinstance(out.errors["p0"], ParameterError)
    assert "'x'" in str(out.errors["p0"])


def differing(one, other, stranger="p1", computing=3):
    """Run ``other`` at one party and ``one`` elsewhere; return who got which error."""

    def program(protocol, me):
        x, y, z = bring(
            protocol,
            me,
            {"x": ("p0", np.full((4, 4), 2.0)), "y": ("p1", np.eye(4)), "z": (DEALER, np.eye(4))},
        )
        result = (other if me == stranger else one)(x, y, z)
        return result.reveal("result", ["p0", "p1"])

    out = run_parties(program, computing, fail=True, deadline=3)
    assert "p0" not in out
    assert "p1" not in out
    return out.first_error()


DIFFERENT = {
    "another gate": (lambda x, y, z: x.rescale(8), lambda x, y, z: sigmoid(x)),
    "a gate left out": (lambda x, y, z: x.rescale(8), lambda x, y, z: x),
    "a gate more": (lambda x, y, z: x * y, lambda x, y, z: (x * y).rescale(12)),
    "another shape": (lambda x, y, z: x.rescale(8), lambda x, y, z: x[:2].rescale(8)),
    "another shape revealed": (lambda x, y, z: x, lambda x, y, z: x[:2]),
    "a reshape": (lambda x, y, z: x, lambda x, y, z: x.reshape(16)),
    "another order": (
        lambda x, y, z: x.rescale(8) + sigmoid(y).rescale(8),
        lambda x, y, z: sigmoid(y).rescale(8) + x.rescale(8),
    ),
    "other bits dropped": (lambda x, y, z: x.rescale(8), lambda x, y, z: x.rescale(7)),
    "another function": (
        lambda x, y, z: sigmoid(x, error=1e-2),
        lambda x, y, z: sigmoid(x, error=1e-3),
    ),
    "another product": (lambda x, y, z: x @ y, lambda x, y, z: x * y),
    "another public factor": (lambda x, y, z: x * 2, lambda x, y, z: x * 3),
    "another constant": (lambda x, y, z: x + 1, lambda x, y, z: x + 2),
    "other weights": (
        lambda x, y, z: weighted_sum(np.ones((2, 1)), [x, y], 4),
        lambda x, y, z: weighted_sum(np.full((2, 1), 2.0), [x, y], 4),
    ),
    "another linear operation": (lambda x, y, z: x + y, lambda x, y, z: x.T + y),
    "subtraction for addition": (lambda x, y, z: x + y, lambda x, y, z: x - y),
    "a lift": (lambda x, y, z: x, lambda x, y, z: x.lift(3)),
}


@pytest.mark.parametrize("stranger", ["p0", "p1", "p2"])
@pytest.mark.parametrize("name", DIFFERENT)
def test_parties_that_run_different_programs_get_an_error(name, stranger):
    error = differing(*DIFFERENT[name], stranger=stranger)
    assert isinstance(error, (FrameError, AgreementError))


def test_the_dealer_runs_another_program():
    for one, other in (DIFFERENT["another gate"], DIFFERENT["another shape"]):
        assert isinstance(differing(one, other, stranger=DEALER), FrameError)


def test_inputs_that_are_declared_differently():
    def program(protocol, me):
        bits = 12 if me == "p1" else 10
        (x,) = bring(protocol, me, {"x": ("p0", np.ones(4))}, bits=bits)
        return x.reveal("x", ["p0", "p1"])

    out = run_parties(program, 3, fail=True)
    assert isinstance(out.first_error(), AgreementError)


@pytest.mark.parametrize("gate", ["rescale", "open", "periodic"])
def test_an_opened_value_told_differently_is_noticed_before_the_reveal(gate, recorder):
    """p2 tells p0 something else than p1, at one element, by one unit of one bit."""

    def watch(mesh):
        recorder.watch(mesh)
        if mesh.name == "p2":
            exchange = mesh.exchange

            def lying(label, outgoing, incoming, **options):
                if label.endswith(" " + gate):
                    array = outgoing["p0"].copy()
                    array.flat[3] += 1
                    outgoing = {**outgoing, "p0": array}
                return exchange(label, outgoing, incoming, **options)

            mesh.exchange = lying

    def program(protocol, me):
        x, y = bring(protocol, me, {"x": ("p0", np.ones(8)), "y": ("p1", np.ones(8))})
        z = (x * y) * (x * y)
        return sigmoid(z.rescale(10).with_bound(8), error=0.1).reveal("z", ["p0", "p1"])

    out = run_parties(program, 3, on_mesh=watch, fail=True)
    assert not out
    error = out.first_error()
    assert isinstance(error, AgreementError)
    assert "different opened values" in str(error)
    assert "nothing was revealed" in str(error)
    assert not [r for r in recorder.received if r.label.startswith("reveal")]


def test_an_input_told_differently_is_noticed():
    def watch(mesh):
        if mesh.name == "p0":
            exchange = mesh.exchange

            def lying(label, outgoing, incoming, **options):
                if label.startswith("input") and outgoing:
                    outgoing = {name: array + (name == "p1") for name, array in outgoing.items()}
                return exchange(label, outgoing, incoming, **options)

            mesh.exchange = lying

    def program(protocol, me):
        (x,) = bring(protocol, me, {"x": ("p0", np.ones(8))})
        return x.reveal("x", ["p0"])

    out = run_parties(program, 3, on_mesh=watch, fail=True)
    assert isinstance(out.first_error(), AgreementError)


@pytest.mark.parametrize(
    "roles", [(("p0",), "d"), (("p0", "p0"), "d"), ((), "d"), (("a", "d"), "d")]
)
def test_roles_that_make_no_session(roles):
    with pytest.raises(ParameterError):
        Roles(*roles)


def test_the_clear_protocol_refuses_the_same_overflows():
    x = constant(ClearProtocol(), np.ones(3), 30)
    with pytest.raises(FixedPointOverflowError):
        x.lift(1) * x.lift(1)
    (z,) = bring(ClearProtocol(), CLEAR, {"z": ("p0", np.ones(3))}, bits=30)
    with pytest.raises(FixedPointOverflowError):
        z * z
