"""Where a run goes on: what each party tells the others of what it kept, and what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from cohortium.errors import AgreementError
from cohortium.net import Mesh
from cohortium.run.messages import parsed

_MESSAGE_BYTES = 1 << 20
_ANEW = "join with --fresh at all sites: the training starts from the beginning."
_Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}$")]


class Told(BaseModel):
    """Of a kept state: after how many iterations; among computing parties also its tag."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    done: Annotated[int, Field(ge=0, le=1 << 40)]
    tag: _Hex | None = None


class Offer(BaseModel):
    """What a party could go on with: the run that it was in, and its states of it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    run: _Hex | None = None
    states: Annotated[list[Told], Field(max_length=10_001)] = []

    def without_tags(self) -> Offer:
        """Return what the dealer and owners are told."""
        return Offer(run=self.run, states=[Told(done=state.done) for state in self.states])


def exchange_offers(mesh: Mesh, computing: Sequence[str], mine: Offer) -> dict[str, Offer]:
    """Return all parties' offers, this one's too; a message to each. FrameError if one is none.

    Tags go to computing parties only.
    """
    in_full = mine.model_dump_json().encode()
    others = mine.without_tags().model_dump_json().encode()
    received = mesh.exchange_messages(
        "checkpoints",
        {name: in_full if name in computing else others for name in mesh.peers},
        dict.fromkeys(mesh.peers, _MESSAGE_BYTES),
    )
    offers = {mesh.name: mine}
    for name, text in received.items():
        offers[name] = parsed(Offer, text, mesh, name, "a list of checkpoints")
    return offers


def common_state(
    offers: Mapping[str, Offer], computing: Sequence[str], owners: Sequence[str], me: str
) -> tuple[str, int] | None:
    """Return which run all go on with, after how many iterations; None to start anew.

    That is the last state that all computing parties have. AgreementError, which names the parties,
    where somebody has lost what others kept, or kept another run or another state. Of states who
    does not compute can not tell which differ, and is told by those who do.
    """
    states = {name: {each.done: each.tag for each in offers[name].states} for name in computing}
    # Who has any state has the first, of the Gram matrix.
    held = [name for name in computing if 0 in states[name]]
    if not held:
        return None
    first = held[0]
    run = offers[first].run
    concerned = list(dict.fromkeys([*computing, *owners]))
    lost = [
        name
        for name in concerned
        if offers[name].run is None or (name in computing and name not in held)
    ]
    if run is None or lost:
        raise AgreementError(
            f"{', '.join(lost)} kept nothing of the run that {', '.join(held)} would go on with, "
            f"after {offers[first].states[-1].done} iterations.",
            remedy="If it is there, name the run's directory with --out, and join without "
            f"--fresh. If it is lost or was discarded: {_ANEW}",
            party=me,
        )
    others = [name for name in concerned if offers[name].run != run]
    if others:
        raise AgreementError(
            f"{', '.join(others)} kept another run than {first}.",
            remedy=f"Name the run's directory with --out; or {_ANEW}",
            party=me,
        )
    done = max(set.intersection(*(set(kept) for kept in states.values())))
    different = [name for name in computing if states[name][done] != states[first][done]]
    if different:
        raise AgreementError(
            f"{first} and {', '.join(different)} kept different states after {done} iterations.",
            remedy=f"One of them is not of this run: {_ANEW[0].upper()}{_ANEW[1:]}",
            party=me,
        )
    return run, done
