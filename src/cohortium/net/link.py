"""A link: frames to and from one peer over one non-blocking stream.

Writing is a queue of buffers, reading fills what the program waits for; both advance as far as the
stream allows and then say which poll event they need. So one loop can serve every peer, and two
parties that both send first never wait for each other. Any stream socket will do: TLS over TCP
between sites, one end of a socket pair in tests.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections import deque
from typing import Any

import numpy.typing as npt

from cohortium.net import frames
from cohortium.net.abort import Abort
from cohortium.net.frames import Kind
from cohortium.net.reader import BLOCKED, TURN, Reader

# Linux tells of a peer's hang-up although unread data lies before it; elsewhere it is noticed
# when the link is next read.
HUNG_UP: int = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR | select.POLLNVAL


class Link(Reader):
    """Frames between party ``me`` and party ``peer`` over a connected ``sock``, which it owns.

    ``bytes_sent``, ``bytes_received`` count frames, headers included, before encryption;
    ``frames_sent``, ``frames_received`` number them. Not for use by two threads at once.
    """

    def __init__(
        self, sock: socket.socket, *, me: str, peer: str, session: bytes = frames.NO_SESSION
    ) -> None:
        super().__init__(sock, me=me, peer=peer, session=session)
        self.bytes_sent = 0
        self.frames_sent = 0
        self._queue: deque[memoryview] = deque()
        self._half_closed = False
        sock.setblocking(False)
        _tune(sock)

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._sock.fileno()

    @property
    def progress(self) -> int:
        """A number that grows with every byte sent or received."""
        return self.bytes_sent + self.arrived

    def send_tensor(self, label: str, array: npt.NDArray[Any]) -> None:
        """Queue an array; do not change it before ``flush`` has returned 0."""
        self._send(frames.encode_tensor(self.session, self.frames_sent, label, array))

    def send_message(self, label: str, payload: bytes, kind: Kind = Kind.MESSAGE) -> None:
        """Queue a message."""
        self._send(frames.encode_message(self.session, self.frames_sent, label, payload, kind))

    def _send(self, buffers: list[bytes | memoryview]) -> None:
        self._queue.extend(memoryview(buffer) for buffer in buffers if len(buffer))
        self.frames_sent += 1

    def advance(self) -> int:
        """Write and read as far as the stream allows; 0 when both are done, else poll events."""
        events = self.flush() if self._queue else 0
        return events | self.receive() if self._expected is not None else events

    def flush(self) -> int:
        """Write what is queued; return 0 when all is written, else the poll event to wait for.

        Errors: PeerLostError; PeerAbortedError if the peer said why before it closed.
        """
        try:
            return self._write()
        except OSError as error:
            self.lost(error)

    def _write(self) -> int:
        queue, written = self._queue, 0
        while queue and written < TURN:
            buffer = queue[0]
            try:
                count = self._sock.send(buffer)
            except ssl.SSLWantReadError:
                return select.POLLIN
            except BLOCKED:
                return select.POLLOUT
            written += count
            self.bytes_sent += count
            if count == len(buffer):
                queue.popleft()
            else:
                queue[0] = buffer[count:]
        return select.POLLOUT if queue else 0

    def part(self, last: Abort | None) -> int:
        """Say goodbye for good: finish what is queued, tell the reason, half-close, drop the rest.

        Returns 0 when both sides have closed, else the poll event to wait for. To read on until
        the peer closes keeps the system from discarding what we sent last. Call first with the
        reason, then with None; never raises.
        """
        if last is not None:
            self.send_message("abort", last.encode(), Kind.ABORT)
        wanted = 0
        try:
            wanted = self._write()
            if not self._queue and not self._half_closed:
                self._sock.shutdown(socket.SHUT_WR)
                self._half_closed = True
            while self._sock.recv_into(self._buffer):
                pass
        except BLOCKED:
            return select.POLLIN | wanted
        except OSError:
            pass
        return 0

    def close(self) -> None:
        """Close the socket; what waits to be written is lost."""
        self._queue.clear()
        self._sock.close()


def _tune(sock: socket.socket) -> None:
    """Send small frames at once, and notice within half a minute that a silent peer is dead.

    TCP_USER_TIMEOUT is left alone: Linux also applies it to a peer that lives but does not read
    for a while, and a party that computes for long while others run ahead is such a peer.
    """
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
