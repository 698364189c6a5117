"""What a run will take, worked out of what its rehearsal took of each party."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from cohortium.learn import DualPlan, PrimalPlan
from cohortium.run.planning import Plan

READ, PREPARE, FILTER, ITERATIONS, CHECK = "read", "prepare", "filter", "iterations", "check"
# An iteration of the first and of the second half of those rehearsed.
EARLY, LATE = "an early iteration", "a late iteration"


Seconds: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Phase(BaseModel):
    """What a phase took of one party: seconds, rounds, and bytes sent to each other party."""

    model_config = ConfigDict(extra="forbid", strict=True)

    seconds: Seconds
    rounds: float = Field(ge=0)
    sent: dict[str, float]


@dataclass(frozen=True)
class Forecast:
    """What a run will take until the last reveal, and of this party's machine.

    ``phases`` has seconds, rounds and bytes of all links; ``links`` bytes from one party to
    another; ``memory`` and ``disk`` are bytes here. Where no site named its file, reading it is
    not in the seconds, nor in the memory of a site that did not.
    """

    form: str
    rehearsed: int
    iterations: int
    phases: dict[str, Phase]
    links: dict[tuple[str, str], float]
    memory: int
    disk: int

    @property
    def seconds(self) -> float:
        """Seconds of all phases."""
        return sum(phase.seconds for phase in self.phases.values())

    @property
    def rounds(self) -> int:
        """Network rounds among the computing parties."""
        return round(sum(phase.rounds for phase in self.phases.values()))

    @property
    def sent(self) -> float:
        """Bytes over all links together."""
        return sum(self.links.values())


class Longer(NamedTuple):
    """By how much a run is longer than its rehearsal."""

    rehearsed: int
    iterations: int
    checks: float
    grows: bool

    @staticmethod
    def of(whole: Plan, rehearsed: Plan) -> Longer:
        """Return how the two plans differ."""
        if isinstance(whole, DualPlan) and isinstance(rehearsed, DualPlan):
            # An iteration combines all residuals so far; some iterations' logits are checked.
            checks = whole.checked / rehearsed.checked
            return Longer(rehearsed.iterations, whole.iterations, checks, grows=True)
        if isinstance(whole, PrimalPlan) and isinstance(rehearsed, PrimalPlan):
            steps = rehearsed.parameters.steps
            return Longer(steps, whole.parameters.steps, 1.0, grows=False)
        raise TypeError("Two plans of one form are needed.")


def before_meeting(alone: Sequence[Mapping[str, float]]) -> dict[str, Phase]:
    """Return the phases that each party does alone: the others wait for the slowest."""
    slowest: dict[str, float] = {}
    for own in alone:
        for name in own.keys() & {READ, PREPARE}:
            slowest[name] = max(own[name], slowest.get(name, 0.0))
    return {
        name: Phase(seconds=slowest[name], rounds=0, sent={})
        for name in (READ, PREPARE)
        if name in slowest
    }


def of_all_parties(
    taken: Mapping[str, Mapping[str, Phase]], computing: tuple[str, ...], longer: Longer
) -> tuple[dict[str, Phase], dict[tuple[str, str], float]]:
    """Return phases and links of the whole run.

    Seconds are those of the slowest party that computes: what the others take longer in one phase
    they waited less in another.
    """
    pairs = [(one, other) for one in taken for other in taken if one != other]
    links, phases = dict.fromkeys(pairs, 0.0), {}
    whole = {party: _whole(own, longer) for party, own in taken.items()}
    # Dealer and outsiders run ahead or wait: those that compute are on the clock.
    slowest = max(
        (whole[party] for party in computing),
        key=lambda own: sum(phase.seconds for phase in own.values()),
    )
    for name in (name for name in slowest if name):
        sent = {}
        for party, own in whole.items():
            counts = own[name].sent if name in own else {}
            sent[party] = sum(counts.values())
            for peer, count in counts.items():
                links[party, peer] += count
        phases[name] = Phase(
            seconds=slowest[name].seconds,
            rounds=slowest[name].rounds,
            sent=sent,
        )
    return phases, links


def _whole(own: Mapping[str, Phase], longer: Longer) -> dict[str, Phase]:
    """Return one party's phases of the whole run."""
    phases = {name: phase for name, phase in own.items() if name not in (EARLY, LATE)}
    more = longer.iterations - longer.rehearsed
    if more and ITERATIONS in own and EARLY in own and LATE in own:
        first, late = own[ITERATIONS], own[LATE]
        seconds = first.seconds / longer.rehearsed
        if longer.grows:
            # The two halves' middles are half the rehearsal apart; half of it separates its own
            # middle from its end, and half of what is to come that one's middle.
            growth = max(0.0, late.seconds - own[EARLY].seconds) / (longer.rehearsed / 2)
            seconds += growth * (longer.rehearsed / 2 + more / 2)
        phases[ITERATIONS] = Phase(
            seconds=first.seconds + more * seconds,
            rounds=first.rounds + more * late.rounds,
            sent={
                peer: sent + more * late.sent.get(peer, 0.0) for peer, sent in first.sent.items()
            },
        )
    if CHECK in phases:
        check = phases[CHECK]
        phases[CHECK] = Phase(
            seconds=longer.checks * check.seconds,
            rounds=check.rounds,
            sent={peer: longer.checks * sent for peer, sent in check.sent.items()},
        )
    return phases
