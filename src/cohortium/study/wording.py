"""What is wrong in a study file, in words: the key, the value, what is allowed."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cohortium.study.locating import line_of

_MOST_PROBLEMS = 5
_SHOWN = 60
# Plainer than pydantic's words; its message for any other type of problem says what is allowed.
_WORDS = {
    "model_type": "should be a table",
    "list_type": "should be a list",
    "string_type": "should be a text in quotation marks",
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "finite_number": "should be a finite number",
    "too_short": "should have {min_length} or more entries",
    "too_long": "should have {max_length} or fewer entries",
    "string_too_short": "should not be empty",
    "string_too_long": "should have {max_length} characters or fewer",
}
_PATTERNS = {
    "name": "1 to 32 of a-z, 0-9 and '-', the first of them a letter",
    "to": "the names of parties",
    "address": "HOST:PORT",
}


def explain(error: ValidationError, source: str, study: type[BaseModel], text: str) -> str:
    """Return a sentence that names each wrong key, its line, its value and what is allowed.

    ``study`` is the model of a whole file; at most five problems are told.
    """
    sentences = []
    for problem in error.errors()[:_MOST_PROBLEMS]:
        location = [part for part in problem["loc"] if not _of_pydantic(part)]
        line = line_of(text, location)
        place = ("" if line is None else f"line {line}: ") + _key(location)
        if problem["type"] == "extra_forbidden":
            known = _known_keys(problem["loc"][:-1], study)
            near = get_close_matches(str(problem["loc"][-1]), known, 1)
            hint = f"did you mean {near[0]!r}" if near else f"known keys: {', '.join(known)}"
            sentences.append(f"{place} is not a known key ({hint})")
        elif problem["type"] == "missing":
            sentences.append(f"{place} is missing")
        else:
            sentences.append(f"{place} = {_shown(problem['input'])} {_allowed(problem)}")
    return f"{source}: " + "; ".join(sentences) + "."


def _of_pydantic(part: str | int) -> bool:
    """Return whether a part of a location is no key of the file, but pydantic's own."""
    return isinstance(part, str) and part.startswith(("function-", "literal[", "list["))


def _shown(value: Any) -> str:
    """Return a value as it may be written in TOML, cut to a line."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _allowed(problem: ErrorDetails) -> str:
    if problem["type"] == "string_pattern_mismatch":
        key = next(part for part in reversed(problem["loc"]) if isinstance(part, str))
        return f"should be {_PATTERNS[key]}"
    if problem["type"] in _WORDS:
        return _WORDS[problem["type"]].format(**problem.get("ctx", {}))
    return problem["msg"].replace("Input should", "should", 1)


def _key(location: list[Any]) -> str:
    text = ""
    for part in location:
        text += f"[{part + 1}]" if isinstance(part, int) else ("." if text else "") + str(part)
    return text or "the file"


def _known_keys(location: tuple[Any, ...], study: type[BaseModel]) -> list[str]:
    """Return the keys of the table at a location: the file itself, or one of its sections."""
    if not location:
        return list(study.model_fields)
    annotation: Any = study.model_fields[str(location[0])].annotation
    section = next(iter(get_args(annotation)), annotation)
    return list(section.model_fields)


def in_words(what: str) -> str:
    """Return the name of a reveal as it stands in a sentence."""
    return what.replace("_", " ").replace("auc", "AUC")
