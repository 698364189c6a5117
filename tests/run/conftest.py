"""The shared folder of real data."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """The folder of a real data set, by name; skips the test where it is missing."""
    named = os.environ.get("COHORTIUM_DATA")
    folder = Path(named) if named else CHECKOUT.parent / "shared" / "data"

    def find(name: str) -> Path:
        if not (folder / name).is_dir():
            pytest.skip(f"no {name} in the shared data (set COHORTIUM_DATA to its folder)")
        return folder / name

    return find
