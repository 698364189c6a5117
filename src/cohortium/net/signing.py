"""What is made with a party's identity key: signatures, which all can check, and keys of its own.

What is signed must begin with words that say what it is for, so that a signature for one purpose
is none for another.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cohortium.errors import IdentityFileError
from cohortium.net.identity import Identity

SIGNATURE_BYTES = 64
_OWN_KEY_BYTES = 32


def sign(identity: Identity, message: bytes) -> bytes:
    """Return the Ed25519 signature of a message by this identity's key: 64 bytes.

    The key is read from its file for it and forgotten. Raises IdentityFileError where it can not.
    """
    return _private_key(identity).sign(message)


def key_of_its_own(identity: Identity, purpose: bytes) -> bytes:
    """Return a 256-bit key that only this identity can make (HKDF-SHA256 of its private key).

    For what it keeps for itself, and must tell nothing to who sees it; each purpose has a key of
    its own. Raises IdentityFileError where the identity's key can not be read.
    """
    info = b"cohortium own key\0" + purpose
    private = _private_key(identity).private_bytes_raw()
    return HKDF(SHA256(), _OWN_KEY_BYTES, salt=None, info=info).derive(private)


def verify(certificate_pem: str, message: bytes, signature: bytes) -> bool:
    """Return whether a signature of the message is by the key of this certificate."""
    key = x509.load_pem_x509_certificate(certificate_pem.encode()).public_key()
    if not isinstance(key, Ed25519PublicKey):
        return False
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _private_key(identity: Identity) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(identity.key_path.read_bytes(), identity.passphrase)
    except (OSError, ValueError, TypeError) as error:
        raise IdentityFileError(
            f"The key of {identity.name} can not be read any more.",
            remedy="Restore the identity's directory from your backup.",
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise IdentityFileError(
            f"The key of {identity.name} is no Ed25519 key.", remedy="Restore it from your backup."
        )
    return key
