"""The shared folder of real data, and small tables written to order."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


def _shared_folder() -> Path:
    named = os.environ.get("COHORTIUM_DATA")
    return Path(named) if named else CHECKOUT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """The folder of a real data set, by name; skips the test where it is missing."""

    def find(name: str) -> Path:
        folder = _shared_folder() / name
        if not folder.is_dir():
            pytest.skip(f"no {name} in the shared data (set COHORTIUM_DATA to its folder)")
        return folder

    return find


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a text or bytes to a file of the given name, and return its path."""

    def to_file(content: str | bytes, name: str = "expr.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return to_file
