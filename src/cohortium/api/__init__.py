"""The Python interface for notebooks and scripts: what ``import cohortium`` offers."""

from cohortium.api.programs import Result, Secret, clear, local

__all__ = ["Result", "Secret", "clear", "local"]
