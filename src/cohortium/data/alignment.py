"""Which features the sites have in common, in one order that every site derives alike.

Names are compared exactly: ``TP53`` and ``tp53`` differ. The order is that of the names' Unicode
code points, so it does not depend on a site's language settings or on the order of its file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cohortium.data.wording import counted, examples, repeated, shown
from cohortium.errors import FeatureError, ParameterError


@dataclass(frozen=True)
class SiteAlignment:
    """How one site's features relate to those that all sites have."""

    site: str
    features: int
    dropped: tuple[str, ...]


@dataclass(frozen=True)
class AlignmentReport:
    """How many features are common, and what each site leaves out."""

    common: int
    sites: tuple[SiteAlignment, ...]

    def lines(self) -> list[str]:
        """Return the report as one line in all and one line a site."""
        lines = [f"{counted(self.common, 'feature')} common to all sites."]
        for site in self.sites:
            dropped = f"{len(site.dropped):,} left out"
            if site.dropped:
                dropped += f" ({examples(site.dropped)})"
            lines.append(f"{site.site}: {counted(site.features, 'feature')}, {dropped}.")
        return lines


def common_features(
    lists: Mapping[str, Sequence[str]],
) -> tuple[tuple[str, ...], AlignmentReport]:
    """Return the features that every site has, sorted, and the report; ``lists`` is by site.

    Raises ParameterError for no site at all, FeatureError where a site has a feature twice or
    the sites have nothing in common.
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
    report = AlignmentReport(
        common=len(common),
        sites=tuple(
            SiteAlignment(site, len(names), tuple(sorted(names.difference(common))))
            for site, names in sets.items()
        ),
    )
    return common, report


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
