"""Connecting a party to all others: everybody comes, agrees, and starts together, or all stop.

Of each pair the later in the study's order dials the earlier. If somebody is missing when the time
is over, or is wrong, whoever is connected by then is told why.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from cohortium.errors import (
    CertificateError,
    CohortiumError,
    ConnectError,
    DeadlineError,
    ParameterError,
    PeerAbortedError,
)
from cohortium.net import addresses
from cohortium.net.abort import Abort
from cohortium.net.certificates import certificate_name, fingerprint
from cohortium.net.frames import MAX_ABORT, NO_SESSION
from cohortium.net.hello import session_id
from cohortium.net.identity import Identity, check_name
from cohortium.net.meeting import Meeting
from cohortium.net.mesh import DEFAULT_DEADLINE, Mesh, Peer
from cohortium.net.waiting import first_cause

DEFAULT_CONNECT_TIMEOUT = 60.0
# The others may have started later; who misses somebody says so before this is over.
_GRACE = 5.0
_SHOWN = 5


def connect(
    identity: Identity,
    peers: Sequence[Peer],
    *,
    me: str,
    agreement: Mapping[str, str],
    connect_timeout: float = DEFAULT_CONNECT_TIMEOUT,
    deadline: float | None = DEFAULT_DEADLINE,
    listen_socket: socket.socket | None = None,
    listen_host: str | None = None,
    patient: bool = False,
) -> Mesh:
    """Connect party ``me`` to all other ``peers``; return the mesh when all have met all.

    ``peers`` holds all parties, ``me`` too, in the same order everywhere. ``agreement`` must be
    equal at all parties. ``listen_socket`` is a bound socket to listen at, closed before this
    returns; without it ``listen_host``, or the host that ``peers`` gives for ``me``, is bound.
    ``deadline`` is the mesh's. ``patient``: go on where one party is wrong, to find all that are.

    Errors: ParameterError for arguments that do not fit together; ConnectError naming who is
    missing after ``connect_timeout`` seconds; CertificateError, AgreementError, FrameError,
    PeerLostError naming the party; PeerAbortedError if another party stopped.
    """
    meeting = None
    listener = listen_socket
    try:
        _check_peers(identity, peers, me)
        end = time.monotonic() + connect_timeout
        meeting = Meeting(identity, peers, agreement, end, patient=patient)
        if meeting.later:
            host = listen_host or _one(peers, me).host
            listener = listener or addresses.bind(host, _one(peers, me).port)
            listener.listen(128)
            listener.setblocking(False)
        complete = meeting.run(listener)
        missing = None if complete else _missing(meeting, listener)
        if patient:
            _share_findings(meeting, missing, [peer.name for peer in peers], end)
        elif missing is not None:
            raise missing
        session = session_id(meeting.nonces)
        for link in meeting.ready.values():
            link.session = session
        names = [peer.name for peer in peers]
        ready = {name: meeting.ready[name] for name in names if name != me}
        mesh = Mesh(me, names, ready, session_id=session, deadline=deadline)
        _start_together(mesh, end)
    except BaseException as error:
        if isinstance(error, CohortiumError):
            error.party = me
        if meeting is not None:
            try:
                meeting.turn_away(listener, first_cause(meeting.links, error, me))
            finally:
                meeting.close()
        raise
    finally:
        if listener is not None:
            listener.close()
    return mesh


def _start_together(mesh: Mesh, end: float) -> None:
    """Wait until everybody has met everybody, so that nobody starts in vain."""
    left = max(0.0, end - time.monotonic()) + _GRACE
    try:
        mesh.exchange_messages(
            "ready", dict.fromkeys(mesh.peers, b""), dict.fromkeys(mesh.peers, 0), deadline=left
        )
    except DeadlineError as error:
        raise ConnectError(
            f"{mesh.name} met everybody, but others did not in time. {error.what}",
            remedy="See at the party named whom it is waiting for.",
        ) from error


def _share_findings(
    meeting: Meeting, missing: ConnectError | None, parties: Sequence[str], end: float
) -> None:
    """Tell all that are here what is wrong, hear what they found, and raise all of it as one.

    Nobody leaves before that: who hangs up at its first finding keeps the others from theirs.
    """
    found = [*meeting.wrong.values(), *([missing] if missing is not None else [])]
    mine = Abort.of(_as_one(found), meeting.me).encode() if found else b""
    # No session yet: its identifier needs the greetings of all.
    mesh = Mesh(meeting.me, parties, meeting.ready, session_id=NO_SESSION)
    left = max(0.0, end - time.monotonic()) + _GRACE
    try:
        heard = mesh.exchange_messages(
            "findings",
            dict.fromkeys(meeting.ready, mine),
            dict.fromkeys(meeting.ready, MAX_ABORT),
            deadline=left,
        )
    except CohortiumError as error:
        heard = {}
        found.append(error)
    for peer, told in heard.items():
        if told:
            reason = Abort.decode(told, peer)
            found.append(
                PeerAbortedError(
                    f"{peer} found: [{reason.code}] {reason.text}",
                    remedy=f"See the screen of {peer}.",
                )
            )
    if found:
        # Who hung up now would take from others what they still have to hear of a third.
        with suppress(CohortiumError):
            everyone = meeting.ready
            mesh.exchange_messages(
                "heard", dict.fromkeys(everyone, b""), dict.fromkeys(everyone, 0), deadline=_GRACE
            )
        raise _as_one(found)


def _as_one(errors: Sequence[CohortiumError]) -> CohortiumError:
    """Return one error that says what all of them say, of the first one's kind."""
    if len(errors) == 1:
        return errors[0]
    whats, remedies = [each.what for each in errors], [each.remedy for each in errors]
    return type(errors[0])(" ".join(dict.fromkeys(whats)), remedy=" ".join(dict.fromkeys(remedies)))


