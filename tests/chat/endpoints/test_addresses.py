from __future__ import annotations

import pytest

from chat.endpoints.addresses import client_address
from chat.settings import BadSetting

PROXIES = "10.0.0.7, 192.0.2.0/24, fd00::/8"


def address(peer: str | None, *forwarded: str, trusted: str = PROXIES) -> str:
    headers = [(b"x-forwarded-for", line.encode("latin-1")) for line in forwarded]
    return client_address({"client": None if peer is None else (peer, 5000), "headers": headers}, trusted)


def test_without_a_proxy_it_is_the_peer() -> None:
    assert address("203.0.113.9") == "203.0.113.9"


@pytest.mark.parametrize("trusted", ["", PROXIES])
def test_the_header_is_not_believed_from_anybody_else(trusted: str) -> None:
    assert address("203.0.113.9", "198.51.100.1", trusted=trusted) == "203.0.113.9"


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("10.0.0.7", ["198.51.100.1"], "198.51.100.1"),
        ("192.0.2.55", ["198.51.100.1"], "198.51.100.1"),
        ("fd00::1", ["2001:db8::9"], "2001:db8::9"),
        ("10.0.0.7", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.7", ["1.1.1.1, 198.51.100.1, 192.0.2.8"], "198.51.100.1"),
        ("10.0.0.7", ["1.1.1.1", "198.51.100.1", "192.0.2.8"], "198.51.100.1"),
        ("10.0.0.7", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.7", ["[2001:db8::9]:4711"], "2001:db8::9"),
        ("10.0.0.7", ["[2001:db8::9]"], "2001:db8::9"),
        ("::ffff:10.0.0.7", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("10.0.0.7", ["192.0.2.8, 192.0.2.9"], "192.0.2.8"),
    ],
)
def test_behind_trusted_proxies_it_is_the_rightmost_that_is_not_one(
    peer: str, forwarded: list[str], expected: str
) -> None:
    assert address(peer, *forwarded) == expected


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ([], "10.0.0.7"),
        ([""], "10.0.0.7"),
        (["unknown"], "10.0.0.7"),
        (["1.1.1.1, _hidden"], "10.0.0.7"),
        (["1.1.1.1, <script>, 192.0.2.8"], "192.0.2.8"),
        (["1.1.1.1;198.51.100.1"], "10.0.0.7"),
        (["999.1.1.1"], "10.0.0.7"),
    ],
)
def test_what_is_no_address_ends_the_trust(forwarded: list[str], expected: str) -> None:
    assert address("10.0.0.7", *forwarded) == expected


def test_a_peer_without_an_address_is_unknown() -> None:
    assert address(None, "198.51.100.1") == "unknown"


@pytest.mark.parametrize("entry", ["proxy.example", "10.0.0.0/33", "10.0.0"])
def test_a_list_with_something_else_than_addresses_is_refused_by_its_name(entry: str) -> None:
    with pytest.raises(BadSetting, match="PALAVER_TRUSTED_PROXIES"):
        address("10.0.0.7", trusted=entry)
