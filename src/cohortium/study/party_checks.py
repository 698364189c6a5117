"""Rules of the parties of a study: one dealer, two or more that compute, a name of its own each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cohortium.study.complaints import Complaints

if TYPE_CHECKING:
    from cohortium.study.schema import Study

_LARGEST_PORT = 65535


def check_parties(study: Study, complaints: Complaints) -> None:
    """Raise StudyError, naming a line, where names, roles or addresses can not be."""
    names = [party.name for party in study.party]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise complaints.about(
                ("party", index, "name"),
                f"the party name {name!r} is there twice.",
                remedy="Give each party a name of its own.",
            )
    dealers, computing = study.with_role("deal"), study.with_role("compute")

    def roles_of(some: Sequence[str]) -> tuple[str, int, str]:
        """Return where the last of these has its roles; without any, where the first party has."""
        return "party", names.index(some[-1]) if some else 0, "roles"

    if len(dealers) != 1:
        raise complaints.about(
            roles_of(dealers),
            f"{len(dealers)} parties have the role 'deal'.",
            remedy="Give it to exactly one party, which does not compute.",
        )
    if len(computing) < 2:
        raise complaints.about(
            roles_of(computing),
            f"{len(computing)} parties have the role 'compute'.",
            remedy="Give it to two or more parties.",
        )
    if dealers[0] in computing:
        raise complaints.about(
            roles_of(dealers),
            f"{dealers[0]!r} deals and computes; it could read every secret.",
            remedy="Give the role 'deal' to a party that does not compute.",
        )
    if not study.with_role("data"):
        raise complaints.about(
            roles_of(()),
            "no party has the role 'data'.",
            remedy="Give it to those that own samples.",
        )
    for index, party in enumerate(study.party):
        if party.address and int(party.address.rpartition(":")[2]) not in range(
            1, _LARGEST_PORT + 1
        ):
            raise complaints.about(
                ("party", index, "address"),
                f"the address of {party.name!r}, {party.address!r}, has no valid port.",
                remedy=f"Give HOST:PORT with a port from 1 to {_LARGEST_PORT}.",
            )
