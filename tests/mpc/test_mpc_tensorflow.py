"""The same program on TensorFlow gives the same integers as on NumPy, to the last bit."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mpc_parties import DEALER, bring, names_of, run_parties, undecoded
from mpc_tensorflow_party import both, fix_randomness, fix_session, run_traced

from cohortium.errors import DisclosureError, EncodingError, FixedPointOverflowError
from cohortium.mpc.functions import sigmoid
from cohortium.ring import TensorFlowEngine
from cohortium.study import DisclosureLedger

pytest.importorskip("tensorflow")


def eager():
    return TensorFlowEngine(traced=False)


def on_numpy(computing, monkeypatch):
    fix_randomness(monkeypatch)
    undecoded(monkeypatch)
    return run_parties(both, computing, on_mesh=fix_session)


def assert_same(one, other):
    assert len(one) == len(other)
    for index, (a, b) in enumerate(zip(one, other, strict=True)):
        np.testing.assert_array_equal(a, b, err_msg=str(index))


def test_numpy_twice_with_the_same_randomness(monkeypatch):
    one, two = on_numpy(2, monkeypatch), on_numpy(2, monkeypatch)
    assert_same(one["p0"], two["p0"])
    assert_same(one["p0"], one[DEALER])


@pytest.mark.parametrize("computing", [2, 3])
def test_eager_tensors_give_the_same_integers(computing, monkeypatch):
    expected = on_numpy(computing, monkeypatch)
    got = run_parties(both, computing, on_mesh=fix_session, engine=eager)
    for name in ("p0", "p1", DEALER):
        assert_same(got[name], expected[name])


def test_parties_on_different_engines_work_together(monkeypatch):
    expected = on_numpy(2, monkeypatch)
    engines = iter([eager(), None, None])
    got = run_parties(
        both, 2, on_mesh=fix_session, engine=lambda: next(engines) or type(expected.engines["p0"])()
    )
    assert_same(got["p1"], expected["p1"])


def test_traced_functions_in_processes_of_their_own_give_the_same_integers(tmp_path, monkeypatch):
    """p0 in this process, which has TensorFlow already; the others in one each."""
    expected = on_numpy(2, monkeypatch)
    names = [*names_of(2), DEALER]
    ends = {name: {} for name in names}
    for one, other in itertools.combinations(names, 2):
        ends[one][other], ends[other][one] = socket.socketpair()
    script = Path(__file__).with_name("mpc_tensorflow_party.py")
    processes = {}
    for name in ("p1", DEALER):
        descriptors = {peer: end.fileno() for peer, end in ends[name].items()}
        pairs = [f"{peer}={number}" for peer, number in descriptors.items()]
        processes[name] = subprocess.Popen(
            [sys.executable, str(script), name, "2", str(tmp_path / f"{name}.npz"), *pairs],
            pass_fds=list(descriptors.values()),
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for end in ends[name].values():
            end.close()
    try:
        assert_same(run_traced("p0", 2, ends["p0"]), expected["p0"])
    finally:
        errors = {name: process.communicate(timeout=20)[1] for name, process in processes.items()}
    assert [process.returncode for process in processes.values()] == [0, 0], errors
    for name in processes:
        with np.load(tmp_path / f"{name}.npz") as saved:
            assert_same([saved[key] for key in saved.files], expected[name])


def test_refusals_are_the_same_on_tensors():
    def program(protocol, me):
        (x,) = bring(protocol, me, {"x": ("p0", np.ones((2, 2)))})
        with pytest.raises(FixedPointOverflowError):
            x.lift(50)
        with pytest.raises(DisclosureError):
            x.reveal("other", ["p0"])
        return sigmoid(x, error=1e-2).reveal("model", ["p1"])

    ledger = DisclosureLedger({"model": ["p1"]})
    ledger.fix_shapes({"model": (2, 2)})
    out = run_parties(program, 2, engine=eager, ledger=ledger)
    np.testing.assert_allclose(out["p1"], 0.7310586, atol=1e-2)


def test_an_encoding_error_on_tensors_ends_the_run_for_all():
    def program(protocol, me):
        bring(protocol, me, {"x": ("p0", np.full((2, 2), np.nan))})

    out = run_parties(program, 2, engine=eager, fail=True)
    assert isinstance(out.errors["p0"], EncodingError)
    assert set(out.errors) == {"p0", "p1", DEALER}
