"""Binding addresses: one sentence when a port is in use, and one port for both loopback addresses."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence

from messenger_hub_server.config import Address
from messenger_hub_server.startup import REFUSED, StartupProblem

BACKLOG = 1024
# A free port of IPv4 may be taken on IPv6; a few tries always sufficed.
TRIES = 20
_NO_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})


def listen(flag: str, address: Address) -> Sequence[socket.socket]:
    """Listening sockets for every host of an address. A machine without IPv6 has one less. Raises StartupProblem."""
    for left in reversed(range(TRIES)):
        try:
            return _listen_once(address)
        except OSError as error:
            if address.port == 0 and error.errno == errno.EADDRINUSE and left:
                continue
            raise problem(flag, address, error) from error
    raise AssertionError("the last try returns or raises")


def free_hosts(flag: str, address: Address) -> Sequence[Address]:
    """Every host of an address, with a port that is free on all of them right now: for servers that bind by themselves.

    Raises StartupProblem.
    """
    sockets = listen(flag, address)
    try:
        return [Address(host=one.getsockname()[0], port=one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def port_of(sockets: Sequence[socket.socket]) -> int:
    """The one port of all of them."""
    port: int = sockets[0].getsockname()[1]
    return port


def problem(flag: str, address: Address, error: OSError | None) -> StartupProblem:
    """Why an address cannot be listened on."""
    if error is None or error.errno == errno.EADDRINUSE:
        sentence = (
            f"{flag} {address} is in use by another program: stop that, or choose another port with {flag} HOST:PORT."
        )
    elif error.errno in {errno.EACCES, errno.EPERM}:
        sentence = (
            f"{flag} {address} is reserved for the administrator: choose a port from 1024 on with {flag} HOST:PORT."
        )
    else:
        sentence = f"{flag} {address} is not an address of this machine: choose one that is with {flag} HOST:PORT."
    return StartupProblem(sentence, REFUSED)


def _listen_once(address: Address) -> Sequence[socket.socket]:
    sockets: list[socket.socket] = []
    port = address.port
    try:
        for host in address.hosts:
            try:
                sockets.append(_bound(host, port))
            except OSError as error:
                if sockets and error.errno in _NO_IPV6:
                    continue
                raise
            port = port_of(sockets)
    except BaseException:
        for one in sockets:
            one.close()
        raise
    return sockets


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, where = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
    )[0]
    one = socket.socket(family, kind, protocol)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(where)
        one.listen(BACKLOG)
        one.setblocking(False)
    except BaseException:
        one.close()
        raise
    return one
