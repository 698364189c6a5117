"""TLS handshakes as conversations, and what a failed one says of whose certificate.

A handshake that fails shows only a code. Whether that ends the meeting depends on whose it was: a
party of the study with a wrong certificate does, a stranger's failure does not.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from collections.abc import Generator, Iterable, Sequence

from cohortium.errors import CertificateError, IdentityFileError
from cohortium.net import addresses, tls
from cohortium.net.certificates import certificate_name, check_dates
from cohortium.net.conversations import Wait
from cohortium.net.identity import Identity
from cohortium.net.mesh import Peer

_ATTEMPT_SECONDS = 5.0
_DRAIN_SECONDS = 1.0


class Handshakes:
    """Handshakes of ``identity`` with ``peers``, whose certificates are pinned."""

    def __init__(self, identity: Identity, peers: Sequence[Peer]) -> None:
        self._identity = identity
        self._certificates = {peer.name: peer.certificate_pem for peer in peers}
        self._server = tls.server_context(identity, self._certificates.values())
        self._client = tls.client_context(identity, self._certificates.values())

    def dial(self, peer: Peer, until: float) -> Generator[Wait, bool, ssl.SSLSocket]:
        """Return a connection whose other end proved to be a listed party, not yet which.

        OSError if nobody answers so; CertificateError if a certificate is to blame.
        """
        plain = yield from addresses.dial(peer.host, peer.port, _ATTEMPT_SECONDS)
        with contextlib.ExitStack() as unless_identified:
            unless_identified.enter_context(plain)
            sock = self._client.wrap_socket(plain, do_handshake_on_connect=False)
            unless_identified.enter_context(sock)
            try:
                yield from _handshake(sock, until)
            except ssl.SSLError as error:
                self._check_server(peer, error)
                raise
            unless_identified.pop_all()
        return sock

    def check_presented(self, sock: ssl.SSLSocket, peer: Peer) -> None:
        """Raise CertificateError, saying whose it is, unless the certificate is ``peer``'s."""
        tls.check_presented(sock, peer.name, self._certificates)

    def accept(
        self, plain: socket.socket, host: str, awaited: Iterable[Peer], until: float
    ) -> Generator[Wait, bool, tuple[ssl.SSLSocket, str] | None]:
        """Return the caller's connection and who it is, None if it is nobody.

        OSError if the handshake fails; CertificateError if it was that of one of ``awaited``.
        """
        with contextlib.ExitStack() as unless_identified:
            unless_identified.enter_context(plain)
            plain.setblocking(False)
            sock = self._server.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
            unless_identified.enter_context(sock)
            try:
                yield from _handshake(sock, until)
            except ssl.SSLError as error:
                # A close with unread bytes could overtake the alert that tells the caller why.
                yield from _drain(sock)
                self._check_caller(host, awaited, error)
                raise
            name = tls.presented_by(sock, self._certificates)
            if name is None:
                return None
            unless_identified.pop_all()
        return sock, name

    def _check_server(self, peer: Peer, error: ssl.SSLError) -> None:
        """Raise CertificateError if it was a certificate that made the handshake fail."""
        where = f"{peer.host}:{peer.port}"
        fault = tls.refused_by_us(error)
        if tls.date_fault(error):
            for name in (peer.name, *self._certificates):
                check_dates(self._certificates[name], whose=f"{name} (at {where})")
        if fault:
            # Asked while our first connection is open: the server does not give up before.
            seen = tls.look_at_certificate((peer.host, peer.port))
            owner = tls.issuer_of(seen, self._certificates)
            if owner is not None:
                check_dates(ssl.DER_cert_to_PEM_cert(seen), whose=f"{owner} (at {where})")
            raise CertificateError(
                f"The certificate at the address of {peer.name} ({where}) is {fault}."
                f"{_named(seen)}",
                remedy=f"Ask {peer.name} for its fingerprint and compare it with the study file: "
                "the file is out of date, or somebody else answers there.",
            ) from error
        refusal = tls.refused_by_peer(error)
        if refusal:
            raise CertificateError(
                f"{peer.name} refused our certificate as {refusal}. "
                f"Ours has SHA-256 {self._identity.fingerprint}.",
            ) from error

    def _check_caller(self, host: str, awaited: Iterable[Peer], error: ssl.SSLError) -> None:
        """Raise CertificateError if the failed handshake was a party's of the study."""
        # Who failed to show who it is may be a stranger with an old certificate of a party, which
        # is public: its address is the best there is.
        likely = [p.name for p in awaited if addresses.is_of_host(host, p.host)]
        who = f"{' or '.join(likely)} (calling from {host})"
        fault = tls.date_fault(error)
        if fault:
            for peer in awaited:
                check_dates(peer.certificate_pem, whose=f"{peer.name} (calling from {host})")
            if likely:
                raise CertificateError(
                    f"{who} presented a link certificate that is {fault}.",
                    remedy="Run `cohortium identity renew` at that site; if its certificate is "
                    "valid there, compare the clocks.",
                ) from error
        refusal = tls.refused_by_peer(error)
        if refusal:
            mine = f"{self._identity.name}, this party,"
            check_dates(self._identity.certificate_pem, whose=mine)
            check_dates(self._identity.link_pem, whose=mine)
            if likely:
                raise CertificateError(
                    f"{who} refused our certificate as {refusal}. Ours has SHA-256 "
                    f"{self._identity.fingerprint}.",
                    remedy="Compare it with the fingerprint in the study file there.",
                ) from error


def _named(certificate: bytes) -> str:
    """Return what a certificate (DER) that nobody vouches for says of itself."""
    if not certificate:
        return ""
    try:
        name = certificate_name(ssl.DER_cert_to_PEM_cert(certificate))
    except IdentityFileError:
        name = "nobody we know"
    return f" It presented one that names {name}."


def _handshake(sock: ssl.SSLSocket, until: float) -> Generator[Wait, bool, None]:
    while True:
        try:
            sock.do_handshake()
            return
        except ssl.SSLWantReadError:
            events = select.POLLIN
        except ssl.SSLWantWriteError:
            events = select.POLLOUT
        if not (yield Wait(sock.fileno(), events, until)):
            raise TimeoutError("it sent nothing")


def _drain(sock: ssl.SSLSocket) -> Generator[Wait, bool, None]:
    """Half-close and drop what comes, until the other side closes or a second is over."""
    until = time.monotonic() + _DRAIN_SECONDS
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        while time.monotonic() < until:
            if not (yield Wait(sock.fileno(), select.POLLIN, until)) or not sock.recv(1 << 16):
                return
