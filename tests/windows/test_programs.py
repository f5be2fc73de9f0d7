"""The commands that people type first, with the Edge that Windows has: demo, up, enrol, autostart; killed, and started again.

MESSENGER_HUB_PROGRAM names the packaged app, where that is to be looked at instead.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from messenger_hub_cli.login_items import login_item

from tests.eventually import all_end, eventually

pytestmark = pytest.mark.e2e

SECONDS = 120
PACKAGED = os.environ.get("MESSENGER_HUB_PROGRAM", "")
PROGRAM = [PACKAGED] if PACKAGED else [sys.executable, "-m", "messenger_hub_cli"]


class Terminal:
    """A command, and what it has printed so far."""

    def __init__(self, file: Path, *arguments: str) -> None:
        self._file = file
        with file.open("w", encoding="utf-8") as printed:
            self.process = subprocess.Popen(
                [*PROGRAM, *arguments],
                stdin=subprocess.PIPE,
                stdout=printed,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
                creationflags=subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW,
            )

    @property
    def printed(self) -> str:
        return self._file.read_text(encoding="utf-8")

    def prints(self, pattern: str) -> re.Match[str]:
        found = eventually(
            lambda: re.search(pattern, self.printed) or (self.process.poll() is not None and self.ended_early()),
            SECONDS,
        )
        assert isinstance(found, re.Match)
        return found

    def ended_early(self) -> None:
        raise AssertionError(f"it ended with {self.process.returncode}: {self.printed}")

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def kill(self) -> None:
        """As the Task Manager does; what it had started has to end by itself."""
        family = self.family()
        self.process.kill()
        self.process.wait(SECONDS)
        all_end(family, SECONDS)


@contextmanager
def running(file: Path, *arguments: str) -> Iterator[Terminal]:
    terminal = Terminal(file, *arguments)
    try:
        yield terminal
    finally:
        if terminal.process.poll() is None:
            terminal.kill()
        if terminal.process.stdin is not None:
            terminal.process.stdin.close()


def command(*arguments: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(subprocess.check_output([*PROGRAM, *arguments, "--json"]))
    return answer


def http(method: str, url: str, body: object = None, **headers: str) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers}, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or b"null")


def scanned(twin: str) -> bool:
    """Whether a code was shown, which is scanned then."""
    try:
        http("POST", f"{twin}_twin/scan", {})
    except urllib.error.HTTPError:
        return False
    return True


def test_the_demo_sends_one_message_the_whole_way_and_ends(tmp_path: Path) -> None:
    with running(tmp_path / "printed", "demo", "--once") as demo:
        assert demo.process.wait(SECONDS) == 0, demo.printed
        steps = re.findall(r"^ +\d+\.\d s  (\w+)", demo.printed, re.MULTILINE)
        assert steps[-6:] == ["pending", "processing", "sent", "delivered", "read", "The"]


def test_up_that_was_killed_comes_back_linked_and_sends_what_waited(tmp_path: Path) -> None:
    twin_options = ("--listen", "127.0.0.1:0", "--log", str(tmp_path / "arrivals.jsonl"))
    data = ("--data-dir", str(tmp_path / "data"))
    up_options = (*data, "--headless", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
    with running(tmp_path / "twin", "twin", *twin_options) as twin:
        page = twin.prints(r"at (http://\S+);")[1]
        with running(tmp_path / "first", "up", *up_options, "--whatsapp-url", page) as up:
            address = up.prints(r"The API is at (\S+) ")[1]
            up.prints("Scan:")
            eventually(lambda: scanned(page), SECONDS)
            up.prints(r"linked as \+12015550100")
            key = command("session-api", "create", "crm", "--channel", "whatsapp", *data)["key"]
            body = {"mobile": "12025550111", "message": "before"}
            http("POST", f"{address}/api/whatsapp-session/send", body, **{"X-API-Key": key})
            # The link reaches the disk some seconds after it was made, and is lost with the browser until then.
            up.prints("Ctrl-C ends it")
            eventually(lambda: len((tmp_path / "arrivals.jsonl").read_text("utf-8").splitlines()) == 1, SECONDS)
            up.kill()
        with running(tmp_path / "second", "up", *up_options, "--whatsapp-url", page) as up:
            address = up.prints(r"The API is at (\S+) ")[1]
            up.prints(r"linked as \+12015550100")
            sent = http(
                *("POST", f"{address}/api/whatsapp-session/send", {"mobile": "12025550111", "message": "after"}),
                **{"X-API-Key": key},
            )
            url = f"{address}/api/whatsapp-session/messages/{sent['data']['message_id']}"
            eventually(lambda: http("GET", url, **{"X-API-Key": key})["data"]["status"] == "read", SECONDS)
    bodies = [json.loads(line)["body"] for line in (tmp_path / "arrivals.jsonl").read_text("utf-8").splitlines()]
    assert bodies == ["before", "after"]


def test_a_desktop_joins_a_hub_with_one_link(tmp_path: Path) -> None:
    ports = ("--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--lan-http", "127.0.0.1:0", "--lan-grpc", "127.0.0.1:0")
    data = ("--data-dir", str(tmp_path / "hub"))
    with (
        running(
            tmp_path / "twin", "twin", "--listen", "127.0.0.1:0", "--log", str(tmp_path / "arrivals.jsonl")
        ) as twin,
        running(tmp_path / "server", "server", *data, "--lan", *ports) as server,
    ):
        page = twin.prints(r"at (http://\S+);")[1]
        server.prints("On the local network it answers on https://")
        command("channel", "create", "shop", *data)
        link = command("agent", "enrol", "office-pc", "--channel", "shop", *data)["link"]
        desktop = ("--headless", "--data-dir", str(tmp_path / "desktop"), "--whatsapp-url", page)
        with running(tmp_path / "join", "join", link, "--yes", *desktop) as joined:
            joined.prints("This desktop is office-pc of the hub at 127.0.0.1:")
            eventually(lambda: scanned(page), SECONDS)
            eventually(
                lambda: command("channel", "list", *data)["channels"][0]["status"]["channel"] == "linked", SECONDS
            )


def test_it_starts_at_login_without_a_window(tmp_path: Path) -> None:
    before = login_item().command()
    assert not before, "this would overwrite what starts at login here"
    try:
        command("autostart", "on", "--data-dir", str(tmp_path))
        told = command("autostart", "status")
        assert told["on"]
        program = re.match(r'"([^"]+)"|(\S+)', told["command"])
        assert program is not None
        path = Path(program[1] or program[2])
        assert path.is_file()
        assert path.stem in ("pythonw", "messenger-hubw")
    finally:
        command("autostart", "off")
    assert not command("autostart", "status")["on"]
