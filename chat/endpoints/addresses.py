"""Where a client really is: the peer of the connection, or what a trusted proxy says about it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from chat.settings import BadSetting

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

FORWARDED_FOR = b"x-forwarded-for"
UNKNOWN = "unknown"
"""What stands for the address of a peer without one (a UNIX socket)."""


def client_address(scope: Mapping[str, Any], trusted_proxies: str) -> str:
    """Return the address that limits and logs go by: the rightmost one that no trusted proxy has.

    `trusted_proxies` is the setting's text. X-Forwarded-For is read only when the peer is trusted, and
    only as far to the left as every entry is: the client itself could have written what stands further left.
    """
    peer = _peer(scope)
    trusted = trusted_networks(trusted_proxies)
    nearest = parse_address(peer)
    if nearest is None or not trusted or not _is_trusted(nearest, trusted):
        return str(nearest) if nearest is not None else peer
    for entry in reversed(_forwarded(scope)):
        address = parse_address(entry)
        if address is None:
            break
        nearest = address
        if not _is_trusted(address, trusted):
            break
    return str(nearest)


@lru_cache(maxsize=8)
def trusted_networks(text: str) -> tuple[Network, ...]:
    """Read the setting, addresses or networks separated by commas; raises BadSetting for anything else."""
    return tuple(_network(entry.strip()) for entry in text.split(",") if entry.strip())


def parse_address(text: str) -> Address | None:
    """Read an address with or without a port and brackets; an IPv4 address written as IPv6 becomes IPv4."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network(entry: str) -> Network:
    try:
        return ip_network(entry, strict=False)
    except ValueError as error:
        raise BadSetting(
            f"PALAVER_TRUSTED_PROXIES: {entry!r} is neither an address nor a network; "
            "write 10.0.0.7 or 10.0.0.0/8"
        ) from error


def _peer(scope: Mapping[str, Any]) -> str:
    client = scope.get("client")
    return str(client[0]) if client and client[0] else UNKNOWN


def _forwarded(scope: Mapping[str, Any]) -> list[str]:
    # Several headers of one name are one list, in their order (RFC 9110 §5.3).
    lines = [value.decode("latin-1") for name, value in scope["headers"] if name == FORWARDED_FOR]
    return [entry for line in lines for entry in line.split(",")]


def _is_trusted(address: Address, trusted: tuple[Network, ...]) -> bool:
    return any(address in network for network in trusted)
