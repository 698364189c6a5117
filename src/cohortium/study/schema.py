"""The study file: one TOML text, the same bytes at every site, that says what is to be done.

Read strictly: an unknown key, a wrong type or a value out of range is an error that names the key
and what is allowed. The SHA-256 of the file's bytes identifies the study; parties whose digests
differ do not compute with each other.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from cohortium.errors import StudyError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Role = Literal["data", "compute", "deal", "receive"]
PartyName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
_LARGEST_FILE = 16 << 20


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class StudySection(_Strict):
    """``[study]``: its name, and how long parties wait for each other."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    connect_timeout: Annotated[float, Field(ge=1, le=86400)] = 600.0
    deadline: Annotated[float, Field(ge=1, le=3600)] = 30.0


class Party(_Strict):
    """``[[party]]``: who takes part, where, as what, and by which certificate it is known."""

    name: PartyName
    roles: Annotated[list[Role], Field(min_length=1)]
    address: Annotated[str, Field(pattern=r"^.+:\d{1,5}$")] | None = None
    certificate: str | None = None
    fingerprint: str | None = None


class DataSection(_Strict):
    """``[data]``: how each site's table is read."""

    label: str | None = None
    positive: str | None = None
    negative: str | None = None
    orientation: Literal["samples_in_rows", "genes_in_rows"] | None = None
    missing_label: Literal["error", "drop"] = "error"


class PreparationSection(_Strict):
    """``[preparation]``: what each site does to its values before they are shared."""

    impute: Literal["site-mean"] = "site-mean"
    standardise: Literal["site", "none"] = "site"
    clip: Annotated[float, Field(gt=0, le=1024)] = 8.0


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


class ModelSection(_Strict):
    """``[model]``: the estimator and its parameters."""

    kind: Literal["logistic"] = "logistic"
    l2: Annotated[list[float], BeforeValidator(_as_list), Field(min_length=1, max_length=1000)] = [
        1.0
    ]
    iterations: Annotated[int, Field(ge=1, le=10_000)] = 100
    logit_bound: Annotated[float, Field(ge=1, le=1024)] = 32.0
    sigmoid_error: Annotated[float, Field(ge=1e-6, le=0.1)] = 2e-3


class Reveal(_Strict):
    """``[[reveal]]``: one thing that becomes readable, and to whom."""

    what: Literal["model"]
    to: Annotated[list[PartyName], Field(min_length=1)]


class Study(_Strict):
    """A whole study file."""

    study: StudySection
    party: Annotated[list[Party], Field(min_length=3)]
    data: DataSection = DataSection()
    preparation: PreparationSection = PreparationSection()
    model: ModelSection = ModelSection()
    reveal: Annotated[list[Reveal], Field(min_length=1)]

    def with_role(self, role: Role) -> tuple[str, ...]:
        """Return the names of the parties that have a role, in the file's order."""
        return tuple(party.name for party in self.party if role in party.roles)

    def named(self, name: str) -> Party:
        """Return a party by name; StudyError if there is none."""
        for party in self.party:
            if party.name == name:
                return party
        raise StudyError(
            f"The study has no party {name!r}.",
            remedy="Its parties are: " + ", ".join(party.name for party in self.party) + ".",
        )


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
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyError(f"{source} is not valid TOML: {error}.") from None
    try:
        study = Study.model_validate(document)
    except ValidationError as error:
        raise StudyError(_explain(error, source), remedy="Correct the study file.") from None
    _check_parties(study, source)
    return StudyFile(study, text, hashlib.sha256(text.encode()).hexdigest())


def _explain(error: ValidationError, source: str) -> str:
    sentences = []
    for problem in error.errors()[:5]:
        place = _key([part for part in problem["loc"] if part != "function-before[_as_list()"])
        if problem["type"] == "extra_forbidden":
            known = _known_keys(problem["loc"][:-1])
            near = get_close_matches(str(problem["loc"][-1]), known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
            sentences.append(f"{place} is not a key of a study file; {hint}")
        elif problem["type"] == "missing":
            sentences.append(f"{place} is missing")
        else:
            given = repr(problem["input"])
            shown = given if len(given) <= 60 else given[:57] + "…"
            sentences.append(f"{place} = {shown}: {problem['msg'].lower()}")
    return f"{source}: " + "; ".join(sentences) + "."


def _key(location: list[Any]) -> str:
    text = ""
    for part in location:
        text += f"[{part + 1}]" if isinstance(part, int) else ("." if text else "") + str(part)
    return text or "the file"


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    sections: dict[str, type[BaseModel]] = {
        "study": StudySection,
        "party": Party,
        "data": DataSection,
        "preparation": PreparationSection,
        "model": ModelSection,
        "reveal": Reveal,
    }
    section = sections[str(location[0])] if location else Study
    return list(section.model_fields)


def _check_parties(study: Study, source: str) -> None:
    names = [party.name for party in study.party]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise StudyError(
            f"{source}: the party name {twice[0]!r} is there twice.",
            remedy="Give each party a name of its own.",
        )
    dealers, computing = study.with_role("deal"), study.with_role("compute")
    if len(dealers) != 1:
        raise StudyError(
            f"{source}: {len(dealers)} parties have the role 'deal'.",
            remedy="Give it to exactly one party, which does not compute.",
        )
    if len(computing) < 2:
        raise StudyError(
            f"{source}: {len(computing)} parties have the role 'compute'.",
            remedy="Give it to two or more parties.",
        )
    if dealers[0] in computing:
        raise StudyError(
            f"{source}: {dealers[0]!r} deals and computes; it could read every secret.",
            remedy="Give the role 'deal' to a party that does not compute.",
        )
    if not study.with_role("data"):
        raise StudyError(
            f"{source}: no party has the role 'data'.", remedy="Give it to those that own samples."
        )
    whats = [reveal.what for reveal in study.reveal]
    if len(set(whats)) < len(whats):
        raise StudyError(
            f"{source}: a [[reveal]] of the same thing is there twice.",
            remedy="List each thing once, with all its receivers.",
        )
    for reveal in study.reveal:
        for name in reveal.to:
            if "receive" not in study.named(name).roles:
                raise StudyError(
                    f"{source}: {reveal.what!r} is revealed to {name!r}, which does not have the "
                    "role 'receive'.",
                    remedy="Add the role, or take the party out of the [[reveal]].",
                )
