"""A study's quality filter in a run: counts in, the kept features out, before the training's plan.

Which features are kept is revealed to the data owners and whoever else the study lists; how many
are kept is public, since the plan of the training and the shapes of its reveals follow from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from cohortium.data import FeatureCounts
from cohortium.errors import AgreementError, FeatureError, FrameError
from cohortium.learn import KEPT_FEATURES, FilterPlan, Watcher, kept_features, plan_filter
from cohortium.mpc import Protocol
from cohortium.net import Mesh
from cohortium.ring import Engine
from cohortium.run.agreeing import Agreed
from cohortium.run.forecast import FILTER
from cohortium.study import Study

_NUMBER_BYTES = 8


def filter_plan(study: Study, samples: int, features: int) -> FilterPlan | None:
    """Return the plan of a study's filter, None if it has none; errors as ``plan_filter``."""
    rules = study.filter
    if rules is None:
        return None
    return plan_filter(
        samples,
        features,
        max_missing=_exactly(rules.max_missing),
        min_maf=_exactly(rules.min_maf),
        hwe_p=rules.hwe_p,
    )


def _exactly(value: float | None) -> Fraction | None:
    """Return the decimal number of the study file, which a float is a little off."""
    return None if value is None else Fraction(repr(value))


def run_filter(
    protocol: Protocol,
    plan: FilterPlan,
    sizes: Mapping[str, int],
    counts: Mapping[str, NDArray[np.float64]],
    disclosures: Mapping[str, Sequence[str]],
    watcher: Watcher | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Return "kept_features" where they are revealed: 1 for each feature that passes, else 0.

    ``counts`` are those of the owners at this party. Rounds: as ``kept_features``, and two.
    """
    if watcher is not None:
        watcher.phase(FILTER)
    kept = kept_features(protocol, plan, sizes, counts)
    received = kept.reveal(KEPT_FEATURES, disclosures[KEPT_FEATURES])
    return {} if received is None else {KEPT_FEATURES: received}


def filter_together(
    mesh: Mesh,
    protocol: Protocol,
    engine: Engine,
    plan: FilterPlan,
    agreed: Agreed,
    counts: FeatureCounts | None,
    disclosures: Mapping[str, Sequence[str]],
) -> tuple[Agreed, dict[str, NDArray[np.float64]]]:
    """Return what is agreed on of the kept features alone, and what was revealed to this party.

    ``counts`` are this party's own, where it owns data. After the filter each owner tells all
    others how many features are kept. Raises FeatureError where none is; AgreementError where the
    owners do not tell the same, FrameError where one tells no such number.
    """
    own = {}
    if counts is not None and agreed.features is not None:
        own[mesh.name] = counts.of(agreed.features)
    # A program of its own, since the plan of the training follows from its result.
    received: dict[str, NDArray[np.float64]] = engine.run(
        lambda: run_filter(protocol, plan, agreed.sizes, own, disclosures)
    )
    kept = received.get(KEPT_FEATURES)
    number = _told(mesh, agreed, None if kept is None else int((kept > 0).sum()))
    if number == 0:
        raise FeatureError(
            f"None of the {agreed.feature_count:,} features passes the study's [filter].",
            remedy="State weaker rules in the study file; `cohortium data check` tells each site "
            "of its missing values, frequencies and equilibrium.",
            party=mesh.name,
        )
    features = agreed.features
    if features is not None and kept is not None:
        features = tuple(features[place] for place in np.flatnonzero(kept > 0))
    filtered = replace(
        agreed, features=features, feature_count=number, unfiltered=agreed.feature_count
    )
    return filtered, received


def _told(mesh: Mesh, agreed: Agreed, own: int | None) -> int:
    """Return how many features are kept, as all owners tell; ``own`` is what this party knows."""
    owners = tuple(agreed.sizes)
    sent = b"" if own is None else own.to_bytes(_NUMBER_BYTES, "big")
    messages = mesh.exchange_messages(
        "kept features",
        dict.fromkeys(mesh.peers, sent) if mesh.name in owners else {},
        {name: _NUMBER_BYTES for name in owners if name != mesh.name},
    )
    told = {name: int.from_bytes(text, "big") for name, text in messages.items()}
    for name, text in messages.items():
        if len(text) != _NUMBER_BYTES or told[name] > agreed.feature_count:
            raise FrameError(
                f"{name} sent a number of kept features that can not be.",
                remedy="Check that all sites run the same version.",
                party=mesh.name,
            )
    if own is not None:
        told[mesh.name] = own
    if len(set(told.values())) > 1:
        said = "; ".join(f"{name}: {number:,}" for name, number in told.items())
        raise AgreementError(
            f"Not all parties were told the same of how many features are kept ({said}).",
            remedy="A party does not run the program as it is. Nothing of the training was shared.",
            party=mesh.name,
        )
    return told[owners[0]]
