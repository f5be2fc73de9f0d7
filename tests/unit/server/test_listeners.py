"""Binding addresses."""

import socket

import pytest
from messenger_hub_server.config import Address
from messenger_hub_server.listeners import free_hosts, listen, port_of
from messenger_hub_server.startup import StartupProblem


def close(sockets: list[socket.socket]) -> None:
    for one in sockets:
        one.close()


def test_localhost_gets_one_port_for_both_loopback_addresses() -> None:
    sockets = list(listen("--http", Address(host="localhost", port=0)))
    try:
        assert {one.getsockname()[1] for one in sockets} == {port_of(sockets)}
        assert "127.0.0.1" in {one.getsockname()[0] for one in sockets}
    finally:
        close(sockets)


def test_a_port_in_use_gets_one_sentence_and_leaves_no_socket_open() -> None:
    taken = list(listen("--http", Address(host="127.0.0.1", port=0)))
    port = port_of(taken)
    try:
        with pytest.raises(StartupProblem) as caught:
            listen("--http", Address(host="localhost", port=port))
    finally:
        close(taken)
    assert caught.value.sentence == (
        f"--http localhost:{port} is in use by another program: "
        "stop that, or choose another port with --http HOST:PORT."
    )


def test_a_foreign_address_gets_one_sentence() -> None:
    with pytest.raises(StartupProblem, match="is not an address of this machine"):
        listen("--grpc", Address(host="192.0.2.1", port=0))


def test_free_hosts_can_be_bound_afterwards() -> None:
    found = free_hosts("--grpc", Address(host="localhost", port=0))
    assert len({one.port for one in found}) == 1
    close(list(listen("--grpc", Address(host="localhost", port=found[0].port))))
