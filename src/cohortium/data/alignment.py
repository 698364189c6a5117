"""Which features a study trains on, in one order that every site derives alike.

Names are compared exactly, once each site has brought its own into the study's form. The order is
that of the names' Unicode code points, so it does not depend on a site's language settings or on
the order of its file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cohortium.data.cohort import Cohort
from cohortium.data.values import Selected
from cohortium.data.wording import counted, examples, repeated, shown
from cohortium.errors import FeatureError, ParameterError


@dataclass(frozen=True)
class SiteAlignment:
    """How one site's features relate to those of the study: what it leaves out, what it lacks."""

    site: str
    features: int
    dropped: tuple[str, ...]
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True)
class AlignmentReport:
    """How many features the study has, and what each site leaves out or lacks."""

    common: int
    sites: tuple[SiteAlignment, ...]
    union: bool = False

    def lines(self) -> list[str]:
        """Return the report as one line in all and one line a site."""
        whose = "of any site" if self.union else "common to all sites"
        lines = [f"{counted(self.common, 'feature')} {whose}."]
        for site in self.sites:
            names = site.lacking if self.union else site.dropped
            what = f"{len(names):,} lacking, imputed" if self.union else f"{len(names):,} left out"
            if names:
                what += f" ({examples(names)})"
            lines.append(f"{site.site}: {counted(site.features, 'feature')}, {what}.")
        return lines


def common_features(
    lists: Mapping[str, Sequence[str]], *, union: bool = False
) -> tuple[tuple[str, ...], AlignmentReport]:
    """Return the features that every site has, sorted, and the report; ``lists`` is by site.

    ``union``: those that any site has. Raises ParameterError for no site at all, FeatureError
    where a site has a feature twice or the sites have nothing in common.
    """
    if not lists:
        raise ParameterError("There are no feature lists.", remedy="Give that of one site or more.")
    for site, names in lists.items():
        _refuse_repeated(names, site)
    sets = {site: set(names) for site, names in lists.items()}
    common = tuple(sorted(set.intersection(*sets.values())))
    if not common:
        shows = "; ".join(
            f"{site} has {examples(names) or 'none'}" for site, names in lists.items()
        )
        raise FeatureError(
            f"The sites have no feature in common: {shows}.",
            remedy="Name features alike at every site, for example all by gene symbol or all by "
            "the probes of the same array; check that no site has samples and genes swapped.",
        )
    if union:
        common = tuple(sorted(set.union(*sets.values())))
    report = AlignmentReport(
        common=len(common),
        sites=tuple(
            SiteAlignment(
                site,
                len(names),
                tuple(sorted(names.difference(common))),
                tuple(sorted(set(common).difference(names))),
            )
            for site, names in sets.items()
        ),
        union=union,
    )
    return common, report


def with_features(cohort: Cohort, names: Sequence[str]) -> Cohort:
    """Return a prepared cohort with exactly these features, 0 for those that it lacks.

    0 is the mean of a feature that each site standardises.
    """
    place = {name: column for column, name in enumerate(cohort.features)}
    columns = np.array([place.get(name, -1) for name in names], dtype=np.intp)
    return replace(cohort, values=Selected(cohort.values, features=columns), features=tuple(names))


def features_digest(features: Sequence[str]) -> str:
    r"""Return the SHA-256, in hexadecimal, of the sorted names, each followed by ``\n``, in UTF-8.

    Equal digests mean equal sets of features, whatever their order. Raises FeatureError where a
    name holds a line end (two lists could then have one digest) or is given twice.
    """
    _refuse_repeated(features, "The list")
    for name in features:
        if "\n" in name or "\r" in name:
            raise FeatureError(
                f"The feature name {shown(name)} holds a line end.", remedy="Rename the feature."
            )
    text = "".join(f"{name}\n" for name in sorted(features))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _refuse_repeated(names: Sequence[str], owner: str) -> None:
    if twice := repeated(names):
        raise FeatureError(
            f"{owner} has {counted(len(twice), 'feature')} more than once: "
            f"{examples(list(twice))}.",
            remedy="Keep one of each.",
        )
