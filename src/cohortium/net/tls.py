"""TLS 1.3 with the study's certificates pinned at both ends, and failures in plain words.

The certificates that the study lists are the only authorities, each for the links of one party. A
peer is the party whose identity issued what it presents; the name in it and host names do not
count: hospitals sit behind address translation. OpenSSL reports
failures as codes of its own; this module turns them into what a person can act on.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable, Mapping

from cryptography import x509

from cohortium.errors import CertificateError
from cohortium.net.certificates import fingerprint, is_issued_by
from cohortium.net.identity import Identity

_NOT_YET_VALID = 9
_EXPIRED = 10

# The alert names are parts of OpenSSL's reasons, which differ between its versions.
_REFUSALS = {
    "CERTIFICATE_EXPIRED": "expired",
    "UNKNOWN_CA": "unknown: not one that its study file lists",
    "BAD_CERTIFICATE": "not valid yet by its clock, or damaged",
    "CERTIFICATE_UNKNOWN": "not acceptable",
    "CERTIFICATE_REVOKED": "revoked",
    "UNSUPPORTED_CERTIFICATE": "of an unsupported kind",
    "CERTIFICATE_REQUIRED": "missing",
}


def server_context(identity: Identity, certificates: Iterable[str]) -> ssl.SSLContext:
    """Return the context for accepted connections that trusts ``certificates`` (PEM) only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # A ticket would let a session resume without the certificate being checked again.
    context.num_tickets = 0
    return _pinned(context, identity, certificates)


def client_context(identity: Identity, certificates: Iterable[str]) -> ssl.SSLContext:
    """Return the context for dialled connections that trusts ``certificates`` (PEM) only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    return _pinned(context, identity, certificates)


def _pinned(
    context: ssl.SSLContext, identity: Identity, certificates: Iterable[str]
) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    try:
        # Never None: OpenSSL would ask at the terminal for a passphrase that is missing.
        context.load_cert_chain(identity.link_path, password=identity.passphrase or b"")
        context.load_verify_locations(cadata="\n".join(certificates))
    except (ssl.SSLError, OSError) as error:
        raise CertificateError(
            f"The certificates can not be used for TLS: {error.strerror or error}.",
            remedy="Check the identity files of this site and the study's certificates.",
        ) from error
    return context


def presented_by(tls: ssl.SSLSocket, certificates: Mapping[str, str]) -> str | None:
    """Return the party whose identity (name: PEM) issued what the peer presented, None if none."""
    return issuer_of(tls.getpeercert(binary_form=True) or b"", certificates)


def issuer_of(presented: bytes, certificates: Mapping[str, str]) -> str | None:
    """Return the party whose identity (name: PEM) signed a certificate (DER), None if none did."""
    try:
        link = x509.load_der_x509_certificate(presented)
    except ValueError:
        return None
    return next((name for name, pem in certificates.items() if is_issued_by(link, pem)), None)


def check_presented(tls: ssl.SSLSocket, expected: str, certificates: Mapping[str, str]) -> None:
    """Raise CertificateError, saying whose it is, unless the peer is ``expected``."""
    actual = presented_by(tls, certificates)
    if actual != expected:
        whose = (
            f"{actual}'s (SHA-256 {fingerprint(certificates[actual])})" if actual else "nobody's"
        )
        raise CertificateError(
            f"At the address of {expected} is {actual or 'a stranger'}: the certificate presented "
            f"there is {whose}.",
            remedy="Correct the addresses in the study file.",
        )


def date_fault(error: ssl.SSLError) -> str | None:
    """Return 'expired' or 'not valid yet' if that is why we refused a certificate of a party."""
    code = getattr(error, "verify_code", None)
    return {_EXPIRED: "expired", _NOT_YET_VALID: "not valid yet"}.get(code or 0)


def refused_by_us(error: ssl.SSLError) -> str | None:
    """Return why we refused the peer's certificate, None if we did not."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return None
    return date_fault(error) or "not one that the study lists"


def refused_by_peer(error: ssl.SSLError) -> str | None:
    """Return why the peer refused our certificate (a TLS alert), None if it did not.

    With TLS 1.3 the dialling side learns of it only when it first reads.
    """
    text = f"{error.reason} {error}".upper().replace(" ", "_")
    if "ALERT" not in text:
        return None
    return next((plain for alert, plain in _REFUSALS.items() if alert in text), None)


def plain_reason(error: OSError) -> str:
    """Return why a handshake failed, in words for a caller that nobody knows."""
    if not isinstance(error, ssl.SSLError):
        return (error.strerror or str(error) or type(error).__name__).lower()
    ours = refused_by_us(error)
    if ours:
        return f"its certificate is {ours}"
    theirs = refused_by_peer(error)
    if theirs:
        return f"it refused our certificate as {theirs}"
    if "DID_NOT_RETURN" in (error.reason or ""):
        return "it presented no certificate"
    return f"it does not speak TLS 1.3 ({(error.reason or 'connection closed').lower()})"


def look_at_certificate(address: tuple[str, int], timeout: float = 2.0) -> bytes:
    """Return the certificate that a server presents, in DER form; empty if it can not be seen.

    For error texts only: a refused handshake does not show the certificate, so this looks once
    more, sends nothing and trusts nothing.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection(address, timeout=timeout) as plain,
            context.wrap_socket(plain) as tls,
        ):
            return tls.getpeercert(binary_form=True) or b""
    except OSError:
        return b""
