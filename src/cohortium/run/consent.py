"""Whether every site has signed this very study, asked before anything of the data is told."""

from __future__ import annotations

from collections.abc import Sequence

from cohortium.errors import SignatureError
from cohortium.net import Mesh
from cohortium.study import Signature, StudyFile, check_signatures, missing, parse_signatures

# A line has less than 400 bytes.
_LINE_BYTES = 400


def check_own(study: StudyFile, me: str, signatures: Sequence[Signature]) -> dict[str, Signature]:
    """Return this site's signatures by party, its own among them.

    Raises SignatureError where it has not signed, or where one does not hold.
    """
    mine = check_signatures(study, signatures, "this site's signatures file")
    if me not in mine:
        raise SignatureError(
            f"{me} has not signed this study (digest {study.digest[:16]}…).",
            remedy=f"Read it with `cohortium study check`, then run `cohortium study sign STUDY "
            f"--as {me}`.",
            party=me,
        )
    return mine


def collect(
    mesh: Mesh, study: StudyFile, mine: dict[str, Signature], *, complete: bool = True
) -> dict[str, Signature]:
    """Return everybody's signatures by party; one message to and from every peer.

    Each party sends what it has. Raises SignatureError naming whose signature does not hold and
    who has it and, if they must be ``complete``, who has not signed.
    """
    lines = "".join(f"{signature.line()}\n" for signature in mine.values()).encode("ascii")
    limit = _LINE_BYTES * len(mesh.parties)
    received = mesh.exchange_messages(
        "signatures", dict.fromkeys(mesh.peers, lines), dict.fromkeys(mesh.peers, limit)
    )
    collected = dict(mine)
    for peer, text in received.items():
        source = f"what {peer} sent"
        for party, signature in check_signatures(
            study, parse_signatures(text, source), source
        ).items():
            # A party's own word on itself, before what others have in their files.
            if party == peer or party not in collected:
                collected[party] = signature
    absent = missing(study.study, collected)
    if absent and complete:
        raise SignatureError(
            f"{', '.join(absent)} did not sign this study (digest {study.digest[:16]}…).",
            remedy="Every party signs with `cohortium study sign`; nothing of the data was told.",
            party=mesh.name,
        )
    return {
        party.name: collected[party.name] for party in study.study.party if party.name in collected
    }
