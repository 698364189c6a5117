"""What a party keeps of a run that is under way, so that a crash does not lose the work.

Who computes or owns samples keeps which run it is in; an owner also how it shuffled its samples,
and a digest of them; who computes its own shares of the training's states, made anew for this
purpose (docs/security.md, "Going on after a crash"). All of it is removed before anything is
revealed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cohortium.errors import CheckpointError
from cohortium.learn.checkpoints import Facts
from cohortium.mpc import Protocol, SecretTensor
from cohortium.mpc.protocol import Kept
from cohortium.net import Identity
from cohortium.run.agreeing import Agreed
from cohortium.run.audit import AuditLog
from cohortium.run.kept_files import KeptFile, KeptFolder, damaged, remove_folder
from cohortium.run.offers import Offer, Told
from cohortium.run.timeline import Event
from cohortium.study import StudyFile

CHECKPOINT_FOLDER = "checkpoint"
_BEGUN = "run.json"
_STATE = ".state"
_SEED_BITS = 128
_ANEW = "join with --fresh at all sites: the training starts anew."
_Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}$")]


class Begun(BaseModel):
    """Of ``run.json``: which run this is (its first session's id), and what it was begun with.

    ``registered``: its rows count as used already, in the site's register.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    party: str
    run: _Hex
    study: _Hex
    software: dict[str, str]
    rows: _Hex | None
    fold_seed: _Hex
    samples: dict[str, int]
    features: int
    folds: dict[str, list[int]] | None
    registered: bool


class _State(BaseModel):
    """Of a state: after how many iterations, of which run, and what it follows.

    ``previous`` is the digest of the state before, of the first one the run; ``tag`` stands for all
    that the computing parties have run and seen until then, keyed by what no disk has.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    run: _Hex
    done: int
    previous: _Hex
    tag: _Hex


class CheckpointStore:
    """What is kept in a run's directory; for the training its ``Checkpoints``."""

    def __init__(
        self,
        study: StudyFile,
        party: str,
        identity: Identity,
        output: Path,
        software: Mapping[str, str],
        tell: Callable[[Event], None],
        *,
        fresh: bool = False,
    ) -> None:
        """Read and check what is there; CheckpointError if it is damaged or of something else.

        ``fresh``: it is left alone until ``begin`` removes it, as if nothing were there.
        """
        self.every = study.study.study.checkpoint_every or 0
        self.done: int | None = None
        self.begun: Begun | None = None
        self._party, self._study, self._software = party, study.digest, dict(software)
        self._computes = party in study.study.with_role("compute")
        # Once a state could not be written, none after it would help.
        self._writes = self._computes or party in study.study.with_role("data")
        self._tell = tell
        self._folder = KeptFolder(output / CHECKPOINT_FOLDER, identity)
        self._rows: str | None = None
        self._states: list[tuple[_State, KeptFile]] = []
        self._previous = ""
        if not fresh:
            self._read()
        self.fold_seed = secrets.randbits(_SEED_BITS)
        if self.begun is not None:
            self.fold_seed = int(self.begun.fold_seed, 16)

    # -- before the training -------------------------------------------------------------------

    def check_log(self, log: AuditLog) -> None:
        """Raise CheckpointError where the run that is kept has revealed something already."""
        if not self._states or self.begun is None:
            return
        revealed = log.authorised_since(self.begun.run)
        if revealed is None or set(revealed) - {"bounds"}:
            why = f"it has revealed {', '.join(revealed or ())}"
            if revealed is None:
                why = "its log, which would tell what it has revealed, is damaged or not here"
            raise CheckpointError(
                f"The run that is kept here can not be gone on with: {why}.",
                remedy="Join with --fresh at all sites: the training starts anew, as a new run.",
            )

    def check_rows(self, digest: str | None) -> None:
        """Take note of what this site brings; CheckpointError if the kept run had other rows."""
        self._rows = digest
        if self.begun is not None and self.begun.rows != digest:
            raise CheckpointError(
                "The data are not those of the run that stopped: samples, values, labels, or what "
                "goes with them are others.",
                remedy=f"Give the same files; or {_ANEW}",
            )

    def offer(self) -> Offer:
        """Return what the other parties are told of what is kept here."""
        states = [Told(done=kept.done, tag=kept.tag) for kept, _ in self._states]
        return Offer(run=None if self.begun is None else self.begun.run, states=states)

    def begin(self, run: str, agreed: Agreed) -> None:
        """Remove what is there, and write down which run this is."""
        self.remove()
        self.begun = Begun(
            party=self._party,
            run=run,
            study=self._study,
            software=self._software,
            rows=self._rows,
            fold_seed=f"{self.fold_seed:x}",
            samples=agreed.sizes,
            features=agreed.feature_count,
            folds=agreed.folds,
            registered=False,
        )
        self._previous = run
        self._write_begun()

    @property
    def registered(self) -> bool:
        """Whether the rows of the run that is kept here are in the site's register."""
        return self.begun is not None and self.begun.registered

    def note_registered(self) -> None:
        """Write down that the register has this run's rows."""
        if self.begun is not None:
            self.begun = self.begun.model_copy(update={"registered": True})
            self._write_begun()

    def go_on(self, done: int) -> None:
        """Take note that all go on after so many iterations; what was kept after it is removed."""
        self.done = done
        left = done // self.every + 1
        self._folder.remove([_name(state.done) for state, _ in self._states[left:]])
        del self._states[left:]
        if self._states:
            self._previous = self._states[-1][1].digest

    # -- in the training: learn.checkpoints.Checkpoints ----------------------------------------

    def keep(self, done: int, tensors: Sequence[SecretTensor]) -> None:
        """Write this party's shares of what is new; where that fails the run goes on without."""
        # At all parties, whether it can be written or not: it draws from streams that they share.
        kept = tensors[0].protocol.keep([tensor.value for tensor in tensors])
        if kept is None or self.begun is None or not self._writes:
            return
        state = _State(
            run=self.begun.run,
            done=done,
            previous=self._previous,
            tag=kept.tag.hex(),
        )
        try:
            self._previous = self._folder.write(_name(done), state.model_dump(), kept.parts)
        except OSError as error:
            self._not_written(error)

    def kept(self, protocol: Protocol, done: int, facts: Sequence[Facts]) -> list[SecretTensor]:
        """Return the tensors of a state as sharings of this session."""
        part = None
        if self._states:
            state, file = self._states[done // self.every]
            part = Kept(self._folder.arrays(_name(done), file), bytes.fromhex(state.tag))
        values = protocol.take_up(
            part, [each.shape for each in facts], [each.fraction_bits for each in facts]
        )
        return [
            SecretTensor(protocol, value, each.shape, each.fraction_bits, each.bound)
            for value, each in zip(values, facts, strict=True)
        ]

    def end(self) -> None:
        """Remove what is kept, where this party computes: something is about to be revealed.

        Others come here long before; theirs is removed when the run is over.
        """
        if self._computes:
            self.remove()

    # -- after it ------------------------------------------------------------------------------

    def stopped(self, *, in_vain: bool) -> None:
        """Say what is kept after an error; remove it where it would come to the same again."""
        if in_vain:
            self.remove()
        elif found := self._folder.names(_STATE):
            self._note(
                f"{int(Path(found[-1]).stem)} iterations are kept here: when all parties join "
                "again, with the same commands, the run goes on."
            )

    def remove(self) -> None:
        """Remove all that is kept; CheckpointError where it can not be."""
        remove_folder(self._folder.path)
        self.begun, self._states = None, []

    # -- inside --------------------------------------------------------------------------------

    def _read(self) -> None:
        if not (self._folder.path / _BEGUN).exists():
            if self._folder.names(_STATE):
                raise damaged(_BEGUN)
            return
        file = self._folder.check(_BEGUN)
        try:
            begun = Begun.model_validate(file.facts)
        except ValidationError as error:
            raise damaged(_BEGUN) from error
        for what, kept, now in (
            ("another party", begun.party, self._party),
            ("another study file", begun.study, self._study),
            ("another version of the program or its libraries", begun.software, self._software),
        ):
            if kept != now:
                raise of_something_else(what)
        self._previous = begun.run
        for place, name in enumerate(self._folder.names(_STATE)):
            file = self._folder.check(name)
            try:
                state = _State.model_validate(file.facts)
            except ValidationError as error:
                raise damaged(name) from error
            follows = (state.run, state.previous) == (begun.run, self._previous)
            if not follows or (state.done, name) != (place * self.every, _name(state.done)):
                raise damaged(name)
            self._states.append((state, file))
            self._previous = file.digest
        self.begun = begun

    def _write_begun(self) -> None:
        if self._writes and self.begun is not None:
            try:
                self._folder.write(_BEGUN, self.begun.model_dump())
            except OSError as error:
                self._not_written(error)

    def _not_written(self, error: OSError) -> None:
        self._writes = False
        self._note(
            f"The run's state can not be kept here ({error.strerror}). The run goes on; after a "
            "crash all would go on from what was kept before, or start anew."
        )

    def _note(self, text: str) -> None:
        self._tell({"event": "note", "text": text})


def of_something_else(what: str) -> CheckpointError:
    """Return the error of what is kept, but not for this run."""
    return CheckpointError(
        f"What an earlier run kept here, to go on, is of {what}.",
        remedy="Name another directory with --out; or join with --fresh, which discards it.",
    )


def _name(done: int) -> str:
    return f"{done:06d}{_STATE}"
