"""Where other machines find a hub, as its settings say."""

from __future__ import annotations

import pytest
from messenger_hub_server import config
from messenger_hub_server.reach import Reach, reach
from messenger_hub_server.startup import StartupProblem

HTTP, GRPC = ["http://127.0.0.1:8642"], ["127.0.0.1:8643"]


def found(grpc: str = GRPC[0], **flags: object) -> Reach | None:
    return reach(config.load({"data_dir": "/nowhere", "grpc": grpc, **flags}, {}), HTTP, [grpc], None)


def test_a_hub_on_loopback_alone_is_reached_by_nobody_else() -> None:
    assert found() is None
    assert found(api_address="http://127.0.0.1:8642") is None


@pytest.mark.parametrize(
    ("address", "grpc"),
    [
        ("https://hub.example.org", "hub.example.org:443"),
        ("https://hub.example.org:8443/", "hub.example.org:8443"),
        ("https://[2001:db8::1]", "[2001:db8::1]:443"),
    ],
)
def test_behind_a_proxy_rest_and_grpc_have_one_port(address: str, grpc: str) -> None:
    assert found(api_address=address) == Reach(http=address.rstrip("/"), grpc=grpc)


def test_a_proxy_in_another_container_is_one_too() -> None:
    there = found("172.17.0.1:8643", api_address="https://hub.example.org", insecure=True)
    assert there is not None and there.grpc == "hub.example.org:443"


def test_with_a_certificate_of_its_own_the_hub_is_reached_at_its_own_port() -> None:
    flags = {"api_address": "https://hub.example.org", "tls_cert": "a.pem", "tls_key": "a.key"}
    there = found("0.0.0.0:8643", **flags)
    assert there is not None and there.grpc == "hub.example.org:8643"


@pytest.mark.parametrize("address", ["https://", "https://hub.example.org:port", "https://hub.example.org:70000"])
def test_an_address_without_host_or_with_a_port_that_is_none_stops_the_start(address: str) -> None:
    with pytest.raises(StartupProblem, match="--api-address is not understood"):
        found(api_address=address)
