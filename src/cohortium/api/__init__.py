"""The Python interface for notebooks and scripts: what ``import cohortium`` offers."""

from cohortium.api.estimators import LogisticRegression
from cohortium.api.programs import Result, Secret, clear, local
from cohortium.api.simulating import StudyResult, simulate

__all__ = ["LogisticRegression", "Result", "Secret", "StudyResult", "clear", "local", "simulate"]
