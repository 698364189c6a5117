"""Reading a study file, and the digest by which all sites know that they have the same one."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from cohortium.errors import StudyError
from cohortium.study.checks import check_study
from cohortium.study.schema import Study
from cohortium.study.wording import explain

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_LARGEST_FILE = 16 << 20


@dataclass(frozen=True)
class StudyFile:
    """A study and the digest of the bytes that it was read from."""

    study: Study
    text: str
    digest: str


def load_study(path: Path) -> StudyFile:
    """Return the study in a file; StudyError naming the key, the value and what is allowed."""
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise StudyError(f"{path} is too large for a study file.", remedy="Check the path.")
        content = path.read_bytes()
    except OSError as error:
        raise StudyError(
            f"The study file {path} can not be read ({error.strerror}).", remedy="Check the path."
        ) from None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise StudyError(
            f"{path} is not UTF-8 text.", remedy="Save the study file as UTF-8."
        ) from None
    return parse_study(text, str(path))


def parse_study(text: str, source: str = "the study") -> StudyFile:
    """Return the study that a TOML text describes; errors as for load_study."""
    # Some editors start a file with a byte order mark; the digest is of the bytes as they are.
    toml = text.removeprefix("\ufeff")
    try:
        document = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise StudyError(
            f"{source} is not valid TOML: {error}.", remedy="Correct the line."
        ) from None
    try:
        study = Study.model_validate(document)
    except ValidationError as error:
        raise StudyError(
            explain(error, source, Study, toml), remedy="Correct the study file."
        ) from None
    check_study(study, source, toml)
    return StudyFile(study, text, hashlib.sha256(text.encode()).hexdigest())
