"""Signatures with a party's identity key: by it, and by whoever has its certificate.

What is signed must begin with words that say what it is for, so that a signature for one purpose
is none for another.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cohortium.errors import IdentityFileError
from cohortium.net.identity import Identity

SIGNATURE_BYTES = 64


def sign(identity: Identity, message: bytes) -> bytes:
    """Return the Ed25519 signature of a message by this identity's key: 64 bytes.

    The key is read from its file for it and forgotten. Raises IdentityFileError where it can not.
    """
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
    return key.sign(message)


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
