"""What the files of deploy/ and the page on operating have somebody type or run exists: verbs, flags, settings, ports, paths, files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest
from messenger_hub_cli.main import commands
from messenger_hub_server import config

from tests.deploy.files import DEPLOY, ROOT, UNITS, documents, service, texts

COMMAND = re.compile(r"\bmessenger-hub((?: [\w./:=-]+)+)")
SERVER_PORTS = {8642, 8643, 8644, 8652, 8653}
OTHERS_PORTS = {443, 3000, 9090, 9464}


def typed() -> Iterator[Sequence[str]]:
    """The arguments of every command that is written down; a sentence may go on behind them."""
    for _, text in texts():
        for found in COMMAND.findall(text):
            yield found.partition(". ")[0].rstrip(".:").split()
    for path in UNITS:
        yield shlex.split(service(path)["ExecStart"][0])[1:]
    for name in ("kubernetes/server.yaml", "kubernetes/agent.yaml", "kubernetes/nodes.yaml"):
        for document in documents(name):
            if document["kind"] == "StatefulSet":
                yield document["spec"]["template"]["spec"]["containers"][0]["args"]
    for container in documents("docker/nodes.yml")[0]["services"].values():
        if "command" in container:
            yield container["command"]
    dockerfile = (DEPLOY / "docker/Dockerfile").read_text()
    for found in re.findall(r"^CMD \[(.+)\]$", dockerfile, re.MULTILINE):
        yield [word.strip(' "') for word in found.split(",")]


def resolved(words: Sequence[str]) -> tuple[click.Command, Sequence[str]]:
    """The verb that is meant, and the rest of its words. Raises KeyError for one that is none."""
    context = click.Context(commands)
    command: click.Command = commands
    rest = [*words]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        below = command.get_command(context, rest[0])
        if below is None:
            raise KeyError(rest[0])
        command = below
        rest.pop(0)
    return command, rest


def test_every_command_that_is_written_down_exists_with_its_flags() -> None:
    seen = set()
    for words in typed():
        command, rest = resolved(words)
        flags = {flag for parameter in command.params for flag in parameter.opts} | {"--help"}
        assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= flags, words
        seen.add(command.name)
    assert {"server", "agent", "enrol", "link", "create", "status", "resolve"} <= seen


def test_every_setting_in_an_environment_exists() -> None:
    known = {setting.environment for setting in config.described()} | {
        "MESSENGER_HUB_ENROL",
        "MESSENGER_HUB_BACKUP_PASSPHRASE",
    }
    named = {name for _, text in texts() for name in re.findall(r"\bMESSENGER_HUB_[A-Z_]+", text)}
    assert {name for name in named if not name.endswith("_")} <= known
    assert {"MESSENGER_HUB_HTTP", "MESSENGER_HUB_ENROL", "MESSENGER_HUB_DATA_DIR"} <= named


def test_every_port_is_one_that_the_page_on_operating_tells_of() -> None:
    page = (ROOT / "docs/operating.md").read_text()
    table = {int(port) for port in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    assert table == SERVER_PORTS | OTHERS_PORTS
    defaults = {setting.name: setting.default for setting in config.described()}
    assert all(str(port) in " ".join(defaults.values()) for port in SERVER_PORTS - {8644})
    named = {
        int(port)
        for path, text in texts()
        for port in re.findall(r"(?<=[\d\]a-z]):(\d{3,5})\b", text)
        if path.suffix != ".json"
    }
    assert named - {600, 1000, 10001} <= table


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_every_path_that_is_probed_is_documented(path: str) -> None:
    assert f"`{path}`" in (ROOT / "docs/operating.md").read_text()


def test_no_secret_and_no_address_of_anybody_is_in_these_files() -> None:
    for path, text in texts():
        assert not re.search(r"-----BEGIN|mh_[a-z]+_[0-9a-zA-Z]{8}|\b[0-9a-f]{64}\b", text), path
        hosts = re.findall(r"https?://([a-z0-9.-]+)", text)
        assert set(hosts) <= {"127.0.0.1", "server", "prometheus", "hub", "hub.example.org"}, (path, hosts)


def test_every_file_that_is_named_is_there() -> None:
    for path, text in texts():
        for name in re.findall(r"\bdeploy/[\w./-]*\w", text):
            assert (ROOT / name).exists(), (path, name)
    readme = (DEPLOY / "README.md").read_text()
    here = {found.relative_to(DEPLOY).as_posix() for found in DEPLOY.rglob("*") if found.is_file()}
    assert {name for name in here if Path(name).name in readme or name in readme} >= here - {"README.md"}
