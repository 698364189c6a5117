"""The process of one party on this machine: settings come in by standard input, events go out.

Started by ``local`` as ``python -m cohortium.run.child``. The first line of standard input is a
JSON object; standard output carries one JSON event a line. When standard input closes, the parent
is gone and this process ends: none is left behind.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from dataclasses import replace
from pathlib import Path

from cohortium.errors import CohortiumError
from cohortium.net import load_identity
from cohortium.run.party import run_party
from cohortium.run.preparing import read_site_data
from cohortium.run.setup import PartySetup
from cohortium.run.timeline import Event
from cohortium.study import parse_signatures, parse_study


def error_event(error: CohortiumError) -> Event:
    """Return what the parent shows of an error."""
    return {
        "event": "error",
        "class": type(error).__name__,
        "what": error.what,
        "remedy": error.remedy,
        "party": error.party,
    }


def main() -> int:
    """Run one party as the parent says; return the exit code."""
    settings = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        # Addresses and certificates are this run's; what identifies the study is the file given.
        study = replace(
            parse_study(settings["study"]), text=settings["agreed"], digest=settings["digest"]
        )
        cohort = None
        if settings["data"] is not None:
            cohort = read_site_data(settings["data"], study.study)
        run_party(
            PartySetup(
                study=study,
                name=settings["name"],
                identity=load_identity(settings["identity"]),
                cohort=cohort,
                output=Path(settings["output"]),
                signatures=parse_signatures(settings["signatures"].encode(), "the simulation"),
                engine=settings["engine"],
                simulated=True,
                listen_socket=socket.socket(fileno=settings["listen_fd"]),
            ),
            _tell,
        )
    except CohortiumError as error:
        error.party = error.party or settings["name"]
        _tell(error_event(error))
        return error.exit_code
    return 0


def _tell(event: Event) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    # The raw descriptor: reading sys.stdin here would hold its lock when the process ends.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
