"""What the parties tell each other before anything secret is shared: sizes, classes, features.

Numbers of samples and the names of the two classes are public to all parties of the study; nothing
else of the data is. Feature names travel only where the study says so and the sites' sets differ,
or to a receiver of the model without data.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from cohortium.data import (
    AlignmentReport,
    Cohort,
    NamingReport,
    common_features,
    features_digest,
)
from cohortium.data.builds import build_in_words
from cohortium.data.variants import Build
from cohortium.errors import AgreementError, FeatureError, FrameError, LabelError
from cohortium.net import Mesh
from cohortium.run.messages import parsed

_SUMMARY_BYTES = 64 << 10
_NAMES_BYTES = 256 << 20

# What a site tells of its variants' genome build.
ToldBuild: TypeAlias = Build | Literal["unknown"]


@dataclass(frozen=True)
class Agreed:
    """The public facts of a run: samples by owner, the common features, the classes.

    ``positive`` and ``negative`` are None where labels are numbers. ``folds`` are the samples of
    each owner's folds, None without cross-validation. ``features`` is None at a party that neither
    owns data nor had to be told the names; ``naming`` counts what each owner did to its features'
    names; ``builds`` are those of the owners' variants. ``unfiltered`` is how many features there
    were before the study's filter, None without.
    """

    sizes: dict[str, int]
    features: tuple[str, ...] | None
    feature_count: int
    positive: str | None
    negative: str | None
    report: AlignmentReport | None
    naming: dict[str, dict[str, int]]
    folds: dict[str, list[int]] | None = None
    unfiltered: int | None = None
    builds: dict[str, ToldBuild] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Return the facts as sentences, the same at every party."""
        owners = ", ".join(f"{name} {samples:,}" for name, samples in self.sizes.items())
        lines = [f"{sum(self.sizes.values()):,} samples ({owners})."]
        if self.report is not None:
            lines += self.report.lines()
        else:
            lines.append(f"{self.feature_count:,} features, the same at every site.")
        unknown = [name for name, build in self.builds.items() if build == "unknown"]
        if unknown:
            lines.append(
                f"The genome build of {', '.join(unknown)} is not told by the file: make sure that "
                "it is that of the others."
            )
        for name, done in self.naming.items():
            told = ", ".join(f"{count:,} {what}" for what, count in done.items())
            lines.append(f"{name}: {told}." if told else "")
        return [line for line in lines if line]

    def alignment(self) -> dict[str, dict[str, int]]:
        """Return for each owner how many features it left out or lacks, and why: no names."""
        counts = {name: dict(done) for name, done in self.naming.items()}
        for site in self.report.sites if self.report is not None else ():
            counts[site.site] |= {
                "not at other sites": len(site.dropped),
                "lacking here": len(site.lacking),
            }
        return counts


class _Summary(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    build: ToldBuild | None = None
    samples: Annotated[int, Field(ge=1, le=1 << 40)]
    features: Annotated[int, Field(ge=1, le=1 << 40)]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    positive: str | None
    negative: str | None
    folds: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=100)] | None = None
    renamed: Annotated[int, Field(ge=0, le=1 << 40)] = 0
    repeated: Annotated[int, Field(ge=0, le=1 << 40)] = 0
    swapped: Annotated[int, Field(ge=0, le=1 << 40)] = 0
    ambiguous: Annotated[int, Field(ge=0, le=1 << 40)] = 0

    def naming(self) -> dict[str, int]:
        """Return what the site did to its features' names; empty if nothing."""
        done = {
            "renamed": self.renamed,
            "left out as their names are not unique": self.repeated,
            "turned to the other allele": self.swapped,
            "of an open strand": self.ambiguous,
        }
        return {what: count for what, count in done.items() if count}


