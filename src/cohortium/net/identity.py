"""A party's identity: an Ed25519 key that never leaves the site and a certificate that is pinned.

There is no certificate authority. Each party signs its own certificate; the study file lists the
fingerprints, and people compare them once by phone. What makes a certificate trusted is therefore
that it is listed, but its dates still count: an expired certificate is refused at both ends.
"""

from __future__ import annotations

import datetime
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cohortium.errors import IdentityFileError, ParameterError
from cohortium.net.certificates import (
    NAME,
    certificate_name,
    check_dates,
    fingerprint,
    parse_certificate,
)

KEY_FILE = "key.pem"
CERTIFICATE_FILE = "certificate.pem"
DEFAULT_DAYS = 730

# Hospital clocks are minutes apart; a new certificate must work at once at the others.
_CLOCK_SKEW = datetime.timedelta(minutes=10)


@dataclass(frozen=True)
class Identity:
    """A party's name, its public certificate, and where its two files are.

    The private key is not an attribute: it stays in ``key_path``, encrypted if there is a
    ``passphrase``, and is read when a link or a signature needs it.
    """

    name: str
    certificate_pem: str
    key_path: Path
    cert_path: Path
    passphrase: bytes | None = field(default=None, repr=False)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, as upper-case hexadecimal pairs joined by colons."""
        return fingerprint(self.certificate_pem)


def check_name(name: str) -> str:
    """Return ``name`` if it can name a party; ParameterError if not."""
    if not NAME.fullmatch(name):
        raise ParameterError(
            f"{name!r} can not name a party.",
            remedy="Use 1 to 32 of a-z, 0-9 and '-', the first of them a letter.",
        )
    return name


def create_identity(
    name: str,
    directory: str | os.PathLike[str],
    days: int = DEFAULT_DAYS,
    *,
    overwrite: bool = False,
    valid_from: datetime.datetime | None = None,
    passphrase: bytes | None = None,
) -> Identity:
    """Make a key and a self-signed certificate in ``directory`` and return the identity.

    The certificate is valid for ``days`` days (two years unless told) from ``valid_from``, which is
    ten minutes ago unless told, so that a site whose clock is slow accepts it too. The key file is
    encrypted if there is a ``passphrase``.

    Errors: ParameterError for a wrong name or number of days; IdentityFileError if there is a key
    already and ``overwrite`` is false, or the files can not be written.
    """
    check_name(name)
    if days < 1:
        raise ParameterError(f"A certificate can not be valid for {days} days.")
    start = valid_from or datetime.datetime.now(datetime.timezone.utc) - _CLOCK_SKEW
    key = Ed25519PrivateKey.generate()
    certificate = _self_signed(name, key, start, start + datetime.timedelta(days=days))
    identity = Identity(
        name=name,
        certificate_pem=certificate.public_bytes(Encoding.PEM).decode("ascii"),
        key_path=Path(directory) / KEY_FILE,
        cert_path=Path(directory) / CERTIFICATE_FILE,
        passphrase=passphrase,
    )
    if not overwrite and (identity.key_path.exists() or identity.cert_path.exists()):
        raise IdentityFileError(
            f"There is an identity in {directory} already.",
            remedy="Keep it (the study file lists its fingerprint), or choose another directory.",
        )
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        encryption = BestAvailableEncryption(passphrase)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    try:
        Path(directory).mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(identity.key_path, secret, 0o600, overwrite=overwrite)
        _write(identity.cert_path, identity.certificate_pem.encode(), 0o644, overwrite=overwrite)
    except OSError as error:
        raise IdentityFileError(
            f"The identity could not be written in {directory}: {error.strerror or error}.",
            remedy="Check that the directory is yours and writable.",
        ) from error
    return identity


def load_identity(
    directory: str | os.PathLike[str], ask: Callable[[], str] | None = None
) -> Identity:
    """Read, check and return the identity in ``directory``.

    ``ask`` is called for the passphrase where the key is encrypted.

    Errors: CertificateError if the certificate is expired or not valid yet; IdentityFileError if a
    file is missing, damaged, or (the key) readable by others, or if the two do not fit.
    """
    key_path, cert_path = Path(directory) / KEY_FILE, Path(directory) / CERTIFICATE_FILE
    secret = _read(key_path, private=True)
    pem = _read(cert_path, private=False).decode("ascii", errors="replace")
    passphrase = None
    if b"BEGIN ENCRYPTED PRIVATE KEY" in secret:
        passphrase = (ask() if ask is not None else "").encode()
    try:
        key = load_pem_private_key(secret, passphrase or None)
    except (ValueError, TypeError) as error:
        # The parser's own text is left out: it may quote the file.
        if b"BEGIN ENCRYPTED PRIVATE KEY" in secret:
            raise IdentityFileError(
                f"The passphrase does not open the key in {key_path}, or the file is damaged.",
                remedy="Type it again, or set COHORTIUM_PASSPHRASE where nobody can type.",
            ) from error
        raise IdentityFileError(
            f"{key_path} does not hold a private key in PEM form.",
            remedy="Restore it from your backup, or make a new identity.",
        ) from error
    certificate = parse_certificate(pem, str(cert_path))
    mine = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    listed = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if not isinstance(key, Ed25519PrivateKey) or mine != listed:
        raise IdentityFileError(
            f"The key in {key_path} is not the Ed25519 key of the certificate in {cert_path}.",
            remedy="Restore the two files together, or make a new identity.",
        )
    name = certificate_name(pem)
    check_dates(pem, whose=f"{name} in {cert_path}")
    return Identity(name, pem, key_path, cert_path, passphrase)


def _self_signed(
    name: str, key: Ed25519PrivateKey, start: datetime.datetime, end: datetime.datetime
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    public = key.public_key()
    # A leaf, not an authority: whoever steals this key can not sign further certificates. The key
    # identifiers let OpenSSL tell apart two certificates that bear the same name.
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_SIGNATURES_ONLY, critical=True)
        .add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            ),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, None)
    )


_SIGNATURES_ONLY = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def _write(path: Path, content: bytes, mode: int, *, overwrite: bool) -> None:
    """Create the file with its final permissions: at no moment can others read the key."""
    target = path.with_name(f"{path.name}.{secrets.token_hex(4)}") if overwrite else path
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    if overwrite:
        target.replace(path)


def _read(path: Path, *, private: bool) -> bytes:
    try:
        with path.open("rb") as file:
            # Asked of the open file, so that it can not be exchanged between check and use.
            mode = os.fstat(file.fileno()).st_mode & 0o777
            if private and os.name == "posix" and mode & 0o077:
                raise IdentityFileError(
                    f"Others on this computer can read {path} (mode {mode:o}).",
                    remedy=f"Run `chmod 600 {path}`; if others may have read it, make a new one.",
                )
            return file.read(1 << 16)
    except OSError as error:
        raise IdentityFileError(
            f"{path} can not be read: {error.strerror or error}.",
            remedy="Make an identity with `cohortium identity new`, or name its directory.",
        ) from error
