"""The mesh: one link to each other party, and exchanges that use all of them at once.

An exchange sends and receives in one loop over non-blocking links, so nothing waits for a thread
and parties that all send first do not wait for each other. While some peers are awaited the others
are watched: whoever hangs up or aborts ends the run at once, at every party, with one reason.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from cohortium.errors import (
    CohortiumError,
    ConnectError,
    ParameterError,
)
from cohortium.net.frames import Expected, check_tensor, expected_message, expected_tensor
from cohortium.net.link import Link
from cohortium.net.parcels import PARCEL, IncomingParcel, OutgoingParcel, fits
from cohortium.net.waiting import Waiting, first_cause, tell_all

DEFAULT_DEADLINE = 30.0


@dataclass(frozen=True)
class Peer:
    """A party of the study: its name, where it listens, and the certificate it must present."""

    name: str
    host: str
    port: int
    certificate_pem: str


class Deadline(enum.Enum):
    """Marks a deadline that the caller leaves to the mesh."""

    DEFAULT = enum.auto()


class Mesh:
    """Links from party ``name`` to every other of ``parties`` (all names, in the study's order).

    ``deadline``: seconds without a byte from or to an awaited peer after which an exchange gives
    up, None for never. One thread may use a mesh. As a context manager it says goodbye at the end,
    and after an exception tells every peer to stop.
    """

    def __init__(
        self,
        name: str,
        parties: Sequence[str],
        links: Mapping[str, Link],
        *,
        session_id: bytes,
        deadline: float | None = DEFAULT_DEADLINE,
    ) -> None:
        self.name = name
        self.parties = tuple(parties)
        self.session_id = session_id
        self.deadline = deadline
        self._links = dict(links)
        self._waiting = Waiting(self._links.values())
        self._outgoing = {peer: OutgoingParcel() for peer in self._links}
        self._incoming = {peer: IncomingParcel(peer, name) for peer in self._links}
        self._closed = False
        # Set while an exchange runs and left so by a failed one, whose links are in mid-frame.
        self._unfinished = ""

    @property
    def peers(self) -> tuple[str, ...]:
        """The other parties' names, in the study's order."""
        return tuple(name for name in self.parties if name != self.name)

    @property
    def bytes_sent(self) -> int:
        """Bytes sent to all peers: frames with their headers, before encryption."""
        return sum(link.bytes_sent for link in self._links.values())

    @property
    def bytes_received(self) -> int:
        """Bytes received from all peers: frames with their headers, after decryption."""
        return sum(link.bytes_received for link in self._links.values())

    @property
    def sent_to(self) -> dict[str, int]:
        """Bytes sent to each peer."""
        return {name: link.bytes_sent for name, link in self._links.items()}

    @property
    def received_from(self) -> dict[str, int]:
        """Bytes received from each peer."""
        return {name: link.bytes_received for name, link in self._links.items()}

    def exchange(
        self,
        label: str,
        outgoing: Mapping[str, npt.NDArray[Any]],
        incoming: Mapping[str, tuple[npt.DTypeLike, tuple[int, ...]]],
        *,
        deadline: float | Deadline | None = Deadline.DEFAULT,
    ) -> dict[str, npt.NDArray[Any]]:
        """Send arrays and receive arrays of known dtype and shape, all at once; one round.

        Returns the received arrays by peer, writable and in memory of their own. The outgoing ones
        have been handed to the system when it returns, and may be changed.

        Errors: ParameterError (before anything is sent) for an unknown peer or an array that no
        frame can hold; FrameError if a peer sends anything else than this label, dtype and shape;
        DeadlineError, PeerLostError, PeerAbortedError.
        """
        try:
            expected = {
                name: expected_tensor(label, dtype, shape)
                for name, (dtype, shape) in incoming.items()
            }
            for array in outgoing.values():
                check_tensor(label, array.dtype, array.shape)
            self.flush_ahead()
            self._begin(label, outgoing, expected)
            for name, array in outgoing.items():
                self._links[name].send_tensor(label, array)
            self._finish(label, outgoing, expected, deadline)
            return {name: self._links[name].take_tensor() for name in incoming}
        except CohortiumError as error:
            error.party = self.name
            raise

    def send_ahead(self, label: str, to: str, array: npt.NDArray[Any]) -> None:
        """Send an array that ``to`` will ask for by ``receive_ahead``; no round.

        Small ones wait for more to come, and go out before anything else that this party
        exchanges. Errors: as ``exchange``.
        """
        if not fits(array.nbytes):
            self.exchange(label, {to: array}, {})
            return
        parcel = self._outgoing[to]
        if not parcel.has_room(array.nbytes):
            self.flush_ahead()
        parcel.add(label, array)

    def receive_ahead(
        self, label: str, sender: str, dtype: npt.DTypeLike, shape: tuple[int, ...]
    ) -> npt.NDArray[Any]:
        """Return the next array that ``sender`` has sent ahead. Errors: as ``exchange``."""
        known = np.dtype(dtype)
        if not fits(math.prod(shape) * known.itemsize):
            return self.exchange(label, {}, {sender: (known, shape)})[sender]
        parcel = self._incoming[sender]
        if not parcel:
            parcel.put(self.exchange_messages("parcel", {}, {sender: PARCEL})[sender])
        return parcel.take(label, known, shape)

    def flush_ahead(self) -> None:
        """Send now what waits of ``send_ahead``, where nothing else follows for a while."""
        for name, parcel in self._outgoing.items():
            if parcel:
                self.exchange_messages("parcel", {name: parcel.take()}, {})

    def exchange_messages(
        self,
        label: str,
        outgoing: Mapping[str, bytes],
        incoming: Mapping[str, int],
        *,
        deadline: float | Deadline | None = Deadline.DEFAULT,
    ) -> dict[str, bytes]:
        """Send and receive bytes; ``incoming`` says how many at most each peer may send.

        Returns the received bytes by peer. Errors: as ``exchange``.
        """
        return self._messages(label, outgoing, incoming, deadline)

    def abort(self, error: BaseException) -> None:
        """Tell every peer why this party stops, within two seconds, and close. Never raises.

        A reason that came from another party is passed on as it is, so that all show the first
        cause. Of an error that is not a CohortiumError only the class is told.
        """
        if self._closed:
            return
        links = list(self._links.values())
        tell_all(links, first_cause(links, error, self.name))
        self._shut()

    def close(self, *, deadline: float | None = None) -> None:
        """Wait until every party is done (a barrier labelled "goodbye"), then close.

        Without it the first party to finish would look to the others as if it had crashed. It
        waits as long as a peer still computes, unless ``deadline`` says otherwise. Errors: as
        ``exchange``; the links are closed in any case.
        """
        if self._closed:
            return
        try:
            everyone = self.peers
            self._messages(
                "goodbye",
                dict.fromkeys(everyone, b""),
                dict.fromkeys(everyone, 0),
                deadline,
                last=True,
            )
        except BaseException as error:
            self.abort(error)
            raise
        self._shut()

    def __enter__(self) -> Mesh:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abort(error)

    def _messages(
        self,
        label: str,
        outgoing: Mapping[str, bytes],
        incoming: Mapping[str, int],
        deadline: float | Deadline | None,
        *,
        last: bool = False,
    ) -> dict[str, bytes]:
        try:
            expected = {name: expected_message(label, cap) for name, cap in incoming.items()}
            expected_message(label, 0)
            self.flush_ahead()
            self._begin(label, outgoing, expected)
            for name, payload in outgoing.items():
                self._links[name].send_message(label, payload)
            self._finish(label, outgoing, expected, deadline, last=last)
            return {name: self._links[name].take_message() for name in incoming}
        except CohortiumError as error:
            error.party = self.name
            raise

    def _begin(
        self, label: str, outgoing: Mapping[str, object], expected: Mapping[str, Expected]
    ) -> None:
        for name in (*outgoing, *expected):
            if name not in self._links:
                raise ParameterError(
                    f"{label!r} is to be exchanged with {name!r}, which is no peer of {self.name}.",
                    remedy=f"The peers are {', '.join(self.peers)}.",
                )
        if self._closed or self._unfinished:
            why = f"its exchange {self._unfinished!r} failed" if self._unfinished else "closed"
            raise ConnectError(f"The links of {self.name} can not be used any more: {why}.")
        self._unfinished = label
        for name, what in expected.items():
            self._links[name].expect(what)

    def _finish(
        self,
        label: str,
        outgoing: Mapping[str, object],
        expected: Mapping[str, Expected],
        deadline: float | Deadline | None,
        *,
        last: bool = False,
    ) -> None:
        limit = self.deadline if isinstance(deadline, Deadline) else deadline
        links = [self._links[name] for name in {**outgoing, **expected}]
        self._waiting.finish(label, links, limit, last=last)
        self._unfinished = ""

    def _shut(self) -> None:
        self._closed = True
        for link in self._links.values():
            link.close()