def agree(
    mesh: Mesh,
    owners: tuple[str, ...],
    cohort: Cohort | None,
    *,
    mode: str,
    names_needed: bool,
    naming: NamingReport | None = None,
    own_folds: list[int] | None = None,
    folds: int | None = None,
    build: ToldBuild | None = None,
) -> Agreed:
    """Return the public facts on which all parties agree; two messages from each owner at most.

    ``cohort`` is this party's own where it is a data owner, with what ``naming`` tells of its
    names, ``build`` of its variants' genome build, and ``own_folds`` its folds' sizes, of the
    study's ``folds``; ``mode`` is the study's,
    how features are aligned; ``names_needed`` says that somebody without data of its own is to know
    the features' names. Raises FeatureError where the sites' features differ and the study does not
    say that names may be told, or they have none in common; AgreementError where their classes are
    named differently, or their variants are of different genome builds; FrameError where a
    party's message is not what it should be.
    """
    mine = None if cohort is None else _summary(cohort, naming, own_folds, build)
    sent = b"" if mine is None else mine.model_dump_json().encode()
    received = _broadcast(mesh, "cohort summary", owners, sent, _SUMMARY_BYTES)
    summaries = {
        name: parsed(_Summary, text, mesh, name, "a cohort summary")
        for name, text in received.items()
    }
    if mine is not None:
        summaries[mesh.name] = mine
    summaries = {name: summaries[name] for name in owners}
    first = summaries[owners[0]]
    _check_classes(summaries, mesh)
    builds = _builds_of(summaries, mesh)
    sizes = {name: summary.samples for name, summary in summaries.items()}
    divided = _folds_of(summaries, folds, mesh)
    notes = {name: summary.naming() for name, summary in summaries.items()}
    same = len({summary.digest for summary in summaries.values()}) == 1
    if not same and mode in ("same", "list"):
        counts = ", ".join(f"{name} has {each.features:,}" for name, each in summaries.items())
        raise FeatureError(
            f"The sites' features are not the same ({counts}).",
            remedy="Use the same features everywhere, or say mode = 'intersection' or 'union' in "
            "the study's [features]: then the sites tell each other the names of theirs.",
            party=mesh.name,
        )
    if same and not names_needed:
        names = None if cohort is None else tuple(sorted(cohort.features))
        return Agreed(
            sizes=sizes,
            features=names,
            feature_count=first.features,
            positive=first.positive,
            negative=first.negative,
            report=None,
            naming=notes,
            folds=divided,
            builds=builds,
        )
    own = b"" if cohort is None else json.dumps(list(cohort.features)).encode()
    lists = {
        name: _parse_names(name, text, summaries[name], mesh)
        for name, text in _broadcast(mesh, "feature names", owners, own, _NAMES_BYTES).items()
    }
    if cohort is not None:
        lists[mesh.name] = cohort.features
    common, report = common_features({name: lists[name] for name in owners}, union=mode == "union")
    return Agreed(
        sizes=sizes,
        features=common,
        feature_count=len(common),
        positive=first.positive,
        negative=first.negative,
        report=report,
        naming=notes,
        folds=divided,
        builds=builds,
    )


def _summary(
    cohort: Cohort,
    naming: NamingReport | None,
    folds: list[int] | None,
    build: ToldBuild | None,
) -> _Summary:
    if cohort.labels is None:
        raise LabelError(
            f"{cohort.source} has no labels.",
            remedy="Name the label's column in [data] label, and the positive class in positive.",
        )
    return _Summary(
        build=build,
        samples=len(cohort.samples),
        features=len(cohort.features),
        digest=features_digest(cohort.features),
        positive=cohort.positive,
        negative=cohort.negative,
        folds=folds,
        renamed=0 if naming is None else naming.renamed,
        repeated=0 if naming is None else len(naming.repeated),
        swapped=0 if naming is None else naming.swapped,
        ambiguous=0 if naming is None else naming.ambiguous,
    )


def _broadcast(
    mesh: Mesh, label: str, owners: tuple[str, ...], mine: bytes, limit: int
) -> dict[str, bytes]:
    outgoing = dict.fromkeys(mesh.peers, mine) if mesh.name in owners else {}
    incoming = {name: limit for name in owners if name != mesh.name}
    return mesh.exchange_messages(label, outgoing, incoming)


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


def _folds_of(
    summaries: dict[str, _Summary], folds: int | None, mesh: Mesh
) -> dict[str, list[int]] | None:
    """Return each owner's folds' sizes; FrameError where they are not what the study says."""
    found = {}
    for name, summary in summaries.items():
        sizes = summary.folds
        fits = sizes is not None and (len(sizes), sum(sizes)) == (folds, summary.samples)
        if not fits if folds is not None else sizes is not None:
            raise FrameError(
                f"{name} sent sizes of folds that do not fit the study or its own summary.",
                remedy="Check that all sites run the same version.",
                party=mesh.name,
            )
        found[name] = sizes or []
    return found if folds is not None else None


def _builds_of(summaries: dict[str, _Summary], mesh: Mesh) -> dict[str, ToldBuild]:
    """Return what each owner tells of its genome build; AgreementError where two differ."""
    builds = {name: each.build for name, each in summaries.items() if each.build is not None}
    known = {name: build_in_words(each) for name, each in builds.items() if each != "unknown"}
    if len(set(known.values())) > 1:
        told = "; ".join(f"{name}: {build}" for name, build in known.items())
        raise AgreementError(
            f"The sites' variants are of different genome builds ({told}): one position is another "
            "place in each.",
            remedy="Lift the files over to one build (CrossMap, Picard LiftoverVcf or bcftools "
            "+liftover, say), and state it in the study's [features] build.",
            party=mesh.name,
        )
    return builds


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
