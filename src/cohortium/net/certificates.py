"""What a party's certificate says: its name, its dates, its fingerprint in digits and in words."""

from __future__ import annotations

import datetime
import hashlib
import re

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from cohortium.errors import CertificateError, IdentityFileError

NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_WARN_BEFORE = datetime.timedelta(days=30)


def fingerprint(certificate_pem: str) -> str:
    """Return the SHA-256 of the certificate's DER form as ``AB:CD:…`` (32 pairs)."""
    return fingerprint_of_der(parse_certificate(certificate_pem).public_bytes(Encoding.DER))


def fingerprint_words(certificate_pem: str) -> list[str]:
    """Return the fingerprint as 24 English words, the last with a checksum (BIP 39)."""
    from mnemonic import Mnemonic

    digest = hashlib.sha256(parse_certificate(certificate_pem).public_bytes(Encoding.DER)).digest()
    words: str = Mnemonic("english").to_mnemonic(digest)
    return words.split()


def expiry_warning(certificate_pem: str, now: datetime.datetime | None = None) -> str | None:
    """Return a sentence if the certificate expires within 30 days, None if it does not."""
    left = certificate_expiry(certificate_pem) - (
        now or datetime.datetime.now(datetime.timezone.utc)
    )
    if left > _WARN_BEFORE:
        return None
    name = certificate_name(certificate_pem)
    return (
        f"The certificate of {name} expires in {max(0, left.days)} days, on "
        f"{certificate_expiry(certificate_pem):%Y-%m-%d}: make a new identity, and have it put "
        "into the study file."
    )


def fingerprint_of_der(certificate: bytes) -> str:
    """Return the SHA-256 of a certificate in DER form as ``AB:CD:…`` (32 pairs)."""
    return hashlib.sha256(certificate).digest().hex(":").upper()


def certificate_name(certificate_pem: str) -> str:
    """Return the party that a certificate names; IdentityFileError if it names none."""
    names = parse_certificate(certificate_pem).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = names[0].value if len(names) == 1 else None
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise IdentityFileError(
            "The certificate does not name a party.",
            remedy="Ask its owner for one made by `cohortium identity new`.",
        )
    return name


def certificate_expiry(certificate_pem: str) -> datetime.datetime:
    """Return the moment (UTC) from which the certificate is refused."""
    return parse_certificate(certificate_pem).not_valid_after_utc


def certificate_der(certificate_pem: str) -> bytes:
    """Return the DER form: the bytes that TLS shows and fingerprints are made of."""
    return parse_certificate(certificate_pem).public_bytes(Encoding.DER)


def check_dates(certificate_pem: str, *, whose: str) -> None:
    """Raise CertificateError if the certificate is expired or not valid yet by this clock."""
    certificate = parse_certificate(certificate_pem)
    now = datetime.datetime.now(datetime.timezone.utc)
    if now > certificate.not_valid_after_utc:
        raise CertificateError(
            f"The certificate of {whose} expired on {certificate.not_valid_after_utc:%Y-%m-%d}.",
            remedy="Make a new identity and have its fingerprint put into the study file.",
        )
    if now < certificate.not_valid_before_utc:
        start = certificate.not_valid_before_utc
        raise CertificateError(
            f"The certificate of {whose} is not valid before {start:%Y-%m-%d %H:%M} UTC.",
            remedy="Check this computer's clock and its owner's.",
        )


def parse_certificate(pem: str, where: str = "The certificate") -> x509.Certificate:
    """Return a certificate of an Ed25519 key; IdentityFileError if the text holds none."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode("utf-8"))
        key = certificate.public_key()
    except (ValueError, x509.InvalidVersion) as error:
        raise IdentityFileError(
            f"{where} is not a certificate in PEM form.",
            remedy="Copy the whole file, from BEGIN CERTIFICATE to END CERTIFICATE.",
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise IdentityFileError(
            f"{where} does not certify an Ed25519 key.",
            remedy="Use one made by `cohortium identity new`.",
        )
    return certificate
