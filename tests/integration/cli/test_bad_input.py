"""What a person can get wrong on the command line is told in one sentence that says what to do."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from messenger_hub_cli.main import VERBS, commands

from tests.eventually import eventually
from tests.nursery.command import run

SECONDS = 60


def program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "messenger_hub_cli", *arguments]


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done
    assert "Traceback" not in done.stdout + done.stderr
    last = [line for line in done.stderr.splitlines() if not line.startswith("{")][-1]
    assert last.endswith((".", "Invalid or inactive API key"))  # the latter's bytes are documented
    for word in words:
        assert word in last, last


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def server(data_dir: Path) -> Iterator[str]:
    """A running server; its gRPC address."""
    process = subprocess.Popen(
        program("server", "--data-dir", str(data_dir), "--json", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())["grpc"][0]
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 0
    process.stdout.close()


def test_a_port_that_is_in_use_is_named_with_its_flag(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused(
            run("server", "--data-dir", str(data_dir), "--http", f"127.0.0.1:{port}", "--grpc", "127.0.0.1:0"),
            6,
            str(port),
            "--http",
        )
        refused(run("twin", "--listen", f"127.0.0.1:{port}", "--log", str(data_dir / "log")), 6, str(port), "--listen")


@pytest.mark.parametrize("wanted", ["nowhere", "127.0.0.1:{taken}"])
def test_an_address_that_up_cannot_use_is_told_in_the_servers_own_words(data_dir: Path, wanted: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = wanted.format(taken=taken.getsockname()[1])
        done = run("up", "--headless", "--data-dir", str(data_dir), "--http", address, "--grpc", "127.0.0.1:0")
    refused(done, 6, "--http", "HOST:PORT")


@pytest.mark.usefixtures("server")
def test_a_data_folder_that_is_in_use_says_by_whom(data_dir: Path) -> None:
    refused(
        run("server", "--data-dir", str(data_dir), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"),
        6,
        "in use by messenger-hub server",
    )


def test_a_data_folder_of_a_newer_version_is_left_alone(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "version").write_text("99\n")
    refused(
        run("server", "--data-dir", str(data_dir), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"), 6, "newer version"
    )


def test_another_machine_without_tls_is_refused(data_dir: Path) -> None:
    refused(run("server", "--data-dir", str(data_dir), "--http", "0.0.0.0:0", "--grpc", "127.0.0.1:0"), 6, "--insecure")
    refused(
        run("agent", "--headless", "--data-dir", str(data_dir), "--server", "hub.example.org:8643", "--enrol", "x"),
        6,
        "TLS",
    )


def test_a_desktop_that_is_not_enrolled_says_how_to_enrol_it(data_dir: Path) -> None:
    refused(
        run("agent", "--headless", "--data-dir", str(data_dir), "--server", "127.0.0.1:1"),
        6,
        "messenger-hub agent enrol",
    )


def test_a_hub_that_does_not_answer_and_an_address_that_is_none(data_dir: Path) -> None:
    away = ("agent", "--headless", "--data-dir", str(data_dir), "--enrol", "token", "--server")
    refused(run(*away, "127.0.0.1:1"), 6, "127.0.0.1:1 does not answer")
    refused(run(*away, "nonsense"), 6, "HOST:PORT")


def test_a_token_works_once(data_dir: Path, server: str, tmp_path: Path) -> None:
    refused(
        run("agent", "--headless", "--data-dir", str(data_dir), "--server", server, "--enrol", "mhe_wrong"), 6, "token"
    )
    for arguments in (("channel", "create", "shop"), ("agent", "enrol", "pc", "--channel", "shop")):
        done = run(*arguments, "--data-dir", str(data_dir), "--json")
    token = json.loads(done.stdout)["token"]
    first = subprocess.Popen(
        program("agent", "--headless", "--server", server, "--enrol", token, "--data-dir", str(tmp_path / "one"), "--browser", "/nowhere/chromium"),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert first.stdout is not None
    assert "works" in first.stdout.readline()
    refused(
        run("agent", "--headless", "--data-dir", str(tmp_path / "two"), "--server", server, "--enrol", token),
        6,
        "token",
    )

    def reason() -> bool:
        shown = json.loads(run("channel", "show", "shop", "--data-dir", str(data_dir), "--json").stdout)
        return "There is no browser at /nowhere/chromium" in shown["status"]["reason"]

    eventually(reason, what="the missing browser is told in the channel's status")
    first.send_signal(signal.SIGTERM)
    assert first.wait(SECONDS) == 0
    first.stdout.close()


def test_a_hub_that_is_not_running_says_how_to_start_it(data_dir: Path) -> None:
    refused(run("status", "--data-dir", str(data_dir)), 3, "messenger-hub up")


@pytest.mark.usefixtures("server")
def test_an_unknown_name_and_a_deletion_that_nobody_confirms(data_dir: Path) -> None:
    assert run("channel", "create", "shop", "--data-dir", str(data_dir)).returncode == 0
    refused(run("channel", "show", "shopp", "--data-dir", str(data_dir)), 4, "channel list")
    refused(run("channel", "create", "shop", "--data-dir", str(data_dir)), 5, "shop")
    refused(run("channel", "delete", "shop", "--data-dir", str(data_dir)), 2, "--yes", "0 session APIs")
    refused(run("send", "12025550111", "Hi", "--data-dir", str(data_dir)), 2, "MESSENGER_HUB_KEY")
    refused(run("send", "12025550111", "Hi", "--key", "mh_wrong", "--data-dir", str(data_dir)), 7, "API key")


def names(path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    command = commands
    context = command.make_context("messenger-hub", [], resilient_parsing=True)
    for name in path:
        command = command.get_command(context, name)  # type: ignore[assignment]
    for name in command.list_commands(context) if hasattr(command, "list_commands") else []:
        yield (*path, name)
        yield from names((*path, name))


@pytest.mark.parametrize("path", [*names()], ids=" ".join)
def test_every_verb_has_help_with_an_example(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(commands, [*path, "--help"], prog_name="messenger-hub")
    assert shown.exit_code == 0
    is_group = path[0] in ("channel", "session-api", "operation", "person", "autostart", "secrets") and len(path) == 1
    assert is_group or f"messenger-hub {' '.join(path)}" in shown.output.split("Example:")[1]


def test_the_table_of_verbs_is_complete() -> None:
    assert set(VERBS) >= {
        "up",
        "demo",
        "send",
        "server",
        "agent",
        "twin",
        "doctor",
        "channel",
        "session-api",
        "operation",
        "status",
    }
