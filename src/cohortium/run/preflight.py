"""Before a study: whether this site, its data and its links are ready, and what a run will take.

The forecast comes of made-up rows. Where a site names its file, it is read and prepared as for a
run, at that site alone: the others are told how many samples and features there are.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from cohortium.data import Cohort
from cohortium.errors import CohortiumError
from cohortium.net import Identity, LinkSpeed, connect, expiry_warning, probe
from cohortium.run.clocks import check_clocks
from cohortium.run.consent import check_own, collect
from cohortium.run.forecast import PREPARE, READ, Forecast
from cohortium.run.peers import check_identity, study_peers
from cohortium.run.preparing import prepare_alone, prepare_site, read_site_data
from cohortium.run.rehearsal import StatedSize, exchange_sizes, made_up_cohort, rehearse
from cohortium.run.software import software
from cohortium.study import Signature, Study, StudyFile, missing

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
    data: str | None = None,
    size: StatedSize | None = None,
) -> Preflight:
    """Meet all parties that run this too, compare what must be equal, measure the links.

    Where all data owners name their ``data`` (as ``join`` takes it) or state a ``size``, a
    rehearsal makes a forecast. Of a site's data nothing is told but the size. Raises the error
    that a run would end with: who could not be reached and why, whose certificate, version,
    digest, clock or signature differs.
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
    own_rows = _own_rows(found, study.study, data, size)
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
        sizes = exchange_sizes(mesh, study.study, own_rows.size)
        silent = [owner for owner in study.study.with_role("data") if owner not in sizes]
        if silent:
            found.warnings.append(
                f"no forecast: {', '.join(silent)} did not state how much data it will bring "
                "(--data, or --samples and --features)."
            )
        else:
            found.forecast = rehearse(mesh, study.study, sizes, own_rows.seconds)
            unread = own_rows.size is not None and READ not in own_rows.seconds
            found.well.append(
                f"memory: {found.forecast.memory / 1e9:.2f} GB at most"
                + (", without reading a file" if unread else "")
            )
            found.well.append(f"disk: {found.forecast.disk / 1e6:.1f} MB for the results")
    return found


@dataclass(frozen=True)
class _OwnRows:
    """How much data this site brings, the seconds of what it did with them, and the rows."""

    size: StatedSize | None
    seconds: dict[str, float]
    # Held as a run holds it, so that the memory told is that of a run.
    cohort: Cohort | None = None


def _own_rows(
    found: Preflight, study: Study, data: str | None, size: StatedSize | None
) -> _OwnRows:
    """Read and prepare this site's rows as a run does; made-up ones where there is no file."""
    start = time.perf_counter()
    if data is None:
        if size is None:
            return _OwnRows(None, {})
        cohort = made_up_cohort(study, size)
        # Once before the clock runs: a run has read its file by then, and its memory is warm.
        prepare_alone(study, cohort)
        start = time.perf_counter()
        prepare_alone(study, cohort)
        return _OwnRows(size, {PREPARE: time.perf_counter() - start}, cohort)
    try:
        cohort = read_site_data(data, study)
        middle = time.perf_counter()
        prepared = prepare_site(study, found.party, cohort, lambda _event: None).cohort
    except CohortiumError as error:
        found.problems.append(f"{error.what} {error.remedy}")
        return _OwnRows(None, {})
    seconds = {READ: middle - start, PREPARE: time.perf_counter() - middle}
    if prepared is None:
        return _OwnRows(None, {})
    samples, features = prepared.values.shape
    found.well.append(f"data: {samples:,} samples, {features:,} features, ready for this study")
    return _OwnRows(StatedSize(samples, features), seconds, cohort)


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
