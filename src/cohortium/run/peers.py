"""The parties of a study as links need them: who is where, and by which certificate it is known."""

from __future__ import annotations

from cohortium.errors import CertificateError, IdentityFileError, StudyError
from cohortium.net import Identity, Peer, check_identity_certificate, fingerprint
from cohortium.study import Study


def study_peers(study: Study) -> list[Peer]:
    """Return the parties as links need them; StudyError where address or certificate lack."""
    peers = []
    for party in study.party:
        if party.address is None or party.certificate is None:
            raise StudyError(
                f"The study gives no address or no certificate for {party.name!r}.",
                remedy="Every [[party]] needs both; `cohortium identity show` prints the "
                "certificate.",
            )
        host, _, port = party.address.rpartition(":")
        try:
            check_identity_certificate(party.certificate)
        except IdentityFileError as error:
            raise StudyError(
                f"The certificate of {party.name!r} in the study can not be used. {error.what}",
                remedy=error.remedy,
            ) from error
        real = fingerprint(party.certificate)
        if party.fingerprint is not None and party.fingerprint.upper() != real:
            raise StudyError(
                f"The fingerprint of {party.name!r} in the study is not that of the certificate "
                f"beside it ({real}).",
                remedy="Ask that site to read out its fingerprint, and correct the study file.",
            )
        peers.append(Peer(party.name, host.strip("[]"), int(port), party.certificate))
    return peers


def check_identity(study: Study, name: str, identity: Identity) -> None:
    """Raise CertificateError unless the study lists this identity's certificate for the party."""
    listed = study.named(name).certificate
    if listed is None or fingerprint(listed) != identity.fingerprint:
        raise CertificateError(
            f"The study lists {'no' if listed is None else 'another'} certificate for {name!r}; "
            f"this site's has SHA-256 {identity.fingerprint}.",
            remedy="Use the identity that was sent to the others, or put the new certificate into "
            "the study file at every site.",
            party=name,
        )
