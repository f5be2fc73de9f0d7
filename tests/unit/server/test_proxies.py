"""Where a caller is, told by proxies: what can be made up does not count."""

from __future__ import annotations

import ipaddress

import pytest
from messenger_hub_server.identity.proxies import caller_address

HERE = [ipaddress.ip_network("127.0.0.1")]
TWO = [*HERE, ipaddress.ip_network("10.0.0.0/8")]


def test_without_a_proxy_of_ours_the_header_says_nothing() -> None:
    assert caller_address("203.0.113.9", ["198.51.100.1"], HERE) == "203.0.113.9"
    assert caller_address("127.0.0.1", ["198.51.100.1"], []) == "127.0.0.1"


def test_a_proxy_of_ours_names_who_called_it() -> None:
    assert caller_address("127.0.0.1", ["203.0.113.9"], HERE) == "203.0.113.9"
    assert caller_address("127.0.0.1", ["2001:db8::7"], HERE) == "2001:db8::7"


def test_what_the_caller_put_before_it_is_not_believed() -> None:
    assert caller_address("127.0.0.1", ["198.51.100.1, 203.0.113.9"], HERE) == "203.0.113.9"
    assert caller_address("127.0.0.1", ["198.51.100.1", "203.0.113.9"], HERE) == "203.0.113.9"


def test_two_proxies_of_ours_lead_to_who_called_the_first() -> None:
    assert caller_address("127.0.0.1", ["198.51.100.1, 203.0.113.9, 10.1.2.3"], TWO) == "203.0.113.9"


@pytest.mark.parametrize("header", ["", "unknown", "203.0.113.9, _hidden", "203.0.113.9:1234"])
def test_what_is_no_address_leaves_the_one_that_said_it(header: str) -> None:
    assert caller_address("127.0.0.1", [header], HERE) == "127.0.0.1"


def test_only_proxies_all_the_way_is_the_first_of_them() -> None:
    assert caller_address("127.0.0.1", ["10.0.0.1, 10.0.0.2"], TWO) == "10.0.0.1"
