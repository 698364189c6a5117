"""Errors about one study file, each with the line of the key that it is about."""

from __future__ import annotations

from collections.abc import Sequence

from cohortium.errors import StudyError
from cohortium.study.locating import place


class Complaints:
    """Makes the errors about one file: each names the line of the key that it is about."""

    def __init__(self, source: str, text: str) -> None:
        self._source = source
        self._text = text

    def about(self, location: Sequence[str | int], what: str, *, remedy: str) -> StudyError:
        """Return the error that says what is wrong at a location, and what to do."""
        return StudyError(f"{place(self._source, self._text, location)}: {what}", remedy=remedy)
