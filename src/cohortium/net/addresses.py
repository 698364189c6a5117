"""Addresses: bind one, dial one without blocking, show one to a person."""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections.abc import Generator
from typing import Any

from cohortium.errors import ConnectError
from cohortium.net.conversations import Wait


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to this host and port; ConnectError if the system refuses."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address, family=family)
    except OSError as error:
        raise ConnectError(
            f"Can not listen at {host}:{port}: {error.strerror or error}.",
            remedy="Say at which of this computer's addresses to listen, and see that no other "
            "program uses the port.",
        ) from error


def dial(host: str, port: int, seconds: float) -> Generator[Wait, bool, socket.socket]:
    """Return a connected non-blocking socket, trying each address of ``host`` for ``seconds``.

    OSError (of the last address) if none answers.
    """
    failure: OSError = ConnectionError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            code = sock.connect_ex(address)
            if code == errno.EINPROGRESS:
                if not (yield Wait(sock.fileno(), select.POLLOUT, time.monotonic() + seconds)):
                    raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            # With nobody there, a dialled port of this computer can be given to the dialler
            # itself, and TCP then connects it to itself.
            if code == 0 and sock.getsockname() == sock.getpeername():
                code = errno.ECONNREFUSED
            if code:
                raise OSError(code, os.strerror(code))
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


def is_of_host(address: str, host: str) -> bool:
    """Return whether the numeric ``address`` is one of ``host``'s."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return address in {entry[4][0] for entry in found}


def show(address: Any) -> str:
    """Return ``host:port`` of what the socket functions call an address."""
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else "this computer"
