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


def keys_without_dealer(mesh: Mesh, roles: Roles) -> tuple[dict[str, bytes], bytes]:
    """Return a computing party's key with each other one, and the one that all of them have.

    Of each pair the earlier draws theirs and sends it over their TLS link; the first party sends
    the common one with it. The former make sharings of zero that hide a share from its receiver,
    who may be the dealer, the latter the tag of a transcript; the dealer knows none of them.
    """
    place = roles.computing.index(mesh.name)
    earlier, later = roles.computing[:place], roles.computing[place + 1 :]
    common = b"" if earlier else secrets.token_bytes(KEY_BYTES)
    drawn = {name: secrets.token_bytes(KEY_BYTES) for name in later}
    received = mesh.exchange_messages(
        "pair key",
        {name: key + common for name, key in drawn.items()},
        {name: KEY_BYTES * (1 + (name == roles.computing[0])) for name in earlier},
    )
    if earlier:
        common = received[roles.computing[0]][KEY_BYTES:]
    pairs = {
        name: derive_key(key[:KEY_BYTES], mesh.session_id, b"pair")
        for name, key in {**drawn, **received}.items()
    }
    return pairs, derive_key(common, mesh.session_id, b"transcript")


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
