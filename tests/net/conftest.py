from __future__ import annotations

import pytest
from net_parties import identity

from cohortium.net import Identity, meeting


@pytest.fixture(autouse=True)
def _short_farewell(monkeypatch: pytest.MonkeyPatch) -> None:
    """All parties of a test start together, so nobody comes a whole second late."""
    monkeypatch.setattr(meeting, "_TURNED_AWAY_SECONDS", 0.4)


@pytest.fixture(scope="session")
def identities(tmp_path_factory: pytest.TempPathFactory) -> list[Identity]:
    directory = tmp_path_factory.mktemp("identities")
    return [identity(directory, name) for name in ("alice", "bob", "carol")]
