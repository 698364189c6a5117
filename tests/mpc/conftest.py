from __future__ import annotations

import pytest
from hypothesis import settings
from mpc_parties import Recorder, Streams, undecoded

# Every example starts the threads of a session; what can be batched is batched in one example.
settings.register_profile("untimed", deadline=None)
settings.register_profile("sessions", max_examples=6, deadline=None)
settings.load_profile("untimed")


@pytest.fixture(params=[2, 3, 4])
def computing(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture
def integers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reveals return ring integers in this test."""
    undecoded(monkeypatch)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> Streams:
    return Streams().patch(monkeypatch)
