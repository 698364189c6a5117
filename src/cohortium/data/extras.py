"""Libraries that only some formats need: installed by an extra, named where they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from cohortium.errors import DataFileError


def imported(module: str, extra: str, source: str) -> Any:
    """Return a module; DataFileError saying how to install it where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise DataFileError(
            f"{source} needs the library {module}, which is not installed.",
            remedy=f"Install it: pip install 'cohortium[{extra}]'.",
        ) from None
