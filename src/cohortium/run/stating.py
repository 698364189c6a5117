"""What data owners state before a study, and what all parties plan by it.

A size is stated, not a file: nothing else of the data is told.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from cohortium.learn import FilterPlan
from cohortium.net import Mesh
from cohortium.run.filtering import filter_plan
from cohortium.run.messages import parsed
from cohortium.run.planning import Plan, make_plan
from cohortium.run.together import check_samples
from cohortium.study import Study

MESSAGE_BYTES = 64 << 10
FOR_FORECAST = "a message for the forecast"
# What an owner states whose data were refused at its own site.
_REFUSED = b"refused"


@dataclass(frozen=True)
class StatedSize:
    """What a data owner says that it will bring: the number of its samples and of its features."""

    samples: int
    features: int


class _Size(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    samples: int = Field(ge=1, le=1 << 40)
    features: int = Field(ge=1, le=1 << 40)


def exchange_sizes(
    mesh: Mesh, study: Study, own: StatedSize | None, *, refused: bool = False
) -> tuple[dict[str, StatedSize], list[str]]:
    """Return what each data owner states, and whose data were ``refused`` at their own site.

    Those that state nothing are in neither. One message each.
    """
    owners = study.with_role("data")
    mine = b"" if own is None else json.dumps(own.__dict__).encode()
    if refused:
        mine = _REFUSED
    received = mesh.exchange_messages(
        "stated size",
        dict.fromkeys(mesh.peers, mine) if mesh.name in owners else {},
        {name: MESSAGE_BYTES for name in owners if name != mesh.name},
    )
    if mesh.name in owners:
        received[mesh.name] = mine
    stated = {}
    without = [name for name in owners if received[name] == _REFUSED]
    for name in owners:
        if received[name] and name not in without:
            size = parsed(_Size, received[name], mesh, name, FOR_FORECAST)
            stated[name] = StatedSize(size.samples, size.features)
    return stated, without


class Planned(NamedTuple):
    """The training of stated sizes: the owners' samples, the features in common, the plans."""

    samples: dict[str, int]
    features: int
    filtering: FilterPlan | None
    training: Plan
    form: str


def plan_rehearsal(study: Study, sizes: Mapping[str, StatedSize], party: str) -> Planned:
    """Return what all parties plan from the same ``sizes``, before anything is sent for it.

    ``sizes`` are of all data owners, in the study's order; the features in common are taken to be
    the fewest of any, and all to pass the study's filter. Raises what a run would stop with at
    that point: AgreementError where an owner brings too few samples for what is to be revealed,
    ParameterError or FixedPointOverflowError where such a training can not be made.
    """
    samples = {name: size.samples for name, size in sizes.items()}
    features = min(size.features for size in sizes.values())
    check_samples(study, samples, party)
    filtering = filter_plan(study, sum(samples.values()), features)
    return Planned(samples, features, filtering, *make_plan(study, samples, features))
