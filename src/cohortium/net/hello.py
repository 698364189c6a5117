"""The first frame in each direction: who I am, who I think you are, and what we agreed on.

Every party adds a fresh nonce, and the session's id is a hash of all of them: no party can choose
it alone, so frames of another run can never pass for this one's.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cohortium.errors import AgreementError, FrameError
from cohortium.net.frames import printable

HELLO_CAP = 1 << 16
LABEL = "hello"

_NONCE = re.compile(r"[0-9a-f]{32}")
_SHOWN = 100


@dataclass(frozen=True)
class Hello:
    """What one party says of itself to another."""

    name: str
    to: str
    nonce: str
    agreement: Mapping[str, str]

    def encode(self) -> bytes:
        """Return the payload of the HELLO frame."""
        fields = {
            "name": self.name,
            "to": self.to,
            "nonce": self.nonce,
            "agreement": dict(self.agreement),
        }
        return json.dumps(fields).encode("ascii")

    @classmethod
    def decode(cls, payload: bytes, peer: str) -> Hello:
        """Return the hello of ``peer``; FrameError unless it has exactly the fields it must."""
        fields: Any = None
        try:
            fields = json.loads(payload)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict) or fields.keys() != {"name", "to", "nonce", "agreement"}:
            raise _unreadable(peer)
        agreement = fields["agreement"]
        if not isinstance(agreement, dict):
            raise _unreadable(peer)
        texts = [fields["name"], fields["to"], fields["nonce"], *agreement.values()]
        if not all(isinstance(text, str) for text in texts):
            raise _unreadable(peer)
        if not _NONCE.fullmatch(fields["nonce"]):
            raise _unreadable(peer)
        return cls(fields["name"], fields["to"], fields["nonce"], agreement)


def new_nonce() -> str:
    """Return 16 random bytes in hexadecimal."""
    return secrets.token_hex(16)


def session_id(nonces: Mapping[str, str]) -> bytes:
    """Return the 16 bytes that name the session of the parties with these nonces."""
    pairs = json.dumps(sorted(nonces.items())).encode("ascii")
    return hashlib.sha256(pairs).digest()[:16]


def check_hello(hello: Hello, *, me: str, peer: str, agreement: Mapping[str, str]) -> None:
    """Raise AgreementError unless ``peer``, as its certificate names it, means what we mean."""
    if hello.name != peer or hello.to != me:
        raise AgreementError(
            f"{peer} says it is {_show(hello.name)} talking to {_show(hello.to)}, but it holds "
            f"{peer}'s certificate and talks to {me}.",
            remedy="Check the addresses in the study file and the names the parties were "
            "started with.",
        )
    keys = sorted(agreement.keys() | hello.agreement.keys())
    differing = [key for key in keys if agreement.get(key) != hello.agreement.get(key)]
    if differing:
        lines = (
            f"{printable(key, _SHOWN)} is {_show(agreement.get(key))} here and "
            f"{_show(hello.agreement.get(key))} at {peer}"
            for key in differing
        )
        raise AgreementError(
            f"{peer} does not run what we run: {'; '.join(lines)}.",
            remedy="Every party needs the same study file and the same version of cohortium.",
        )


def _show(value: str | None) -> str:
    return "absent" if value is None else repr(printable(value, _SHOWN))


def _unreadable(peer: str) -> FrameError:
    return FrameError(
        f"{peer} sent a greeting that does not have the form it must have.",
        remedy="Check that both run the same version.",
    )
