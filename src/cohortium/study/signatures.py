"""Signatures of a study: that a site has read this very file and agrees to what it says.

They are detached: lines of JSON in a file of their own, STUDY.signatures, which travels by any
channel and may be put together from several. Each is by the key of the certificate that the study
lists for the party, over the study's digest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cohortium.errors import SignatureError
from cohortium.net import Identity, sign, verify
from cohortium.study.ledger import utc_now
from cohortium.study.loading import StudyFile
from cohortium.study.schema import Study

SUFFIX = ".signatures"
# More than any study's parties need.
LARGEST_FILE = 1 << 20
_PURPOSE = b"cohortium: I agree to this study\0"
_FORMAT = "cohortium-signature/1"


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    format: str
    party: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
    study: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    signed: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]


@dataclass(frozen=True)
class Signature:
    """One party's signature of a study's digest; ``signed`` is when, by the party's own clock."""

    party: str
    study: str
    signed: str
    signature: str

    def line(self) -> str:
        """Return it as a line of a signatures file."""
        fields = {"format": _FORMAT, **vars(self)}
        return json.dumps(fields, separators=(",", ":"))

    def message(self) -> bytes:
        """Return what is signed."""
        fields = [_FORMAT, self.party, self.study, self.signed]
        return _PURPOSE + json.dumps(fields, separators=(",", ":")).encode()


def sign_study(digest: str, name: str, identity: Identity) -> Signature:
    """Return the party's signature of a study, which its digest identifies."""
    unsigned = Signature(name, digest, utc_now(), "")
    return replace(unsigned, signature=sign(identity, unsigned.message()).hex())


def signatures_path(study: Path) -> Path:
    """Return where a study's signatures are: beside it."""
    return study.with_name(study.name + SUFFIX)


def load_signatures(path: Path) -> list[Signature]:
    """Return the signatures in a file, none if it is not there; SignatureError if it is damaged."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise SignatureError(f"{path} is too large for signatures.", remedy="Check the path.")
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SignatureError(
            f"{path} can not be read ({error.strerror}).", remedy="Check the path."
        ) from None
    return parse_signatures(text, str(path))


def parse_signatures(text: bytes, source: str) -> list[Signature]:
    """Return the signatures in lines of JSON; SignatureError names the line that is none."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            fields = _Line.model_validate_json(line)
        except ValidationError:
            fields = None
        if fields is None or fields.format != _FORMAT:
            raise SignatureError(
                f"Line {number} of {source} is no signature.",
                remedy="Ask the site that it is from to sign and send its line once more.",
            )
        found.append(Signature(fields.party, fields.study, fields.signed, fields.signature))
    return found


def save_signatures(path: Path, signatures: Iterable[Signature]) -> None:
    """Write signatures to a file, a line each, one for each party: the last."""
    lines = {signature.party: signature.line() for signature in signatures}
    try:
        path.write_text("".join(f"{line}\n" for line in lines.values()), encoding="ascii")
    except OSError as error:
        raise SignatureError(
            f"{path} can not be written ({error.strerror}).",
            remedy="Check that the directory is yours and writable.",
        ) from error


def check_signatures(
    study: StudyFile, signatures: Iterable[Signature], source: str
) -> dict[str, Signature]:
    """Return the signatures by party; SignatureError for one that does not hold for this study.

    Signatures of parties that the study does not list, or of other studies, are errors too: they
    say that somebody means another file. Missing ones are not: see ``missing``.
    """
    valid = {}
    for signature in signatures:
        _check(study, signature, source)
        valid[signature.party] = signature
    return valid


def missing(study: Study, signatures: Mapping[str, Signature]) -> list[str]:
    """Return the parties that have not signed, in the study's order."""
    return [party.name for party in study.party if party.name not in signatures]


def verified(signature: Signature, certificate_pem: str) -> bool:
    """Return whether a signature is by the key of this certificate."""
    return verify(certificate_pem, signature.message(), bytes.fromhex(signature.signature))


def _check(study: StudyFile, signature: Signature, source: str) -> None:
    certificates = {party.name: party.certificate for party in study.study.party}
    certificate = certificates.get(signature.party)
    if certificate is None:
        raise SignatureError(
            f"{source} has a signature of {signature.party!r}, for which the study lists no "
            "certificate.",
            remedy="Take the line out, or put that party's certificate into the study file.",
        )
    if signature.study != study.digest:
        raise SignatureError(
            f"{signature.party} has signed another study file (digest {signature.study[:16]}…) "
            f"than this one ({study.digest[:16]}…), says {source}.",
            remedy="Compare the files: all sites need the same bytes, and sign them anew after "
            "every change.",
        )
    if not verified(signature, certificate):
        raise SignatureError(
            f"The signature of {signature.party} in {source} is not by the key that the study "
            "lists for it.",
            remedy=f"Ask {signature.party} to sign once more, with the identity whose certificate "
            "is in the study file; if it did so, somebody has changed the line.",
        )
