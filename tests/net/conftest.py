from __future__ import annotations

import pytest
from net_parties import identity

from cohortium.net import Identity


@pytest.fixture(scope="session")
def identities(tmp_path_factory: pytest.TempPathFactory) -> list[Identity]:
    directory = tmp_path_factory.mktemp("identities")
    return [identity(directory, name) for name in ("alice", "bob", "carol")]
