"""The shared folder of real data; the parties of the mpc tests are imported from there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

TESTS = Path(__file__).resolve().parents[1]
sys.path.append(str(TESTS / "mpc"))

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(params=[2, 3])
def computing(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """The folder of a real data set, by name; skips the test where it is missing."""
    named = os.environ.get("COHORTIUM_DATA")
    folder = Path(named) if named else TESTS.parents[1] / "shared" / "data"

    def find(name: str) -> Path:
        if not (folder / name).is_dir():
            pytest.skip(f"no {name} in the shared data (set COHORTIUM_DATA to its folder)")
        return folder / name

    return find


@pytest.fixture
def recorder() -> Any:
    from mpc_parties import Recorder

    return Recorder()
