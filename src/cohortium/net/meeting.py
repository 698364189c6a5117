"""A party meeting all others: dial the earlier, accept the later, prove who is who, greet.

Every step is a conversation in one thread, so a caller that sends garbage or nothing delays
nobody. A caller that can not be identified is dropped and remembered. A party of the study that is
wrong (its certificate, its agreement) ends the meeting with an error that names it.
"""

from __future__ import annotations

import math
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence

from cohortium.errors import (
    AgreementError,
    CertificateError,
    CohortiumError,
    ConnectError,
    PeerAbortedError,
    PeerLostError,
)
from cohortium.net import addresses, tls
from cohortium.net.abort import Abort
from cohortium.net.conversations import Conversation, Conversations, Wait
from cohortium.net.frames import Kind, expected_message
from cohortium.net.handshakes import Handshakes
from cohortium.net.hello import HELLO_CAP, LABEL, Hello, check_hello, new_nonce
from cohortium.net.identity import Identity
from cohortium.net.link import Link
from cohortium.net.mesh import Peer
from cohortium.net.waiting import tell_all

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 1.0
_STRANGER_SECONDS = 10.0
_MOST_STRANGERS = 64
_TURNED_AWAY_SECONDS = 1.0
_TELL_SECONDS = 0.2


class Meeting:
    """What goes on while ``identity`` connects to all other ``peers`` until the moment ``end``.

    ``links`` are those to parties that proved who they are: they are told if the meeting fails.
    ``ready`` are those that have greeted us and agree. ``nonces`` is what the greetings brought.
    ``dropped`` says who else called, ``reasons`` why a party could not be reached so far. A
    ``patient`` meeting goes on where a party is wrong, and keeps why in ``wrong``.
    """

    def __init__(
        self,
        identity: Identity,
        peers: Sequence[Peer],
        agreement: Mapping[str, str],
        end: float,
        *,
        patient: bool = False,
    ) -> None:
        self.links: list[Link] = []
        self.ready: dict[str, Link] = {}
        self.nonces = {identity.name: new_nonce()}
        self.dropped: deque[str] = deque(maxlen=100)
        self.reasons: dict[str, str] = {}
        self.wrong: dict[str, CohortiumError] = {}
        self._patient = patient
        place = [peer.name for peer in peers].index(identity.name)
        self.earlier, self.later = peers[:place], peers[place + 1 :]
        self.me = identity.name
        self._identity = identity
        self._agreement = dict(agreement)
        self._until = end
        self._handshakes = Handshakes(identity, peers)
        self._talk = Conversations()
        self._strangers: dict[socket.socket, Conversation] = {}
        self._reason: Abort | None = None
        self._told: set[str] = set()

    def run(self, listener: socket.socket | None) -> bool:
        """Meet; True when all are ready, False when the time is over.

        Errors: CertificateError, AgreementError, FrameError, PeerLostError, PeerAbortedError.
        """
        wanted = {peer.name for peer in (*self.earlier, *self.later)}
        return self._converse(listener, lambda: wanted <= self.ready.keys() | self.wrong.keys())

    def turn_away(self, listener: socket.socket | None, reason: Abort) -> None:
        """Stop: tell ``reason`` to whoever is there, and for a second to those who still come."""
        tell_all(self.links, reason)
        self._told = {link.peer for link in self.links}
        self._reason = reason
        everyone = {peer.name for peer in (*self.earlier, *self.later)}
        # When the time to connect is over, nobody is expected any more.
        self._until = min(self._until, time.monotonic() + _TURNED_AWAY_SECONDS)
        self._converse(listener, lambda: self._told >= everyone)

    def close(self) -> None:
        """Close all links."""
        for link in self.links:
            link.close()

    def _converse(self, listener: socket.socket | None, done: Callable[[], bool]) -> bool:
        talk = self._talk = Conversations()
        try:
            if listener is not None:
                talk.start(self._accept(listener))
            for peer in self.earlier:
                if peer.name not in self._told:
                    talk.start(self._dial(peer))
            return talk.run(done, self._until)
        finally:
            talk.close()

    def _dial(self, peer: Peer) -> Conversation:
        pause = _FIRST_PAUSE
        while peer.name not in self._told:
            try:
                sock = yield from self._handshakes.dial(peer, self._until)
                link = self._identified(sock, peer.name)
                self._handshakes.check_presented(sock, peer)
                yield from self._meet(link, self._until, dialled=True)
            except (CertificateError, AgreementError) as error:
                if self._reason is None:
                    self._found_wrong(peer.name, error)
                    return
            except OSError as error:
                self.reasons[peer.name] = tls.plain_reason(error)
            except PeerLostError:
                if peer.name in self.ready:
                    raise
                # A proxy, or a process that was stopped before it could greet us.
                self.reasons[peer.name] = "it hung up before it greeted us"
            yield Wait(None, 0, time.monotonic() + pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _accept(self, listener: socket.socket) -> Conversation:
        while True:
            yield Wait(listener.fileno(), select.POLLIN, math.inf)
            try:
                plain, address = listener.accept()
            except BlockingIOError:
                continue
            except OSError:
                # Out of descriptors, say: others may close some.
                yield Wait(None, 0, time.monotonic() + 0.1)
                continue
            if len(self._strangers) >= _MOST_STRANGERS:
                # A party identifies itself within milliseconds, so the oldest is none.
                oldest = next(iter(self._strangers))
                self._talk.end(self._strangers.pop(oldest))
            conversation = self._welcome(plain, addresses.show(address), str(address[0]))
            self._strangers[plain] = conversation
            self._talk.start(conversation)

    def _welcome(self, plain: socket.socket, address: str, host: str) -> Conversation:
        until = min(self._until, time.monotonic() + _STRANGER_SECONDS)
        try:
            awaited = [peer for peer in self.later if peer.name not in self.ready]
            identified = yield from self._handshakes.accept(plain, host, awaited, until)
        except CertificateError as error:
            if self._reason is None:
                # Which party it is can not be told, so the others are still waited for.
                self._found_wrong(f"caller from {host}", error)
            return
        except OSError as error:
            self._drop(address, tls.plain_reason(error))
            return
        finally:
            self._strangers.pop(plain, None)
        if identified is None:
            self._drop(address, "its certificate is not one that the study lists")
            return
        sock, name = identified
        link = self._identified(sock, name)
        if name in self.ready and self._reason is None:
            again = ConnectError(f"{name} is connected to {self.me} already; does it run twice?")
            tell_all([link], Abort.of(again, self.me), _TELL_SECONDS)
            self._forget(link)
            self._drop(address, f"a second {name}")
            return
        try:
            yield from self._meet(link, until, dialled=False)
        except (CertificateError, AgreementError) as error:
            self._found_wrong(name, error)
        except (PeerLostError, OSError):
            if self.ready.get(name) is link:
                raise
            self._drop(address, f"{name} hung up or fell silent before it greeted us")

    def _meet(self, link: Link, until: float, *, dialled: bool) -> Generator[Wait, bool, None]:
        """Greet a party and watch its link from then on; or tell it that the run is over."""
        if self._reason is not None:
            tell_all([link], self._reason, _TELL_SECONDS)
            self._told.add(link.peer)
            self._forget(link)
            return
        try:
            yield from self._greet(link, until, dialled=dialled)
        except (PeerLostError, OSError):
            self._forget(link)
            raise
        except CertificateError as error:
            raise CertificateError(
                f"{error.what} Ours has SHA-256 {self._identity.fingerprint}.", remedy=error.remedy
            ) from error
        while True:
            # What the peer sends now is for later; only that it hangs up matters.
            if (yield Wait(link.fileno(), 0, math.inf)):
                self._hung_up(link)
                return

    def _greet(self, link: Link, until: float, *, dialled: bool) -> Generator[Wait, bool, None]:
        mine = Hello(self.me, link.peer, self.nonces[self.me], self._agreement)
        link.send_message(LABEL, mine.encode(), Kind.HELLO)
        link.expect(expected_message(LABEL, HELLO_CAP, Kind.HELLO))
        while events := link.advance():
            if not (yield Wait(link.fileno(), events, until)):
                raise TimeoutError(f"{link.peer} did not greet us")
        theirs = Hello.decode(link.take_message(), link.peer)
        check_hello(theirs, me=self.me, peer=link.peer, agreement=self._agreement)
        if dialled != (link.peer in [peer.name for peer in self.earlier]):
            raise AgreementError(
                f"{link.peer} dialled {self.me}, but by our list of parties we dial it.",
                remedy="Every party needs the same study file.",
            )
        if link.peer in self.ready:
            raise ConnectError(f"{link.peer} connected twice at the same time.")
        self.nonces[link.peer] = theirs.nonce
        self.ready[link.peer] = link

    def _hung_up(self, link: Link) -> None:
        try:
            link.lost()
        except (PeerLostError, PeerAbortedError) as error:
            if not self._patient:
                raise
            del self.ready[link.peer]
            self.wrong[link.peer] = error

    def _found_wrong(self, name: str, error: CohortiumError) -> None:
        """Keep why a party is wrong, and go on with the others; or end the meeting with it."""
        if not self._patient:
            raise error
        self.wrong[name] = error

    def _identified(self, sock: socket.socket, name: str) -> Link:
        link = Link(sock, me=self.me, peer=name)
        self.links.append(link)
        return link

    def _forget(self, link: Link) -> None:
        self.links.remove(link)
        link.close()

    def _drop(self, address: str, why: str) -> None:
        self.dropped.append(f"{address} ({why})")
