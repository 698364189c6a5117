"""Before a study: whether this site and its links are ready, and what a run will take.

No data are touched: the forecast comes of made-up rows.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from cohortium.errors import CohortiumError
from cohortium.net import Identity, LinkSpeed, connect, expiry_warning, probe
from cohortium.run.clocks import check_clocks
from cohortium.run.consent import check_own, collect
from cohortium.run.forecast import Forecast
from cohortium.run.party import check_identity, study_peers
from cohortium.run.rehearsal import StatedSize, exchange_sizes, rehearse
from cohortium.run.software import software
from cohortium.study import Signature, StudyFile, missing

_LEAST_DISK = 1 << 30


@dataclass
class Preflight:
    """What was found: what is well, what a run would stop at, and each link's speed and clock."""

    party: str
    well: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    links: dict[str, LinkSpeed] = field(default_factory=dict)
    ahead: dict[str, float] = field(default_factory=dict)
    forecast: Forecast | None = None


def preflight(
    study: StudyFile,
    name: str,
    identity: Identity,
    signatures: list[Signature],
    output: Path,
    *,
    connect_timeout: float,
    listen_host: str | None = None,
    size: StatedSize | None = None,
) -> Preflight:
    """Meet all parties that run this too, compare what must be equal, measure the links.

    Where all data owners state a ``size``, a rehearsal makes a forecast. Nothing of any site's
    data is read, nor told but that. Raises the error that a run would end with: who
    could not be reached and why, whose certificate, version, digest, clock or signature differs.
    """
    found = Preflight(name)
    peers = study_peers(study.study)
    check_identity(study.study, name, identity)
    found.well.append(f"identity: the study lists this site's certificate for {name}")
    certificates = [identity.link_pem, *(peer.certificate_pem for peer in peers)]
    found.warnings += filter(None, map(expiry_warning, certificates))
    try:
        own = check_own(study, name, signatures)
        found.well.append("signature: this site has signed the study")
    except CohortiumError as error:
        own = {}
        found.problems.append(f"{error.what} {error.remedy}")
    _check_disk(found, output)
    mesh = connect(
        identity,
        peers,
        me=name,
        agreement={"study digest": study.digest, **software("numpy"), "command": "check"},
        connect_timeout=connect_timeout,
        # As in a run: who computes waits for all others, the dealer runs ahead.
        deadline=study.study.study.deadline if name in study.study.with_role("compute") else None,
        listen_host=listen_host,
        patient=True,
    )
    with mesh:
        found.well.append(
            "links: all parties were reached, by their own certificates, over TLS 1.3"
        )
        found.well.append("agreement: same study, version, program and libraries everywhere")
        found.ahead = check_clocks(mesh)
        absent = missing(study.study, collect(mesh, study, own, complete=False))
        if absent:
            found.problems.append(f"{', '.join(absent)} did not sign this study yet.")
        else:
            found.well.append("signatures: all parties have signed")
        found.links = probe(mesh)
        sizes = exchange_sizes(mesh, study.study, size)
        silent = [owner for owner in study.study.with_role("data") if owner not in sizes]
        if silent:
            found.warnings.append(
                f"no forecast: {', '.join(silent)} did not state how much data it will bring "
                "(--samples, --features)."
            )
        else:
            found.forecast = rehearse(mesh, study.study, sizes)
            _check_forecast(found, found.forecast)
    return found


def _check_forecast(found: Preflight, forecast: Forecast) -> None:
    found.well.append(
        f"memory: {forecast.memory / 1e9:.1f} GB at most in the rehearsal, without reading a file"
    )
    found.well.append(f"disk: {forecast.disk / 1e6:.0f} MB for the results")


def _check_disk(found: Preflight, output: Path) -> None:
    """Say how much room there is where the results go: the nearest directory that exists."""
    place = output.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < _LEAST_DISK:
        found.problems.append(f"Only {free / 1e6:.0f} MB of disk are free for the results.")
    else:
        found.well.append(f"disk: {free / 1e9:.0f} GB free for the results")
