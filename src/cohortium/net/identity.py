"""A party's identity: an Ed25519 key that never leaves the site, and a certificate that is pinned.

There is no outside authority. Each party signs its own certificate; the study file lists it, and
people compare the fingerprints once by phone. The identity's key signs studies and audit logs; for
TLS it issues a link certificate over another key. That one is renewed every year, and as it is
trusted for its issuer, no other site has to change anything. Dates of both count, at both ends.
"""

from __future__ import annotations

import datetime
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from cohortium.errors import IdentityFileError, ParameterError
from cohortium.net.certificates import (
    NAME,
    certificate_expiry,
    certificate_name,
    check_dates,
    check_identity_certificate,
    fingerprint,
    is_issued_by,
    parse_certificate,
)
from cohortium.net.issuing import identity_certificate, link_certificate

KEY_FILE = "key.pem"
CERTIFICATE_FILE = "certificate.pem"
LINK_FILE = "link.pem"
DEFAULT_DAYS = 3650
LINK_DAYS = 365
_MOST_DAYS = 36_500

# Hospital clocks are minutes apart; a new certificate must work at once at the others.
_CLOCK_SKEW = datetime.timedelta(minutes=10)


@dataclass(frozen=True)
class Identity:
    """A party's name, its public certificates, and the directory of its files.

    ``certificate_pem`` is what studies list, ``link_pem`` what links present. The private keys are
    no attributes: they stay in ``key_path`` and ``link_path``, encrypted if there is a
    ``passphrase``, and are read when a signature or a link needs them.
    """

    name: str
    certificate_pem: str
    link_pem: str
    directory: Path
    passphrase: bytes | None = field(default=None, repr=False)

    @property
    def key_path(self) -> Path:
        """Where the identity's key is."""
        return self.directory / KEY_FILE

    @property
    def cert_path(self) -> Path:
        """Where the identity's certificate is."""
        return self.directory / CERTIFICATE_FILE

    @property
    def link_path(self) -> Path:
        """Where the link's certificate is, with its key."""
        return self.directory / LINK_FILE

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
    link_days: int = LINK_DAYS,
    overwrite: bool = False,
    valid_from: datetime.datetime | None = None,
    passphrase: bytes | None = None,
) -> Identity:
    """Make an identity in ``directory``, with its first link certificate, and return it.

    The certificate is valid for ``days`` days (ten years unless told), that of links for
    ``link_days``, but no longer. Both start at ``valid_from``, which is ten minutes ago unless
    told, so that a site whose clock is slow accepts them too. The keys are encrypted if there is a
    ``passphrase``.

    Errors: ParameterError for a wrong name or number of days; IdentityFileError if there is an
    identity already and ``overwrite`` is false, or the files can not be written.
    """
    check_name(name)
    start = valid_from or _now() - _CLOCK_SKEW
    key = Ed25519PrivateKey.generate()
    certificate = identity_certificate(name, key, start, start + _duration(days))
    pem = certificate.public_bytes(Encoding.PEM).decode("ascii")
    identity = Identity(name, pem, "", Path(directory), passphrase)
    if not overwrite and (identity.key_path.exists() or identity.cert_path.exists()):
        raise IdentityFileError(
            f"There is an identity in {directory} already.",
            remedy="Keep it (the study file lists its fingerprint), or choose another directory.",
        )
    try:
        identity.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(identity.key_path, _encoded(key, passphrase), 0o600, overwrite=overwrite)
        _write(identity.cert_path, pem.encode(), 0o644, overwrite=overwrite)
    except OSError as error:
        raise _unwritable(identity.directory, error) from error
    return _with_new_link(identity, key, start, link_days)


def renew_identity(
    directory: str | os.PathLike[str],
    days: int = LINK_DAYS,
    ask: Callable[[], str] | None = None,
) -> Identity:
    """Issue a new link certificate, over a new key, in place of the old one; return the identity.

    What the study file lists stays as it is. ``ask`` is as for load_identity.

    Errors: CertificateError if the identity's own certificate is expired; ParameterError for a
    wrong number of days; IdentityFileError if the identity can not be read or written.
    """
    identity, key = _load(Path(directory), ask)
    return _with_new_link(identity, key, _now() - _CLOCK_SKEW, days)


