"""Before a study: whether this site, its data and its links are ready, and what a run will take.

The forecast comes of made-up rows. Where a site names its file, it is read and prepared as for a
run, at that site alone: the others are told how many samples and features there are, or that the
file was refused.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from cohortium.data import Cohort
from cohortium.errors import CohortiumError
from cohortium.net import Identity, LinkSpeed, Mesh, connect, expiry_warning, probe
from cohortium.run.clocks import check_clocks
from cohortium.run.consent import check_own, collect
from cohortium.run.forecast import PREPARE, READ, Forecast
from cohortium.run.peers import check_identity, study_peers
from cohortium.run.preparing import prepare_alone, prepare_site, read_site_data
from cohortium.run.rehearsal import made_up_cohort, rehearse
from cohortium.run.software import software
from cohortium.run.stating import StatedSize, exchange_sizes, plan_rehearsal
from cohortium.study import Signature, Study, StudyFile, missing

_LEAST_DISK = 1 << 30


@dataclass
class Preflight:
    """What was found: what is well, what a run would stop at, and each link's speed and clock.

    ``stopped`` is the error that ended the check among all parties; what was found before it stays.
    """

    party: str
    well: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    links: dict[str, LinkSpeed] = field(default_factory=dict)
    ahead: dict[str, float] = field(default_factory=dict)
    forecast: Forecast | None = None
    stopped: CohortiumError | None = None


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
    rehearsal makes a forecast. Of a site's data nothing is told but the size, or that they were
    refused. ``stopped`` is the error that a run would end with: who could not be reached and why,
    whose certificate, version, digest, clock or signature differs. Raises CertificateError where
    the identity is not the one that the study lists.
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
        found.problems.append(error.finding)
    _check_disk(found, output)
    own_rows = _own_rows(found, study.study, data, size)
    try:
        with connect(
            identity,
            peers,
            me=name,
            agreement={"study digest": study.digest, **software("numpy"), "command": "check"},
            connect_timeout=connect_timeout,
            # As in a run: who computes waits for all others, the dealer runs ahead.
            deadline=study.study.study.deadline
            if name in study.study.with_role("compute")
            else None,
            listen_host=listen_host,
            patient=True,
        ) as mesh:
            _check_links(found, mesh, study, own)
            make_forecast(found, mesh, study.study, own_rows)
    except CohortiumError as error:
        # What this site found by itself is worth no less.
        found.stopped = error
    return found


def _check_links(found: Preflight, mesh: Mesh, study: StudyFile, own: dict[str, Signature]) -> None:
    """Compare clocks and signatures, and measure the links."""
    found.well.append("links: all parties were reached, by their own certificates, over TLS 1.3")
    found.well.append("agreement: same study, version, program and libraries everywhere")
    found.ahead = check_clocks(mesh)
    absent = missing(study.study, collect(mesh, study, own, complete=False))
    if absent:
        found.problems.append(f"{', '.join(absent)} did not sign this study yet.")
    else:
        found.well.append("signatures: all parties have signed")
    found.links = probe(mesh)


def make_forecast(found: Preflight, mesh: Mesh, study: Study, own: OwnRows) -> None:
    """Rehearse where all owners state how much they bring, and such a training can be planned."""
    sizes, refused = exchange_sizes(mesh, study, own.size, refused=own.refused)
    others = [owner for owner in refused if owner != mesh.name]
    if others:
        found.problems.append(
            f"no forecast: the data of {' and '.join(others)} were refused there, for the reason "
            "shown at that site."
        )
    silent = [owner for owner in study.with_role("data") if owner not in {*sizes, *refused}]
    if silent:
        found.warnings.append(
            f"no forecast: {', '.join(silent)} did not state how much data it will bring "
            "(--data, or --samples and --features)."
        )
    if silent or refused:
        return
    try:
        planned = plan_rehearsal(study, sizes, mesh.name)
    except CohortiumError as error:
        # All parties come to the same, as they plan from the same numbers.
        found.problems.append(error.finding)
        return
    found.forecast = rehearse(mesh, study, planned, own.seconds)
    unread = own.size is not None and READ not in own.seconds
    found.well.append(
        f"memory: {found.forecast.memory / 1e9:.2f} GB at most"
        + (", without reading a file" if unread else "")
    )
    found.well.append(f"disk: {found.forecast.disk / 1e6:.1f} MB for the results")


@dataclass(frozen=True)
class OwnRows:
    """How much data this site brings, the seconds of what it did with them, and the rows."""

    size: StatedSize | None
    seconds: dict[str, float]
    # Held as a run holds it, so that the memory told is that of a run.
    cohort: Cohort | None = None
    refused: bool = False


def _own_rows(found: Preflight, study: Study, data: str | None, size: StatedSize | None) -> OwnRows:
    """Read and prepare this site's rows as a run does; made-up ones where there is no file."""
    try:
        if data is None:
            return OwnRows(None, {}) if size is None else _made_up(study, size)
        start = time.perf_counter()
        cohort = read_site_data(data, study)
        middle = time.perf_counter()
        prepared = prepare_site(study, found.party, cohort, lambda _event: None).cohort
    except CohortiumError as error:
        found.problems.append(error.finding)
        return OwnRows(None, {}, refused=True)
    seconds = {READ: middle - start, PREPARE: time.perf_counter() - middle}
    if prepared is None:
        return OwnRows(None, {})
    samples, features = prepared.values.shape
    found.well.append(f"data: {samples:,} samples, {features:,} features, ready for this study")
    return OwnRows(StatedSize(samples, features), seconds, cohort)


def _made_up(study: Study, size: StatedSize) -> OwnRows:
    cohort = made_up_cohort(study, size)
    # Once before the clock runs: a run has read its file by then, and its memory is warm.
    prepare_alone(study, cohort)
    start = time.perf_counter()
    prepare_alone(study, cohort)
    return OwnRows(size, {PREPARE: time.perf_counter() - start}, cohort)


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
