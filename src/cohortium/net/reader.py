"""Reading frames: fills the array that the program waits for, straight from the stream.

Small frames come through a buffer, several at a time when the peer is ahead; large payloads go
into their array directly, which is made only after the header has been found to be the right one.
"""

from __future__ import annotations

import select
import socket
import ssl
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from cohortium.errors import CertificateError, CohortiumError, FrameError, PeerLostError
from cohortium.net import frames
from cohortium.net.abort import Abort
from cohortium.net.frames import Expected, Header, Kind
from cohortium.net.tls import refused_by_peer

# What a non-blocking stream raises when it can not go on now.
BLOCKED = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
# One peer's share of a turn, so that a fast peer does not keep us from serving the others.
TURN = 1 << 20
_BUFFER = 1 << 16
# More than a socket's buffers hold: where to stop looking for a reason behind unread frames.
_LEFTOVER = 1 << 26


class Reader:
    """The receiving half of a link: ``expect`` a frame, ``receive`` until done, then take it.

    ``bytes_received`` and ``frames_received`` count frames taken in; ``arrived`` counts also what
    came early. ``abort`` is the reason the peer gave for stopping, if it did.
    """

    def __init__(self, sock: socket.socket, *, me: str, peer: str, session: bytes) -> None:
        self.me = me
        self.peer = peer
        self.session = session
        self.bytes_received = 0
        self.frames_received = 0
        self.arrived = 0
        self.abort: Abort | None = None
        self._sock = sock
        self._expected: Expected | None = None
        self._header = b""
        self._result: npt.NDArray[Any] | bytearray | None = None
        self._payload: memoryview | None = None
        self._filled = 0
        self._header_size = 0
        self._kind = Kind.TENSOR
        self._buffer = memoryview(bytearray(_BUFFER))
        self._start = 0
        self._end = 0

    @property
    def reading(self) -> bool:
        """Whether a frame is expected that has not come completely."""
        return self._expected is not None

    def expect(self, expected: Expected) -> None:
        """Say what must come next."""
        self._expected = expected
        self._header = expected.header(self.session, self.frames_received) or b""

    def receive(self) -> int:
        """Read the expected frame; return 0 when it is complete, else the poll event to wait for.

        Errors: FrameError for any other frame, PeerAbortedError, PeerLostError, and
        CertificateError if the peer's TLS refused our certificate.
        """
        read = 0
        while True:
            if self._payload is None:
                self._open()
            payload = self._payload
            missing = _BUFFER
            if payload is not None:
                missing = len(payload) - self._filled
                ready = min(missing, self._end - self._start)
                if ready:
                    self._move(payload, ready)
                    missing -= ready
                if not missing:
                    self._complete()
                    return 0
            # What TLS has decrypted already does not show in poll.
            if read >= TURN and not self._pending():
                return select.POLLIN
            try:
                if payload is not None and missing >= _BUFFER:
                    count = self._sock.recv_into(payload[self._filled :])
                    self._filled += count
                else:
                    count = self._fill()
            except ssl.SSLWantWriteError:
                return select.POLLOUT
            except BLOCKED:
                return select.POLLIN
            except OSError as error:
                raise self._broken(error) from error
            if not count:
                raise self._broken(None)
            read += count
            self.arrived += count

    def take_tensor(self) -> npt.NDArray[Any]:
        """Return the array that ``receive`` completed."""
        result, self._result = self._result, None
        if not isinstance(result, np.ndarray):
            raise FrameError(f"No tensor of {self.peer} is complete.", party=self.me)
        return result

    def take_message(self) -> bytes:
        """Return the message that ``receive`` completed."""
        result, self._result = self._result, None
        if not isinstance(result, bytearray):
            raise FrameError(f"No message of {self.peer} is complete.", party=self.me)
        return bytes(result)

    def lost(self, error: OSError | None = None) -> NoReturn:
        """Raise why the peer hung up: PeerAbortedError if it said so in what it sent last.

        Frames before that are dropped; PeerLostError if none gives a reason.
        """
        skip = 0 if self._payload is None else len(self._payload) - self._filled
        if self._payload is not None and self._kind == Kind.ABORT:
            self.receive()
        end = self.arrived + _LEFTOVER
        try:
            while self.arrived < end:
                dropped = min(skip, self._end - self._start)
                self._start += dropped
                skip -= dropped
                header = None if skip else self._parse()
                if header is None or header.kind == Kind.ABORT:
                    if header is not None and self._have(header.size + header.length):
                        self._raise_abort(self._cut(header.size, header.length))
                    count = self._fill()
                    if not count:
                        break
                    self.arrived += count
                else:
                    self._start += header.size
                    skip = header.length
        except (OSError, FrameError) as second:
            error = error or (second if isinstance(second, OSError) else None)
        raise self._broken(None if isinstance(error, BLOCKED) else error)

    def _open(self) -> None:
        """If the next header is there, check it and make room for exactly its payload."""
        expected, start, length = self._expected, self._start, 0
        wanted = self._header
        if expected is None or self._end == start:
            return
        if wanted and self._buffer[start : start + len(wanted)] == wanted:
            # A correct tensor's header has only one form, so this is the whole check.
            self._kind = expected.kind
            size = len(wanted)
        else:
            header = self._parse()
            if header is None:
                return
            self._kind = header.kind
            if header.kind == Kind.ABORT:
                expected = frames.expected_message("abort", frames.MAX_ABORT, Kind.ABORT)
            try:
                session = header.session if header.kind == Kind.ABORT else self.session
                frames.check(header, expected, session, self.frames_received, self.peer)
            except FrameError as error:
                error.party = self.me
                raise
            size, length = header.size, header.length
        self._start += size
        self._header_size = size
        self._filled = 0
        if expected.dtype is None:
            message = bytearray(length)
            self._result, self._payload = message, memoryview(message)
        else:
            array = np.empty(expected.shape, expected.dtype)
            self._result, self._payload = array, array.reshape(-1).view(np.uint8).data

    def _complete(self) -> None:
        result, expected = self._result, self._expected
        self._payload = None
        self.frames_received += 1
        self.bytes_received += self._header_size + self._filled
        if self._kind == Kind.ABORT and isinstance(result, bytearray):
            self._raise_abort(bytes(result))
        if isinstance(result, np.ndarray) and result.dtype == np.bool_ and expected is not None:
            values = result.view(np.uint8)
            if values.size and values.max() > 1:
                raise FrameError(
                    f"{self.peer} sent {expected.label!r} with truth values other than 0 and 1.",
                    remedy="Check that both run the same version.",
                    party=self.me,
                )
        self._expected = None

    def _parse(self) -> Header | None:
        if self._end == self._start:
            return None
        try:
            return frames.parse(self._buffer[self._start : self._end], self.peer)
        except FrameError as error:
            error.party = self.me
            raise

    def _raise_abort(self, payload: bytes) -> NoReturn:
        self.abort = Abort.decode(payload, self.peer)
        raise self.abort.error(self.peer, self.me)

    def _have(self, count: int) -> bool:
        return self._end - self._start >= count

    def _cut(self, offset: int, count: int) -> bytes:
        return bytes(self._buffer[self._start + offset : self._start + offset + count])

    def _move(self, payload: memoryview, count: int) -> None:
        payload[self._filled : self._filled + count] = self._buffer[
            self._start : self._start + count
        ]
        self._filled += count
        self._start += count

    def _fill(self) -> int:
        """Read into the buffer behind what it holds (frames may be early); 0 at end of stream."""
        if self._start == self._end:
            self._start = self._end = 0
        elif self._start:
            rest = self._cut(0, self._end - self._start)
            self._buffer[: len(rest)] = rest
            self._start, self._end = 0, len(rest)
        count = self._sock.recv_into(self._buffer[self._end :])
        self._end += count
        return count

    def _pending(self) -> int:
        return self._sock.pending() if isinstance(self._sock, ssl.SSLSocket) else 0

    def _broken(self, error: OSError | None) -> CohortiumError:
        refusal = refused_by_peer(error) if isinstance(error, ssl.SSLError) else None
        if refusal:
            return CertificateError(
                f"{self.peer} refused our certificate as {refusal}.",
                remedy=f"Compare the fingerprint of {self.me} here with the one in the study file "
                f"of {self.peer}, and the clocks.",
                party=self.me,
            )
        why = f" ({error.strerror or error})" if error is not None else ""
        return PeerLostError(
            f"{self.peer} closed its connection{why} and gave no reason.",
            remedy=f"See what {self.peer} printed; it crashed, was stopped, or lost its network.",
            party=self.me,
        )
