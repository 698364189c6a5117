"""Parties as threads: each runs a function; what it returns or raises is kept."""

from __future__ import annotations

import datetime
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from cohortium.errors import CohortiumError
from cohortium.net import Identity, Mesh, Peer, connect, create_identity
from cohortium.net.issuing import link_certificate

AGREEMENT = {"study digest": "5f3a", "version": "0.1.0"}


def run_all(functions: Mapping[str, Callable[[], Any]], seconds: float = 30.0) -> dict[str, Any]:
    """Return by name what each function returned, or the CohortiumError that it raised."""
    results: dict[str, Any] = {}

    def call(name: str) -> None:
        try:
            results[name] = functions[name]()
        except CohortiumError as error:
            results[name] = error

    threads = [threading.Thread(target=call, args=(name,), daemon=True) for name in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
    hanging = functions.keys() - results.keys()
    if hanging:
        raise TimeoutError(f"{sorted(hanging)} hang or failed; others: {results}")
    return results


def run_meshes(
    meshes: Mapping[str, Mesh], program: Callable[[Mesh], Any], seconds: float = 30.0
) -> dict[str, Any]:
    """Run one program as every party; each mesh is closed, or aborted, at its end."""

    def party(mesh: Mesh) -> Any:
        with mesh:
            return program(mesh)

    return run_all({n: lambda mesh=m: party(mesh) for n, m in meshes.items()}, seconds)


class Site:
    """A party of a test: its identity, and the socket that it listens at."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def peer(self, **changes: Any) -> Peer:
        fields = {
            "name": self.identity.name,
            "host": "127.0.0.1",
            "port": self.port,
            "certificate_pem": self.identity.certificate_pem,
        }
        return Peer(**{**fields, **changes})


class Study:
    """Sites and the peers that each of them lists; the lists may be made to differ."""

    def __init__(self, identities: Sequence[Identity]) -> None:
        self.sites = {identity.name: Site(identity) for identity in identities}
        everyone = [site.peer() for site in self.sites.values()]
        self.peers = {name: list(everyone) for name in self.sites}

    def change(self, at: str, about: str, **changes: Any) -> None:
        self.peers[at] = [
            self.sites[about].peer(**changes) if peer.name == about else peer
            for peer in self.peers[at]
        ]

    def connect(self, name: str, **options: Any) -> Mesh:
        site = self.sites[name]
        defaults = {"agreement": AGREEMENT, "connect_timeout": 8.0, "deadline": 8.0}
        return connect(
            site.identity,
            self.peers[name],
            me=name,
            listen_socket=site.listener,
            **{**defaults, **options},
        )

    def run(
        self,
        program: Callable[[Mesh], Any] = lambda mesh: None,
        *,
        only: Sequence[str] = (),
        options: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Run ``program`` at all sites (or ``only`` some), over TLS."""

        def party(name: str) -> Any:
            with self.connect(name, **(options or {}).get(name, {})) as mesh:
                return program(mesh)

        try:
            return run_all({n: lambda name=n: party(name) for n in only or self.sites})
        finally:
            self.close()

    def close(self) -> None:
        for site in self.sites.values():
            site.listener.close()


def identity(
    directory: Path,
    name: str,
    start_days: float = -1,
    days: int = 30,
    link: tuple[float, int] | None = None,
) -> Identity:
    """Make an identity in a directory of its own, valid from ``start_days`` from now.

    ``link`` gives other dates to its link certificate.
    """
    where = directory / f"{name}{len(list(directory.iterdir()))}"
    made = create_identity(name, where, days, valid_from=from_now(start_days))
    return made if link is None else relinked(made, *link)


def from_now(days: float) -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)


def identity_key(owner: Identity) -> Ed25519PrivateKey:
    key = load_pem_private_key(owner.key_path.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    return key


def relinked(owner: Identity, start_days: float = -1, days: int = 30, **changes: Any) -> Identity:
    """Give an identity a link certificate of these dates, with ``changes`` of how it is made."""
    key, start = Ed25519PrivateKey.generate(), from_now(start_days)
    settings = {
        "name": owner.name,
        "link_key": key.public_key(),
        "key": identity_key(owner),
        "start": start,
        "end": start + datetime.timedelta(days=days),
    }
    return with_link(owner, [link_certificate(**{**settings, **changes})], key)


def with_link(owner: Identity, chain: list[x509.Certificate], key: Ed25519PrivateKey) -> Identity:
    """Give an identity any chain of certificates to present, and the first one's key."""
    pems = [certificate.public_bytes(Encoding.PEM) for certificate in chain]
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    owner.link_path.write_bytes(b"".join(pems) + secret)
    return replace(owner, link_pem=pems[0].decode())
