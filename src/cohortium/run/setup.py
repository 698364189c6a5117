"""What one party brings to a run, and the engine that it computes on."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cohortium.data import Cohort
from cohortium.errors import ParameterError
from cohortium.net import Identity
from cohortium.ring import Engine, NumpyEngine, TensorFlowEngine
from cohortium.study import RunRegister, Signature, SitePolicy, StudyFile


@dataclass(frozen=True)
class PartySetup:
    """What one party brings to a run: who it is, its key, its data, where results go."""

    study: StudyFile
    name: str
    identity: Identity
    cohort: Cohort | None
    output: Path
    signatures: Sequence[Signature] = ()
    engine: str = "numpy"
    policy: SitePolicy | None = None
    register: RunRegister | None = None
    # What an earlier run kept here is discarded.
    fresh: bool = False
    # Of a simulation: its certificates are made for the run, and its directory may be used again.
    simulated: bool = False
    listen_socket: socket.socket | None = None
    listen_host: str | None = None

    def check_runs(self) -> None:
        """Raise PolicyError where this site's rows were in as many runs as it allows."""
        if self.cohort is not None and self.policy is not None and self.register is not None:
            self.policy.check_runs(self.cohort, self.register)


def make_engine(name: str) -> Engine:
    """Return the engine of that name, "numpy" or "tensorflow"."""
    if name == "numpy":
        return NumpyEngine()
    if name == "tensorflow":
        return TensorFlowEngine()
    raise ParameterError(f"There is no engine {name!r}.", remedy="Choose 'numpy' or 'tensorflow'.")