def load_identity(
    directory: str | os.PathLike[str], ask: Callable[[], str] | None = None
) -> Identity:
    """Read, check and return the identity in ``directory``.

    ``ask`` is called for the passphrase where the key is encrypted.

    Errors: CertificateError if a certificate is expired or not valid yet; IdentityFileError if a
    file is missing, damaged, or (the keys) readable by others, or if they do not fit.
    """
    identity, _ = _load(Path(directory), ask)
    path = identity.link_path
    content = _read(path, private=True, remedy="Make one with `cohortium identity renew`.")
    try:
        link = parse_certificate(content.decode("ascii", errors="replace"))
        key = load_pem_private_key(content, identity.passphrase)
        fits = is_issued_by(link, identity.certificate_pem)
        fits = fits and key.public_key() == link.public_key()
    except (IdentityFileError, ValueError, TypeError):
        fits = False
    if not fits:
        raise IdentityFileError(
            f"{path} does not hold a link certificate of the identity beside it, with its key.",
            remedy="Make a new one with `cohortium identity renew`.",
        )
    pem = link.public_bytes(Encoding.PEM).decode("ascii")
    check_dates(pem, whose=f"{identity.name} in {path}")
    return replace(identity, link_pem=pem)


def _load(directory: Path, ask: Callable[[], str] | None) -> tuple[Identity, Ed25519PrivateKey]:
    """Return the identity in a directory, its link not read yet, and its key."""
    identity = Identity("", "", "", directory)
    key_path, cert_path = identity.key_path, identity.cert_path
    first = "Make an identity with `cohortium identity new`, or name its directory."
    secret = _read(key_path, private=True, remedy=first)
    pem = _read(cert_path, private=False, remedy=first).decode("ascii", errors="replace")
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
    if not isinstance(key, Ed25519PrivateKey) or key.public_key() != certificate.public_key():
        raise IdentityFileError(
            f"The key in {key_path} is not the Ed25519 key of the certificate in {cert_path}.",
            remedy="Restore the two files together, or make a new identity.",
        )
    check_identity_certificate(pem, str(cert_path))
    name = certificate_name(pem)
    check_dates(pem, whose=f"{name} in {cert_path}")
    return Identity(name, pem, "", directory, passphrase), key


def _with_new_link(
    identity: Identity, key: Ed25519PrivateKey, start: datetime.datetime, days: int
) -> Identity:
    """Return the identity with a new link certificate, which no more than outlives it."""
    end = min(start + _duration(days), certificate_expiry(identity.certificate_pem))
    link_key = Ed25519PrivateKey.generate()
    link = link_certificate(identity.name, link_key.public_key(), key, start, end)
    pem = link.public_bytes(Encoding.PEM)
    # One file, exchanged at once: certificate and key can not come to differ.
    content = pem + _encoded(link_key, identity.passphrase)
    try:
        _write(identity.link_path, content, 0o600, overwrite=True)
    except OSError as error:
        raise _unwritable(identity.directory, error) from error
    return replace(identity, link_pem=pem.decode("ascii"))


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _duration(days: int) -> datetime.timedelta:
    if not 1 <= days <= _MOST_DAYS:
        raise ParameterError(
            f"A certificate can not be valid for {days} days.",
            remedy=f"Give 1 to {_MOST_DAYS} days.",
        )
    return datetime.timedelta(days=days)


def _encoded(key: Ed25519PrivateKey, passphrase: bytes | None) -> bytes:
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        encryption = BestAvailableEncryption(passphrase)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def _unwritable(directory: Path, error: OSError) -> IdentityFileError:
    return IdentityFileError(
        f"The identity could not be written in {directory}: {error.strerror or error}.",
        remedy="Check that the directory is yours and writable.",
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


def _read(path: Path, *, private: bool, remedy: str) -> bytes:
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
            f"{path} can not be read: {error.strerror or error}.", remedy=remedy
        ) from error
