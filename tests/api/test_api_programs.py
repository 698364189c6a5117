"""Programs on secret tensors, run by all parties as threads, against the same in the clear."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import cohortium as co
from cohortium.errors import EncodingError, FixedPointOverflowError, ParameterError

RNG = np.random.default_rng(0)
X, Y = RNG.uniform(-1, 1, (4, 3)), RNG.uniform(-1, 1, (3, 2))


def program(x, y):
    return co.mpc.sigmoid(x @ y)


@pytest.mark.parametrize("parties", [2, 3, 4])
def test_a_program_gives_the_clear_result_and_its_cost(parties):
    result = co.local(parties=parties)(program)(x=X, y=Y)
    exact = co.clear()(program)(x=X, y=Y)
    np.testing.assert_allclose(exact.value, 1 / (1 + np.exp(-X @ Y)))
    assert np.abs(result.value - exact.value).max() <= 2e-3 + 1e-4
    assert np.abs(result.value - exact.value).max() > 0
    assert result.rounds == sum(gate.rounds for gate in result.gates.values())
    assert result.gates["input"].rounds == result.gates["periodic"].rounds == 1
    # Each owner sends 8 bytes an element to each other computing party.
    assert result.bytes_sent["input"] == 8 * (X.size + Y.size) * (parties - 1)
    assert result.dealt_bytes > 0
    assert exact.rounds == 0


def test_several_results_positions_and_owners():
    both = co.local()(lambda x, y: {"sum": x + y, "parts": (x, y)})
    result = both(co.Secret([1.5, 2.0], owner=1, bound=4.0), [0.25, 0.5]).value
    assert result["sum"].tolist() == [1.75, 2.5]
    assert [each.tolist() for each in result["parts"]] == [[1.5, 2.0], [0.25, 0.5]]


def test_what_does_not_fit_says_what_to_do():
    with pytest.raises(FixedPointOverflowError, match="Rescale an operand"):
        co.local()(lambda x: x * x * x * x)(X)
    with pytest.raises(EncodingError):
        co.local()(lambda x: x)(co.Secret([3.0], bound=2.0))
    with pytest.raises(ParameterError, match="returned a float"):
        co.local()(lambda x: 1.0)(X)
    with pytest.raises(ParameterError, match="two or more"):
        co.local(parties=1)
    with pytest.raises(ParameterError, match="from 0 to 1"):
        co.local()(lambda x: x)(co.Secret(X, owner=2))
    with pytest.raises(TypeError):
        co.local()(program)(X)


def test_an_input_shows_no_value():
    assert repr(co.Secret([123.0], owner=0)) == "Secret(shape=(1,), owner=0)"


def test_importing_loads_nothing_heavy():
    code = "import sys, cohortium; print([m for m in ('tensorflow', 'numpy') if m in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
