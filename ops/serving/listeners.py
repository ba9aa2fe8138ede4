"""Listeners: the sockets that the server accepts on, opened first, so that a taken port costs nothing."""

from __future__ import annotations

import errno
import socket

HINTS = {
    errno.EADDRINUSE: "port {port} is in use: set PALAVER_PORT or stop the other server",
    errno.EACCES: "port {port} needs rights that this user lacks: set PALAVER_PORT above 1023",
    errno.EADDRNOTAVAIL: "this machine has no address {host}: set PALAVER_HOST (127.0.0.1: for itself alone, "
    "0.0.0.0: for everybody)",
}


class ListenError(Exception):
    """The server cannot listen where it was told to; the message says why and what to set."""


def listen(host: str, port: int, backlog_connections: int) -> list[socket.socket]:
    """Return sockets that listen on every address of `host`; an empty one means all interfaces.

    Port 0 takes a free one, the same for all. The kernel queues connections from now on. Raises ListenError.
    """
    opened: list[socket.socket] = []
    unavailable: OSError | None = None
    try:
        for family, address in _addresses(host, port):
            bound_port = opened[0].getsockname()[1] if opened else port
            try:
                opened.append(_listen_on(family, (address, bound_port), backlog_connections))
            except OSError as error:
                # `localhost` often names ::1 where IPv6 is switched off: one address is enough.
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                unavailable = error
        if not opened and unavailable is not None:
            raise unavailable
    except OSError as error:
        for each in opened:
            each.close()
        raise ListenError(_explain(error, host, port)) from error
    return opened


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def _listen_on(family: int, address: tuple[str, int], backlog_connections: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A restart must not wait for the last run's connections to leave TIME_WAIT.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(backlog_connections)
    except OSError:
        listener.close()
        raise
    return listener


def _explain(error: OSError, host: str, port: int) -> str:
    if isinstance(error, socket.gaierror):
        return f"the host {host!r} has no address ({error.strerror}): set PALAVER_HOST to one of this machine"
    hint = HINTS.get(error.errno or 0)
    if hint is not None:
        return hint.format(host=host, port=port)
    return f"cannot listen on {host} port {port}: {error.strerror}: set PALAVER_HOST and PALAVER_PORT"
