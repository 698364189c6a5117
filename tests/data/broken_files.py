"""What all tests of broken files ask: a message that names the file and a remedy, and no more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cohortium.data import read_cohort
from cohortium.errors import CohortiumError

# Names of Python's that tell a user nothing: classes of errors, keywords as arguments.
_PYTHON = re.compile(r"[A-Z]\w+(Error|Exception|Warning)\b|\w=\.\.\.|\w='|<class|Traceback|None\b")


def check_refused(path: Path, told: str, **read: str) -> None:
    """The file is refused, in the words given."""
    read.setdefault("orientation", "samples_in_rows")
    with pytest.raises(CohortiumError) as caught:
        read_cohort(path, **read)
    error = caught.value
    beside = [path.with_suffix(other).name for other in (".bim", ".fam")]
    assert any(name in error.what for name in (path.name, *beside)), error
    assert told in error.what
    assert error.remedy
    assert not _PYTHON.search(str(error)), error
    assert len(str(error)) < 600
