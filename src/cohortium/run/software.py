"""What software this party runs: parties that run other programs do not compute together."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import cohortium

# Those that make random streams, do the arithmetic of shares and check signatures.
_PACKAGES = ("cryptography", "numpy")
_TENSORFLOW = ("tensorflow-cpu", "tensorflow")


@cache
def program_digest() -> str:
    """Return the SHA-256 of cohortium's own source files and their names, in hexadecimal."""
    home = Path(cohortium.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(home.rglob("*.py")):
        digest.update(path.relative_to(home).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def software(engine: str) -> dict[str, str]:
    """Return what must be the same at all parties: version, program, versions of libraries."""
    packages = [f"{name} {version(name)}" for name in _PACKAGES]
    if engine == "tensorflow":
        packages += [f"{name} {found}" for name in _TENSORFLOW if (found := _version(name))][:1]
    return {
        "version": cohortium.__version__,
        "program": program_digest(),
        "packages": ", ".join(packages),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
