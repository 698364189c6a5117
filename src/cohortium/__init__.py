"""Train one model on the genomic data that several sites hold; nobody sees another's records.

What is named here is imported when it is first used: the commands start at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cohortium import mpc
    from cohortium.api import (
        LogisticRegression,
        Result,
        Secret,
        StudyResult,
        clear,
        local,
        simulate,
    )
    from cohortium.learn import Model

__version__ = "0.1.0"
__all__ = [
    "LogisticRegression",
    "Model",
    "Result",
    "Secret",
    "StudyResult",
    "__version__",
    "clear",
    "local",
    "mpc",
    "simulate",
]

_API = ("LogisticRegression", "Result", "Secret", "StudyResult", "clear", "local", "simulate")


def __getattr__(name: str) -> Any:
    if name == "mpc":
        return importlib.import_module("cohortium.mpc")
    if name == "Model":
        return importlib.import_module("cohortium.learn").Model
    if name in _API:
        return getattr(importlib.import_module("cohortium.api"), name)
    raise AttributeError(f"module 'cohortium' has no attribute {name!r}")
