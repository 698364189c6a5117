"""Connections between the parties: identities, links over TLS 1.3, and the mesh of all links.

Knows bytes, arrays and names; knows nothing of what is computed.
"""

from cohortium.net.certificates import (
    certificate_expiry,
    certificate_name,
    check_identity_certificate,
    expiry_warning,
    fingerprint,
    fingerprint_words,
)
from cohortium.net.connecting import connect
from cohortium.net.identity import Identity, create_identity, load_identity, renew_identity
from cohortium.net.memory import memory_meshes
from cohortium.net.mesh import Deadline, Mesh, Peer
from cohortium.net.probing import LinkSpeed, probe
from cohortium.net.signing import SIGNATURE_BYTES, key_of_its_own, sign, verify

__all__ = [
    "SIGNATURE_BYTES",
    "Deadline",
    "Identity",
    "LinkSpeed",
    "Mesh",
    "Peer",
    "certificate_expiry",
    "certificate_name",
    "check_identity_certificate",
    "connect",
    "create_identity",
    "expiry_warning",
    "fingerprint",
    "fingerprint_words",
    "key_of_its_own",
    "load_identity",
    "memory_meshes",
    "probe",
    "renew_identity",
    "sign",
    "verify",
]
