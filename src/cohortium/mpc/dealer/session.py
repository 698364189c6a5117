"""What the roles of one session share: who is who, how names are used, and the keys' hand-out."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from cohortium.errors import ParameterError
from cohortium.mpc.dealer.randomness import KEY_BYTES, Stream, derive_key
from cohortium.net.mesh import Mesh


@dataclass(frozen=True)
class Roles:
    """Who computes, who deals. Everybody else in the mesh may own data or receive results."""

    computing: tuple[str, ...]
    dealer: str

    def __post_init__(self) -> None:
        if len(set(self.computing)) != len(self.computing) or len(self.computing) < 2:
            raise ParameterError(
                "A session needs two or more different computing parties, "
                f"not {list(self.computing)}.",
                remedy="Give the role 'compute' to at least two parties.",
            )
        if self.dealer in self.computing:
            raise ParameterError(
                f"{self.dealer!r} is the dealer and a computing party.",
                remedy="The dealer knows every mask: give the role 'deal' to a party that does "
                "not compute.",
            )

    def index(self, name: str) -> int | None:
        """Return a computing party's place, None for everybody else."""
        return self.computing.index(name) if name in self.computing else None


def hand_out_keys(mesh: Mesh, roles: Roles) -> dict[str, bytes]:
    """Return the session's keys that this party is to know: the dealer's all, a P's its own.

    The dealer draws them from the operating system and sends each over its TLS link. They are
    bound to the session by derivation: a key sent twice would still make two streams.
    """
    label = "session key"
    drawn: dict[str, bytes] = {}
    if mesh.name == roles.dealer:
        drawn = {name: secrets.token_bytes(KEY_BYTES) for name in roles.computing}
        mesh.exchange_messages(label, drawn, {})
    elif mesh.name in roles.computing:
        received = mesh.exchange_messages(label, {}, {roles.dealer: KEY_BYTES})
        drawn = {mesh.name: received[roles.dealer]}
    return {name: derive_key(key, mesh.session_id, name.encode()) for name, key in drawn.items()}


def pairwise_keys(mesh: Mesh, roles: Roles) -> dict[str, bytes]:
    """Return a computing party's key with each other one, unknown to the dealer.

    Of each pair the earlier draws it and sends it over their TLS link. They make sharings of zero
    that hide a share from its receiver, who may be the dealer.
    """
    place = roles.computing.index(mesh.name)
    earlier, later = roles.computing[:place], roles.computing[place + 1 :]
    drawn = {name: secrets.token_bytes(KEY_BYTES) for name in later}
    received = mesh.exchange_messages("pair key", drawn, dict.fromkeys(earlier, KEY_BYTES))
    return {
        name: derive_key(key, mesh.session_id, b"pair")
        for name, key in {**drawn, **received}.items()
    }


def common_key(mesh: Mesh, roles: Roles) -> bytes:
    """Return the computing parties' key, unknown to the dealer; the first draws and sends it.

    With it goes what they write down of all that they saw: without, whoever knows the masks could
    find out by trial whether the data are what he thinks.
    """
    first, *others = roles.computing
    if mesh.name == first:
        key = secrets.token_bytes(KEY_BYTES)
        mesh.exchange_messages("common key", dict.fromkeys(others, key), {})
    else:
        key = mesh.exchange_messages("common key", {}, {first: KEY_BYTES})[first]
    return derive_key(key, mesh.session_id, b"common")


def mask_stream(party_key: bytes) -> Stream:
    """Return the main stream of a computing party: its masks and its shares of dealt values."""
    return Stream(derive_key(party_key, b"stream"))


def input_key(party_key: bytes, name: str) -> bytes:
    """Return the key of one party's masks for inputs whose owner does not compute."""
    return derive_key(party_key, b"input", name.encode())


class UniqueNames:
    """The names of inputs or reveals of a session: each may be used once.

    A name selects a key (inputs) or an entry of the ledger (reveals); a second use would reuse
    a mask, or reveal twice what was agreed once.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._used: set[str] = set()

    def claim(self, name: str) -> None:
        """Mark a name as used; ParameterError if it was."""
        if name in self._used:
            raise ParameterError(
                f"The {self._what} {name!r} was made before in this session.",
                remedy=f"Give each {self._what} a name of its own.",
            )
        self._used.add(name)
