"""Certificates as they are made: an identity's own, and those that it issues for its links."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# What stands beside the party's name in a link certificate: it must not bear its issuer's name.
_LINK = "link"


def identity_certificate(
    name: str, key: Ed25519PrivateKey, start: datetime.datetime, end: datetime.datetime
) -> x509.Certificate:
    """Return the self-signed certificate of an identity: it may issue leaves, no authorities."""
    subject = _subject(name)
    return (
        _certificate(subject, subject, key.public_key(), key.public_key(), start, end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certificates=True), critical=True)
        .sign(key, None)
    )


def link_certificate(
    name: str,
    link_key: Ed25519PublicKey,
    key: Ed25519PrivateKey,
    start: datetime.datetime,
    end: datetime.datetime,
) -> x509.Certificate:
    """Return a certificate of ``link_key`` for TLS at both ends, signed by the identity's key.

    A leaf: whoever steals the link's key can not sign further certificates.
    """
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return (
        _certificate(_subject(name, _LINK), _subject(name), link_key, key.public_key(), start, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .sign(key, None)
    )


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public: Ed25519PublicKey,
    issuing: Ed25519PublicKey,
    start: datetime.datetime,
    end: datetime.datetime,
) -> x509.CertificateBuilder:
    # The key identifiers let OpenSSL tell apart two certificates that bear the same name.
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuing), critical=False)
    )


def _subject(name: str, *units: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            *(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units),
        ]
    )


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
