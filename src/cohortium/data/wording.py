"""How names and cells of a file are shown in messages: short, quoted, a few of many."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

_SHOWN_CHARACTERS = 40
_SHOWN_EXAMPLES = 3
_SAID_CHARACTERS = 120


def shown(text: str) -> str:
    """Return ``text`` in quotation marks, control characters escaped, cut at 40 characters."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…")


def stated(key: str) -> str:
    """Return where it is said how data are to be read: a command's option, or the study's key."""
    return f"--{key}, or {key} in the study's [data]"


def counted(number: int, noun: str) -> str:
    """Return for example ``"1 sample"`` or ``"12,625 samples"``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def said(error: Exception) -> str:
    """Return the words of a library's error in brackets, cut to a line, or "" if it has none."""
    words = " ".join(str(error).split())
    return f" ({words[:_SAID_CHARACTERS]})" if words else ""


def some(items: Sequence[str], limit: int = _SHOWN_EXAMPLES) -> str:
    """Return the first items joined by commas and how many more there are."""
    listed = ", ".join(items[:limit])
    more = len(items) - limit
    return f"{listed} and {more:,} more" if more > 0 else listed


def examples(names: Sequence[str], limit: int = _SHOWN_EXAMPLES) -> str:
    """Return the first names in quotation marks and how many more there are."""
    more = len(names) - limit
    listed = ", ".join(shown(name) for name in names[:limit])
    return f"{listed} and {more:,} more" if more > 0 else listed


def class_list(counts: Mapping[str, int]) -> str:
    """Return the classes of a label and their sizes, largest first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return some([f"{shown(name)} ({size:,})" for name, size in ordered], limit=10)


def nearest(name: str, candidates: Iterable[str]) -> str:
    """Return a sentence that offers the candidates spelt most like ``name``, or ``""``."""
    spelt = {candidate.casefold(): candidate for candidate in candidates}
    found = difflib.get_close_matches(name.casefold(), spelt, n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(shown(spelt[match]) for match in found)}?" if found else ""


def repeated(names: Iterable[str]) -> dict[str, list[int]]:
    """Return the names that occur more than once, each with the positions where it does."""
    names = tuple(names)
    if len(set(names)) == len(names):
        return {}
    positions: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        positions.setdefault(name, []).append(position)
    return {name: where for name, where in positions.items() if len(where) > 1}
