"""What a party's certificates say: name, dates, issuer, the fingerprint in digits and in words.

An identity's certificate is the one that studies list. It vouches for the link certificates of its
party, which links use; they vouch for nobody.
"""

from __future__ import annotations

import datetime
import hashlib
import re

from cryptography import x509
from cryptography.exceptions import InvalidSignature
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
    name, end = certificate_name(certificate_pem), certificate_expiry(certificate_pem)
    kind, renewal = _renewal(parse_certificate(certificate_pem))
    return f"The {kind} of {name} expires in {max(0, left.days)} days, on {end:%Y-%m-%d}. {renewal}"


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


def check_dates(certificate_pem: str, *, whose: str) -> None:
    """Raise CertificateError if the certificate is expired or not valid yet by this clock."""
    certificate = parse_certificate(certificate_pem)
    kind, renewal = _renewal(certificate)
    now = datetime.datetime.now(datetime.timezone.utc)
    if now > certificate.not_valid_after_utc:
        raise CertificateError(
            f"The {kind} of {whose} expired on {certificate.not_valid_after_utc:%Y-%m-%d}.",
            remedy=renewal,
        )
    if now < certificate.not_valid_before_utc:
        start = certificate.not_valid_before_utc
        raise CertificateError(
            f"The {kind} of {whose} is not valid before {start:%Y-%m-%d %H:%M} UTC.",
            remedy="Check this computer's clock and its owner's.",
        )


def is_issued_by(certificate: x509.Certificate, identity_pem: str) -> bool:
    """Return whether a certificate is signed by an identity's key and names it as its issuer."""
    try:
        certificate.verify_directly_issued_by(parse_certificate(identity_pem))
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True


def check_identity_certificate(pem: str, where: str = "The certificate") -> None:
    """Raise IdentityFileError unless the certificate is an identity's, which a study can list."""
    certificate = parse_certificate(pem, where)
    if not _vouches(certificate) or not is_issued_by(certificate, pem):
        raise IdentityFileError(
            f"{where} is not an identity's: it can not vouch for link certificates. It is one "
            "itself, or was made by an earlier version of cohortium.",
            remedy="Its owner finds the right one with `cohortium identity show`, or makes a new "
            "identity: `cohortium identity new NAME --identity DIRECTORY`.",
        )


def _vouches(certificate: x509.Certificate) -> bool:
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False
    return basic.ca and basic.path_length == 0 and usage.key_cert_sign


def _renewal(certificate: x509.Certificate) -> tuple[str, str]:
    """Return what a certificate is called, and what to do when it expires."""
    if _vouches(certificate):
        return "certificate", (
            "Make a new identity, and have its certificate put into the study file at every site."
        )
    return "link certificate", (
        "Run `cohortium identity renew` at that site; the others need not do anything."
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
