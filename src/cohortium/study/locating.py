"""Where a key stands in a TOML text: the parser tells only lines that it could not read."""

from __future__ import annotations

import re
from collections.abc import Sequence

# [section], [[section]], or [section.table]
_NAME = r"\s*[\"']?([\w-]+)[\"']?\s*"
_HEADER = re.compile(rf"\s*(\[\[?){_NAME}(?:\.{_NAME})?\]")
_KEY = re.compile(r"\s*[\"']?([\w-]+)[\"']?\s*[=.]")
_LONG_TEXT = re.compile(r"\"\"\"|'''")


def place(source: str, text: str, location: Sequence[str | int]) -> str:
    """Return how a message about a location of a file begins: its name, and the line if found."""
    line = line_of(text, location)
    return source if line is None else f"{source}: line {line}"


def line_of(text: str, location: Sequence[str | int]) -> int | None:
    """Return the line, from 1, of a location such as ("party", 1, "name").

    Of ("data", "ranges", "age"): of age below the header [data.ranges], else of ranges in [data].
    Of a key that is not there: the line of its table. None where that is not found either.
    """
    section = str(location[0]) if location else ""
    rest = list(location[1:])
    index = rest.pop(0) if rest and isinstance(rest[0], int) else 0
    key = rest[0] if rest else None
    seen: dict[str, int] = {}
    inside, found, quotes = False, None, ""
    for number, line in enumerate(text.splitlines(), 1):
        if quotes:
            quotes = "" if quotes in line else quotes
            continue
        if line.lstrip().startswith("#"):
            continue
        header = _HEADER.match(line)
        if header and header[3]:
            inside = [header[2], header[3]] == [section, *rest[:1]]
            if inside:
                found, key = number, rest[1] if len(rest) > 1 else None
        elif header:
            name = header[2]
            seen[name] = seen.get(name, -1) + 1
            inside = name == section and seen[name] == index
            found = number if inside else found
        elif (match := _KEY.match(line)) and inside and match[1] == key:
            return number
        opened = _LONG_TEXT.findall(line)
        if len(opened) % 2:
            quotes = opened[-1]
    return found
