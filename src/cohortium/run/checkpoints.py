"""What a party keeps of a run that is under way, so that a crash does not lose the work.

Each party writes its own shares of the training's state, in its run's directory, and who holds
samples a digest of them. When all join again, with the same program, study and samples, they agree
on the last state that every computing party has of the same session, and go on from there with new
keys. Shares of one party tell nothing; all parties' together are the training's residuals, so the
files are for this site's eyes alone (0600), and removed when the run has ended.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cohortium.data import Cohort
from cohortium.errors import BoundError, CohortiumError, FrameError
from cohortium.mpc import Protocol, SecretTensor
from cohortium.mpc.protocol import Shape
from cohortium.net import Mesh
from cohortium.run.timeline import Event

CHECKPOINT_FOLDER = "checkpoint"
_STATE_FILE = "state.json"
_MESSAGE_BYTES = 64 << 10
_FEATURES_AT_ONCE = 4096

_Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}$")]


class _Kept(BaseModel):
    """One state that was kept: after how many iterations, in which session, of which digest."""

    model_config = ConfigDict(extra="forbid", strict=True)

    done: Annotated[int, Field(ge=1, le=1 << 40)]
    session: _Hex
    digest: _Hex | None = None


class _State(BaseModel):
    """What state.json says: of which program, study and rows the kept states are."""

    model_config = ConfigDict(extra="forbid", strict=True)

    program: _Hex
    rows: _Hex | None
    began: _Hex
    kept: Annotated[list[_Kept], Field(max_length=200)] = []


class _Offer(BaseModel):
    """What a party tells the others of its kept states; nothing of what they hold."""

    model_config = ConfigDict(extra="forbid", strict=True)

    began: _Hex | None
    kept: Annotated[list[_Kept], Field(max_length=200)] = []


class CheckpointStore:
    """The kept states in one run's directory; a ``Checkpoints`` for the training."""

    def __init__(
        self,
        output: Path,
        study_digest: str,
        software: Mapping[str, str],
        cohort: Cohort | None,
        tell: Callable[[Event], None],
    ) -> None:
        self.done = 0
        self._folder = output / CHECKPOINT_FOLDER
        self._tell = tell
        self._protocol: Protocol | None = None
        self._session = ""
        facts = "\0".join([study_digest, *(f"{key}={software[key]}" for key in sorted(software))])
        self._program = hashlib.sha256(facts.encode()).hexdigest()
        self._rows = None if cohort is None else _rows_digest(cohort)
        self._state = self._read()

    @property
    def begun(self) -> bool:
        """Whether a run of this study, with these rows, began here and did not end."""
        return self._state is not None

    def agree(self, mesh: Mesh, computing: Sequence[str], owners: Sequence[str]) -> None:
        """Work out with all parties where this run starts: ``done``; one exchange of messages.

        FrameError where a peer's message is not what it should be.
        """
        mine = _Offer(began=None)
        if self._state is not None:
            mine = _Offer(began=self._state.began, kept=self._state.kept)
        sent = mine.model_copy(
            update={"kept": [kept.model_copy(update={"digest": None}) for kept in mine.kept]}
        )
        received = mesh.exchange_messages(
            "checkpoints",
            dict.fromkeys(mesh.peers, sent.model_dump_json().encode()),
            dict.fromkeys(mesh.peers, _MESSAGE_BYTES),
        )
        offers = {name: _parsed(name, text, mesh) for name, text in received.items()}
        offers[mesh.name] = sent
        self._session = mesh.session_id.hex()
        self.done = _common(offers, computing, owners)
        if self.done and self._state is not None:
            kept = [kept for kept in self._state.kept if kept.done <= self.done]
            self._state = self._state.model_copy(update={"kept": kept})
            self._note(f"Goes on after iteration {self.done}, where an earlier run stopped.")
        else:
            self._state = _State(program=self._program, rows=self._rows, began=self._session)

    def start(self, protocol: Protocol) -> None:
        """Take note that the training begins; states that this run does not go on from go."""
        self._protocol = protocol
        self._guarded(self._begin)

    def keep(self, done: int, tensors: Sequence[SecretTensor]) -> None:
        """Write this party's shares of tensors of one shape; a full disk does not end the run."""
        if self._protocol is None or self._state is None:
            return
        shares = self._protocol.own_shares([tensor.value for tensor in tensors])
        if shares is None:
            return
        file = io.BytesIO()
        np.save(file, np.stack(shares), allow_pickle=False)
        content = file.getvalue()
        kept = _Kept(done=done, session=self._session, digest=hashlib.sha256(content).hexdigest())
        state = self._state.model_copy(update={"kept": [*self._state.kept, kept]})

        def write() -> None:
            self._write(f"{done}.npy", content)
            self._write(_STATE_FILE, state.model_dump_json().encode())

        self._guarded(write)
        self._state = state

    def restored(
        self, count: int, shape: Shape, fraction_bits: int, bound: float
    ) -> list[SecretTensor]:
        """Return the last so many tensors that were kept until ``done``."""
        if self._protocol is None or self._state is None:
            return []
        arrays: list[NDArray[Any]] = []
        for kept in reversed(self._state.kept):
            if len(arrays) < count:
                stack = np.load(self._folder / f"{kept.done}.npy", allow_pickle=False)
                arrays = [*stack, *arrays]
        own = arrays[-count:] if arrays else None
        values = self._protocol.from_own_shares(own, [shape] * count)
        return [
            SecretTensor(self._protocol, value, shape, fraction_bits, bound) for value in values
        ]

    def stopped(self, error: CohortiumError) -> None:
        """Say what is kept after an error; nothing where the training itself was in vain."""
        if isinstance(error, BoundError):
            self.remove()
        elif self._state is not None and self._state.kept:
            self._note(
                f"{self._state.kept[-1].done} iterations are kept: when all parties join again, "
                "with the same commands, they go on from there."
            )

    def remove(self) -> None:
        """Remove all of it: the run has ended."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._state = None

    # -- files ---------------------------------------------------------------------------------

    def _read(self) -> _State | None:
        """Return what is kept here of this study, program and rows; None if nothing is."""
        path = self._folder / _STATE_FILE
        if not path.exists():
            return None
        try:
            state = _State.model_validate_json(path.read_bytes())
            intact = all(
                hashlib.sha256((self._folder / f"{kept.done}.npy").read_bytes()).hexdigest()
                == kept.digest
                for kept in state.kept
            )
        except (OSError, ValidationError):
            intact = False
        if not intact:
            self._note("What an earlier run kept here is damaged: it is not used.")
            return None
        if state.program != self._program or state.rows != self._rows:
            self._note("What an earlier run kept here is of another study, program or data.")
            return None
        return state

    def _begin(self) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if self._state is not None:
            self._write(_STATE_FILE, self._state.model_dump_json().encode())
            used = {f"{kept.done}.npy" for kept in self._state.kept}
            for path in self._folder.glob("*.npy"):
                if path.name not in used:
                    path.unlink()

    def _write(self, name: str, content: bytes) -> None:
        """Write a file that is whole or not there."""
        part = self._folder / f"{name}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(part, flags, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._folder / name)

    def _guarded(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            self._protocol = None
            self._note(f"The run's state can not be kept ({error.strerror}); the run goes on.")

    def _note(self, text: str) -> None:
        self._tell({"event": "note", "text": text})


def _common(offers: Mapping[str, _Offer], computing: Sequence[str], owners: Sequence[str]) -> int:
    """Return the last iteration of which all have the state, of sessions that all were in."""
    if len({offers[name].began for name in (*computing, *owners)}) > 1:
        return 0
    lists = [
        [(kept.done, kept.session) for kept in offers[name].kept]
        for name in computing
        if offers[name].began
    ]
    done = 0
    for states in zip(*lists, strict=False):
        if len(set(states)) > 1:
            break
        done = states[0][0]
    return done


def _parsed(name: str, text: bytes, mesh: Mesh) -> _Offer:
    try:
        return _Offer.model_validate_json(text)
    except ValidationError:
        raise FrameError(
            f"{name} sent a list of checkpoints that can not be read.",
            remedy="Check that all sites run the same version.",
            party=mesh.name,
        ) from None


def _rows_digest(cohort: Cohort) -> str:
    """Return a digest of a site's samples, their values and labels; it stays at the site."""
    found = hashlib.sha256("\0".join([*cohort.samples, "", *cohort.features]).encode())
    for start in range(0, len(cohort.features), _FEATURES_AT_ONCE):
        block = cohort.values[:, start : start + _FEATURES_AT_ONCE]
        found.update(np.ascontiguousarray(block, "<f8").tobytes())
    for numbers in (cohort.labels, cohort.weights):
        found.update(b"" if numbers is None else np.ascontiguousarray(numbers, "<f8").tobytes())
    return found.hexdigest()
