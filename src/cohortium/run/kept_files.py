"""Files that a party keeps for itself: signed with its own key, whole or not there, 0600.

A file is a line of JSON, a line with this party's signature of it, and arrays of 64-bit integers
whose SHA-256 the first line holds. Whoever changes a byte without the party's key is found out.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cohortium.errors import CheckpointError
from cohortium.net import Identity, sign, verify

_PURPOSE = b"cohortium: what this party keeps of a run, to go on after a crash\0"
_LONGEST_LINE = 1 << 20
_CHUNK = 1 << 20
_PRIVATE = 0o700
_Length = Annotated[int, Field(ge=0, le=1 << 40)]


class _Head(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    facts: dict[str, Any]
    shapes: Annotated[list[list[_Length]], Field(max_length=100_000)]
    sha256: str


@dataclass(frozen=True)
class KeptFile:
    """What an intact file says: facts, shapes, the first line's SHA-256; where its arrays start."""

    facts: dict[str, Any]
    shapes: list[tuple[int, ...]]
    digest: str
    start: int


class KeptFolder:
    """A folder of such files, made when the first is written: 0700, and of this user alone."""

    def __init__(self, path: Path, identity: Identity) -> None:
        self.path = path
        self._identity = identity

    def names(self, ending: str) -> list[str]:
        """Return the names of the files that end so, sorted."""
        return sorted(path.name for path in self.path.glob(f"*{ending}"))

    def write(
        self, name: str, facts: Mapping[str, Any], arrays: Sequence[NDArray[np.int64]] = ()
    ) -> str:
        """Write a file, on the disk when this returns; return its digest. OSError if it can not."""
        contents = [np.ascontiguousarray(array, "<i8") for array in arrays]
        found = hashlib.sha256()
        for content in contents:
            found.update(content.data)
        shapes = [list(content.shape) for content in contents]
        head = {"facts": dict(facts), "shapes": shapes, "sha256": found.hexdigest()}
        line = json.dumps(head, separators=(",", ":")).encode("ascii")
        _make_private(self.path)
        part = self.path / f"{name}.part"
        # A new file, with its final rights: one that a crash, or somebody else, left is not used.
        part.unlink(missing_ok=True)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(part, flags, 0o600), "wb") as file:
                file.write(line + b"\n")
                file.write(_signature_line(sign(self._identity, _PURPOSE + line)))
                for content in contents:
                    file.write(content.data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path / name)
            _to_disk(self.path)
        except OSError:
            with suppress(OSError):
                part.unlink()
            raise
        return hashlib.sha256(line).hexdigest()

    def check(self, name: str) -> KeptFile:
        """Return what a file says, every byte of it checked; CheckpointError if it is damaged."""
        try:
            with (self.path / name).open("rb") as file:
                line = file.readline(_LONGEST_LINE).removesuffix(b"\n")
                signed = file.readline(_LONGEST_LINE)
                signature = bytes.fromhex(signed.decode("ascii"))
                own = verify(self._identity.certificate_pem, _PURPOSE + line, signature)
                if not own or signed != _signature_line(signature):
                    raise ValueError("not signed by this party")
                head = _Head.model_validate_json(line)
                start, found = file.tell(), hashlib.sha256()
                while chunk := file.read(_CHUNK):
                    found.update(chunk)
                size = 8 * sum(math.prod(shape) for shape in head.shapes)
                if file.tell() - start != size or found.hexdigest() != head.sha256:
                    raise ValueError("other content")
        except (OSError, ValueError, ValidationError) as error:
            raise damaged(name) from error
        shapes = [tuple(shape) for shape in head.shapes]
        return KeptFile(head.facts, shapes, hashlib.sha256(line).hexdigest(), start)

    def arrays(self, name: str, kept: KeptFile) -> list[NDArray[np.int64]]:
        """Return the arrays of a file that was checked."""
        arrays: list[NDArray[np.int64]] = []
        try:
            with (self.path / name).open("rb") as file:
                file.seek(kept.start)
                for shape in kept.shapes:
                    flat = np.fromfile(file, "<i8", math.prod(shape))
                    arrays.append(flat.astype(np.int64, copy=False).reshape(shape))
        except (OSError, ValueError) as error:
            raise damaged(name) from error
        return arrays

    def remove(self, names: Sequence[str]) -> None:
        """Remove files, from the disk when this returns; CheckpointError where it can not."""
        try:
            for name in names:
                (self.path / name).unlink(missing_ok=True)
            if names:
                _to_disk(self.path)
        except OSError as error:
            raise _not_removed(error) from error


def remove_folder(path: Path) -> bool:
    """Remove a folder and return whether there was one; CheckpointError where it can not."""
    try:
        if not path.exists():
            return False
        shutil.rmtree(path)
        _to_disk(path.parent)
    except OSError as error:
        raise _not_removed(error) from error
    return True


def damaged(name: str) -> CheckpointError:
    """Return the error of a file that is not what this party wrote."""
    return CheckpointError(
        f"{name}, which an earlier run kept here to go on, is damaged, or not of this party.",
        remedy="Restore it, or join with --fresh at all sites: the training starts anew.",
    )


def _signature_line(signature: bytes) -> bytes:
    return signature.hex().encode("ascii") + b"\n"


def _not_removed(error: OSError) -> CheckpointError:
    return CheckpointError(
        f"What is kept here of the run can not be removed ({error.strerror}).",
        remedy="Make the run's directory writable, and remove its folder 'checkpoint'.",
    )


def _make_private(folder: Path) -> None:
    """Make a folder that its user alone can read, or make the one there so; OSError if it can not.

    A link, or a folder of somebody else, is not used.
    """
    folder.mkdir(mode=_PRIVATE, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "the folder 'checkpoint' is somebody else's")
        if stat.S_IMODE(found.st_mode) != _PRIVATE:
            os.fchmod(descriptor, _PRIVATE)
    finally:
        os.close(descriptor)


def _to_disk(folder: Path) -> None:
    """Make sure that new, renamed and removed names of a folder outlive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