def _missing(meeting: Meeting, listener: socket.socket | None) -> ConnectError:
    where = addresses.show(listener.getsockname()) if listener is not None else ""
    lines = [
        f"{peer.name} could not be reached at {peer.host}:{peer.port} "
        f"({meeting.reasons.get(peer.name, 'no answer')})"
        for peer in meeting.earlier
        if peer.name not in meeting.ready and peer.name not in meeting.wrong
    ]
    lines += [
        f"{peer.name} never dialled us at {where}"
        for peer in meeting.later
        if peer.name not in meeting.ready and peer.name not in meeting.wrong
    ]
    text = "; ".join(lines)
    if meeting.dropped:
        more = len(meeting.dropped) - _SHOWN
        callers = ", ".join(list(meeting.dropped)[-_SHOWN:]) + (
            f" and {more} more" if more > 0 else ""
        )
        text += f". Callers that were turned away: {callers}"
    return ConnectError(
        f"The time to connect is over: {text}.",
        remedy="Check that the party is running, its address, and the firewalls on the way.",
    )


def _one(peers: Sequence[Peer], name: str) -> Peer:
    return next(peer for peer in peers if peer.name == name)


def _check_peers(identity: Identity, peers: Sequence[Peer], me: str) -> None:
    names = [check_name(peer.name) for peer in peers]
    if len(set(names)) != len(names):
        raise ParameterError(f"A party is listed twice in {', '.join(names)}.")
    if me not in names or identity.name != me:
        raise ParameterError(
            f"The identity is {identity.name}'s, to be connected is {me}, and the parties are "
            f"{', '.join(names)}.",
            remedy="Start each party under its own name, with its own identity.",
        )
    owners: dict[str, str] = {}
    for peer in peers:
        named = certificate_name(peer.certificate_pem)
        owner = owners.setdefault(fingerprint(peer.certificate_pem), peer.name)
        if named != peer.name or owner != peer.name:
            raise CertificateError(
                f"The certificate listed for {peer.name} is {named}'s.",
                remedy="Put the right certificate into the study.",
            )
    if fingerprint(_one(peers, me).certificate_pem) != identity.fingerprint:
        raise CertificateError(
            f"The study lists another certificate for {me} than the one this computer holds "
            f"(SHA-256 {identity.fingerprint}).",
            remedy="Use the identity that the study lists, or have the study file changed.",
        )
