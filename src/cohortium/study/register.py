"""How often each row of this site was in a run: a local file of keyed hashes, never shared."""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections import Counter
from pathlib import Path

import numpy as np

from cohortium.data import Cohort
from cohortium.data.values import BLOCK_ELEMENTS
from cohortium.errors import PolicyError
from cohortium.study.ledger import utc_now

REGISTER_FILE = "register.jsonl"
KEY_FILE = "register.key"
_KEY_BYTES = 32
_HASH_BYTES = 16


class RunRegister:
    """The register in a directory of this site; both files are made when first needed (0600).

    A row is known by its sample's name and by its values, and counts as used if either was: in
    another order, among other rows, with fewer features or under another name it is the same. Who
    has the register but not the key learns nothing of the rows.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def runs_of(self, cohort: Cohort) -> list[int]:
        """Return in how many runs each row of the cohort was."""
        counts: Counter[str] = Counter()
        try:
            path = self._directory / REGISTER_FILE
            lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
            for line in lines:
                entry = json.loads(line)
                counts.update({*entry["names"], *entry["values"]})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PolicyError(
                f"The register of runs in {self._directory} can not be read.",
                remedy="Restore it from your backup: without it runs can not be counted.",
            ) from error
        names, values = self._rows(cohort)
        return [max(counts[a], counts[b]) for a, b in zip(names, values, strict=True)]

    def add(self, cohort: Cohort, digest: str) -> None:
        """Note that the rows of a cohort are used in a run of the study with this digest."""
        names, values = self._rows(cohort)
        entry = {"time": utc_now(), "study": digest, "names": names, "values": values}
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            with os.fdopen(os.open(self._directory / REGISTER_FILE, flags, 0o600), "wb") as file:
                file.write(json.dumps(entry).encode("ascii") + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._unwritable(error) from error

    def _rows(self, cohort: Cohort) -> tuple[list[str], list[str]]:
        """Return keyed hashes of each row's name and of its values, by the features' names."""
        key = self._key()
        order = np.argsort(cohort.features)
        features = "\0".join(cohort.features[place] for place in order).encode()
        bound = hmac.digest(key, b"features\0" + features, "sha256")
        names = [_hash(key, b"name\0" + name.encode()) for name in cohort.samples]
        rows = [hmac.new(bound, digestmod="sha256") for _ in cohort.samples]
        step = max(1, BLOCK_ELEMENTS // max(1, len(rows)))
        for start in range(0, len(order), step):
            block = cohort.values[:, order[start : start + step]]
            # One NaN and one zero only: a missing value is missing, whatever its bits.
            block = np.where(np.isnan(block), np.nan, block) + 0.0
            for row, values in zip(rows, block, strict=True):
                row.update(np.ascontiguousarray(values, "<f8").tobytes())
        return names, [row.digest()[:_HASH_BYTES].hex() for row in rows]

    def _key(self) -> bytes:
        path = self._directory / KEY_FILE
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not path.exists():
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
                with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
                    file.write(secrets.token_bytes(_KEY_BYTES))
            key = path.read_bytes()
        except OSError as error:
            raise self._unwritable(error) from error
        if len(key) != _KEY_BYTES:
            raise PolicyError(
                f"{path} is no key of a register.", remedy="Restore it from your backup."
            )
        return key

    def _unwritable(self, error: OSError) -> PolicyError:
        return PolicyError(
            f"The register of runs in {self._directory} can not be written ({error.strerror}).",
            remedy="Check that the directory is yours and writable.",
        )


def _hash(key: bytes, content: bytes) -> str:
    return hmac.digest(key, content, "sha256")[:_HASH_BYTES].hex()
