"""What a party keeps of a run that is under way, so that a crash does not lose the work.

Each party keeps which run it is in; who owns samples also how it shuffled them, and a digest of
them; who computes its own shares of the training's states, made anew for this purpose
(docs/security.md, "Going on after a crash"). When all join again they go on from the last state
that all computing parties have. Before anything is revealed all of it is removed.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cohortium.data import Cohort
from cohortium.data.values import BLOCK_ELEMENTS
from cohortium.errors import AgreementError, CheckpointError, ParameterError
from cohortium.learn.checkpoints import Facts
from cohortium.mpc import Protocol, SecretTensor
from cohortium.mpc.protocol import Kept
from cohortium.net import Identity, Mesh
from cohortium.run.agreeing import Agreed
from cohortium.run.audit import AuditLog
from cohortium.run.kept_files import KeptFile, KeptFolder, damaged, remove_folder
from cohortium.run.resuming import Offer, Told, common_state, exchange_offers
from cohortium.run.timeline import Event
from cohortium.study import StudyFile

CHECKPOINT_FOLDER = "checkpoint"
_BEGUN = "run.json"
_STATE = ".state"
_SEED_BITS = 128
_Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}$")]


class _Begun(BaseModel):
    """Of ``run.json``: which run this is, and what it was begun with."""

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


class _State(BaseModel):
    """Of a state: after how many iterations, of which run, and what it follows.

    ``previous`` is the digest of the file before; ``transcript`` that of all that the computing
    parties have run and seen until then.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    run: _Hex
    done: int
    previous: _Hex
    transcript: _Hex


