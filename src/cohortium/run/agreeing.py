"""What the parties tell each other before anything secret is shared: sizes, classes, features.

Numbers of samples, the names of the two classes and of the features are public to all parties of
the study; nothing else of the data is. Feature names travel only where the sites' sets differ.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cohortium.data import AlignmentReport, Cohort, common_features, features_digest
from cohortium.errors import AgreementError, FrameError, LabelError
from cohortium.net import Mesh

_SUMMARY_BYTES = 64 << 10
_NAMES_BYTES = 256 << 20


@dataclass(frozen=True)
class Agreed:
    """The public facts of a run: samples by owner, the common features, the classes.

    ``features`` is None at a party that neither owns data nor had to be told the names.
    """

    sizes: dict[str, int]
    features: tuple[str, ...] | None
    feature_count: int
    positive: str
    negative: str
    report: AlignmentReport | None

    def lines(self) -> list[str]:
        """Return the facts as sentences, the same at every party."""
        owners = ", ".join(f"{name} {samples:,}" for name, samples in self.sizes.items())
        lines = [f"{sum(self.sizes.values()):,} samples ({owners})."]
        if self.report is not None:
            return lines + self.report.lines()
        return [*lines, f"{self.feature_count:,} features, the same at every site."]


class _Summary(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    samples: Annotated[int, Field(ge=1, le=1 << 40)]
    features: Annotated[int, Field(ge=1, le=1 << 40)]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    positive: str
    negative: str


def agree(
    mesh: Mesh, owners: tuple[str, ...], cohort: Cohort | None, *, names_needed: bool
) -> Agreed:
    """Return the public facts on which all parties agree; two messages from each owner at most.

    ``cohort`` is this party's own where it is a data owner; ``names_needed`` says that somebody
    without data of its own is to know the features' names. Raises FeatureError where the sites
    have no feature in common, AgreementError where their classes are named differently, and
    FrameError where a party's message is not what it should be.
    """
    mine = None if cohort is None else _summary(cohort)
    sent = b"" if mine is None else mine.model_dump_json().encode()
    received = _broadcast(mesh, "cohort summary", owners, sent, _SUMMARY_BYTES)
    summaries = {name: _parse_summary(name, text, mesh) for name, text in received.items()}
    if mine is not None:
        summaries[mesh.name] = mine
    summaries = {name: summaries[name] for name in owners}
    first = summaries[owners[0]]
    _check_classes(summaries, mesh)
    sizes = {name: summary.samples for name, summary in summaries.items()}
    if not names_needed and len({summary.digest for summary in summaries.values()}) == 1:
        names = None if cohort is None else tuple(sorted(cohort.features))
        return Agreed(sizes, names, first.features, first.positive, first.negative, None)
    own = b"" if cohort is None else json.dumps(list(cohort.features)).encode()
    lists = {
        name: _parse_names(name, text, summaries[name], mesh)
        for name, text in _broadcast(mesh, "feature names", owners, own, _NAMES_BYTES).items()
    }
    if cohort is not None:
        lists[mesh.name] = cohort.features
    common, report = common_features({name: lists[name] for name in owners})
    return Agreed(sizes, common, len(common), first.positive, first.negative, report)


def _summary(cohort: Cohort) -> _Summary:
    if cohort.labels is None or cohort.positive is None or cohort.negative is None:
        raise LabelError(
            f"{cohort.source} has no labels.",
            remedy="Name the label's column in [data] label, and the positive class in positive.",
        )
    return _Summary(
        samples=len(cohort.samples),
        features=len(cohort.features),
        digest=features_digest(cohort.features),
        positive=cohort.positive,
        negative=cohort.negative,
    )


def _broadcast(
    mesh: Mesh, label: str, owners: tuple[str, ...], mine: bytes, limit: int
) -> dict[str, bytes]:
    outgoing = dict.fromkeys(mesh.peers, mine) if mesh.name in owners else {}
    incoming = {name: limit for name in owners if name != mesh.name}
    return mesh.exchange_messages(label, outgoing, incoming)


def _parse_summary(name: str, text: bytes, mesh: Mesh) -> _Summary:
    try:
        return _Summary.model_validate_json(text)
    except ValidationError:
        raise FrameError(
            f"{name} sent a cohort summary that can not be read.",
            remedy="Check that all sites run the same version.",
            party=mesh.name,
        ) from None


def _parse_names(name: str, text: bytes, summary: _Summary, mesh: Mesh) -> tuple[str, ...]:
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        names = None
    if (
        not isinstance(names, list)
        or len(names) != summary.features
        or not all(isinstance(item, str) for item in names)
        or features_digest(names) != summary.digest
    ):
        raise FrameError(
            f"{name} sent a list of feature names that does not fit its own summary.",
            remedy="Check that all sites run the same version.",
            party=mesh.name,
        )
    return tuple(names)


def _check_classes(summaries: dict[str, _Summary], mesh: Mesh) -> None:
    classes = {(summary.positive, summary.negative) for summary in summaries.values()}
    if len(classes) > 1:
        told = "; ".join(
            f"{name}: {summary.positive!r} against {summary.negative!r}"
            for name, summary in summaries.items()
        )
        raise AgreementError(
            f"The sites name the two classes differently ({told}).",
            remedy="Use the same spelling of the label's values at every site, or name both "
            "classes in the study file.",
            party=mesh.name,
        )
