"""From which address a caller comes, when proxies stand in between: each adds, at the end of X-Forwarded-For, whom it has heard."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def caller_address(peer: str, forwarded: Sequence[str], proxies: Sequence[Network]) -> str:
    """The address that a request comes from. `peer`: who has the connection; `forwarded`: all X-Forwarded-For headers, in order.

    Only what a proxy of ours says counts: from the end as far as one of `proxies` has said it. What stands before may be made up.
    """
    named = [one.strip() for header in forwarded for one in header.split(",")]
    while named and _is_of(peer, proxies) and _is_address(named[-1]):
        peer = named.pop()
    return peer


def _is_of(address: str, networks: Sequence[Network]) -> bool:
    return _is_address(address) and any(ipaddress.ip_address(address) in one for one in networks)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