class CheckpointStore:
    """What is kept in a run's directory; for the training its ``Checkpoints``."""

    def __init__(
        self,
        output: Path,
        identity: Identity,
        study: StudyFile,
        party: str,
        software: Mapping[str, str],
        tell: Callable[[Event], None],
    ) -> None:
        self.every = study.study.study.checkpoint_every or 0
        self.done: int | None = None
        self._folder = KeptFolder(output / CHECKPOINT_FOLDER, identity)
        self._tell = tell
        self._party, self._study, self._software = party, study.digest, dict(software)
        self._computes = party in study.study.with_role("compute")
        self._protocol: Protocol | None = None
        self._rows: str | None = None
        self._begun: _Begun | None = None
        self._states: list[tuple[_State, KeptFile]] = []
        self._previous = ""
        # Once a state could not be written, none after it would help.
        self._writes = True
        self._read()
        self.fold_seed = secrets.randbits(_SEED_BITS)
        if self._begun is not None:
            self.fold_seed = int(self._begun.fold_seed, 16)

    @property
    def begun(self) -> bool:
        """Whether a run began here, and neither ended nor was discarded."""
        return self._begun is not None

    @property
    def run(self) -> str | None:
        """Which run it is: the id of its first session."""
        return None if self._begun is None else self._begun.run

    # -- before the training -------------------------------------------------------------------

    def check_rows(self, raw: Cohort | None, prepared: Cohort | None) -> None:
        """Take note of what this site brings; CheckpointError if the kept run had other rows."""
        if raw is not None and prepared is not None:
            self._rows = rows_digest(raw, prepared.samples)
        if self._begun is not None and self._begun.rows != self._rows:
            raise CheckpointError(
                "The data are not those of the run that stopped: samples, values, labels, or what "
                "goes with them are others.",
                remedy="Give the same files; or join with --fresh at all sites: the training "
                "starts anew.",
            )

    def check_log(self, log: AuditLog) -> None:
        """Raise CheckpointError where the run that is kept has revealed something already."""
        if not self._states or self._begun is None:
            return
        revealed = log.authorised_since(self._begun.run)
        if revealed is None or set(revealed) - {"bounds"}:
            why = "its log is not here" if revealed is None else f"revealed {', '.join(revealed)}"
            raise CheckpointError(
                f"The run that is kept here can not be gone on with: {why}.",
                remedy="Join with --fresh at all sites: the training starts anew, as a new run.",
            )

    def agree(
        self, mesh: Mesh, agreed: Agreed, computing: Sequence[str], owners: Sequence[str]
    ) -> None:
        """Work out with all parties where this run starts, ``done``: one message to each other.

        What is kept after that is removed; what this run is, is written down. AgreementError names
        the parties that have lost what others kept, or kept something else.
        """
        begun = self._begun
        if begun is not None and self._states:
            _check_sizes(begun, agreed, mesh.name)
        states = [Told(done=kept.done, digest=kept.transcript) for kept, _ in self._states]
        mine = Offer(run=None if begun is None else begun.run, states=states)
        offers = exchange_offers(mesh, mine)
        self.done = common_state(offers, computing, owners, mesh.name)
        if self.done is None or begun is None:
            self._begin(mesh, agreed)
            return
        left = self.done // self.every + 1
        self._folder.remove([_name(state.done) for state, _ in self._states[left:]])
        del self._states[left:]
        if self._states:
            self._previous = self._states[-1][1].digest

    def start(self, protocol: Protocol) -> None:
        """Take note of the session's protocol."""
        self._protocol = protocol

    # -- in the training: learn.checkpoints.Checkpoints ----------------------------------------

    def keep(self, done: int, tensors: Sequence[SecretTensor]) -> None:
        """Write this party's shares of what is new; where that fails the run goes on without."""
        # At all parties, whether it can be written or not: it draws from streams that they share.
        kept = tensors[0].protocol.keep([tensor.value for tensor in tensors])
        if kept is None or self._begun is None or not self._writes:
            return
        state = _State(
            run=self._begun.run,
            done=done,
            previous=self._previous,
            transcript=kept.digest.hex(),
        )
        try:
            self._previous = self._folder.write(_name(done), state.model_dump(), kept.parts)
        except OSError as error:
            self._not_written(error)

    def kept(self, done: int, facts: Sequence[Facts]) -> list[SecretTensor]:
        """Return the tensors of a state as sharings of this session."""
        protocol = self._protocol
        if protocol is None:
            raise RuntimeError("the store was not started")
        part = None
        if self._states:
            state, file = self._states[done // self.every]
            digest = bytes.fromhex(state.transcript)
            part = Kept(self._folder.arrays(_name(done), file), digest)
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
        """Say what is kept after an error; remove it where it would be the same again."""
        if in_vain:
            self.remove()
            return
        found = self._folder.names(_STATE)
        if found:
            self._note(
                f"{int(Path(found[-1]).stem)} iterations are kept here: when all parties join "
                "again, with the same commands, the run goes on."
            )

    def remove(self) -> None:
        """Remove all that is kept; CheckpointError where it can not be."""
        remove_folder(self._folder.path)
        self._begun, self._states = None, []

    # -- inside --------------------------------------------------------------------------------

    def _read(self) -> None:
        """Read and check what is there; CheckpointError if it is damaged or of something else."""
        if not (self._folder.path / _BEGUN).exists():
            if self._folder.names(_STATE):
                raise damaged(_BEGUN)
            return
        file = self._folder.check(_BEGUN)
        self._previous = file.digest
        try:
            self._begun = _Begun.model_validate(file.facts)
        except ValidationError as error:
            raise damaged(_BEGUN) from error
        for what, kept, now in (
            ("another party", self._begun.party, self._party),
            ("another study file", self._begun.study, self._study),
            (
                "another version of the program or its libraries",
                self._begun.software,
                self._software,
            ),
        ):
            if kept != now:
                raise _of_something_else(what)
        for place, name in enumerate(self._folder.names(_STATE)):
            file = self._folder.check(name)
            try:
                state = _State.model_validate(file.facts)
            except ValidationError as error:
                raise damaged(name) from error
            follows = (state.run, state.previous) == (self._begun.run, self._previous)
            if not follows or (state.done, name) != (place * self.every, _name(state.done)):
                raise damaged(name)
            self._states.append((state, file))
            self._previous = file.digest

    def _begin(self, mesh: Mesh, agreed: Agreed) -> None:
        """Remove what is there, and write down which run this is."""
        self.remove()
        self._begun = _Begun(
            party=self._party,
            run=mesh.session_id.hex(),
            study=self._study,
            software=self._software,
            rows=self._rows,
            fold_seed=f"{self.fold_seed:x}",
            samples=agreed.sizes,
            features=agreed.feature_count,
            folds=agreed.folds,
        )
        try:
            self._previous = self._folder.write(_BEGUN, self._begun.model_dump())
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


def open_store(
    output: Path,
    identity: Identity,
    study: StudyFile,
    party: str,
    software: Mapping[str, str],
    engine: str,
    tell: Callable[[Event], None],
    *,
    fresh: bool,
) -> CheckpointStore | None:
    """Return the store of a run, None where the study asks for none.

    ``fresh``: what an earlier run kept is discarded. ParameterError where the engine can not.
    """
    if fresh:
        discard(output)
    if study.study.study.checkpoint_every is None:
        if (output / CHECKPOINT_FOLDER).exists():
            raise _of_something_else("another study file")
        return None
    if engine != "numpy":
        raise ParameterError(
            f"The study keeps checkpoints, which a training by the engine {engine!r} can not.",
            remedy="Join with --engine numpy, at all sites.",
        )
    return CheckpointStore(output, identity, study, party, software, tell)


def _of_something_else(what: str) -> CheckpointError:
    return CheckpointError(
        f"What an earlier run kept here, to go on, is of {what}.",
        remedy="Name another directory with --out; or join with --fresh, which discards it.",
    )


def rows_digest(cohort: Cohort, order: Sequence[str]) -> str:
    """Return the SHA-256 of all that a site brings, and of the order of its samples; for itself."""
    found = hashlib.sha256()

    def add(part: bytes) -> None:
        found.update(len(part).to_bytes(8, "big") + part)

    for names in (cohort.samples, cohort.features, order, cohort.groups or ()):
        add("\0".join(map(str, names)).encode())
    add(f"{cohort.positive} {cohort.negative}".encode())
    for numbers in (cohort.labels, cohort.weights, cohort.covariates):
        add(b"" if numbers is None else np.ascontiguousarray(numbers, "<f8").tobytes())
    step = max(1, BLOCK_ELEMENTS // max(1, len(cohort.samples)))
    for start in range(0, len(cohort.features), step):
        add(np.ascontiguousarray(cohort.values[:, start : start + step], "<f8").tobytes())
    return found.hexdigest()


def discard(output: Path) -> bool:
    """Remove what a run that stopped has kept in its directory; return whether there was any."""
    return remove_folder(output / CHECKPOINT_FOLDER)


def _check_sizes(begun: _Begun, agreed: Agreed, me: str) -> None:
    folds = begun.folds or {}
    others = [
        name
        for name, size in agreed.sizes.items()
        if (begun.samples.get(name), folds.get(name)) != (size, (agreed.folds or {}).get(name))
    ]
    if not others and begun.features == agreed.feature_count:
        return
    whose = ", ".join(others) or "the sites"
    raise AgreementError(
        f"{whose} did not bring as many samples or features as in the run that stopped.",
        remedy="Give the same files; or join with --fresh at all sites: the training starts anew.",
        party=me,
    )


def _name(done: int) -> str:
    return f"{done:06d}{_STATE}"
