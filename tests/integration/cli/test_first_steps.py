"""The commands that a person types first, as processes: server, channel, session API, a message over HTTP."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SECONDS = 60


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from messenger_hub_cli.main import main; main()", *arguments]


class Hub:
    """A hub in a process of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.start()

    def start(self) -> None:
        arguments = command(
            "server", "--data-dir", str(self.data_dir), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--json"
        )
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        text = ""
        while line := self.process.stdout.readline():
            text += line
            try:
                self.http = json.loads(text)["http"][0]
            except json.JSONDecodeError:
                continue
            return
        self.process.stdout.close()
        self.process.wait(SECONDS)
        pytest.fail("the server did not start")

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(SECONDS)

    def ask(self, *arguments: str) -> Any:
        done = subprocess.run(
            command(*arguments, "--data-dir", str(self.data_dir), "--json"),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def call(self, path: str, key: str, body: dict[str, object] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.http}/api/whatsapp-session{path}",
            data=json.dumps(body).encode() if body is not None else None,
            headers={"X-API-Key": key, "Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=SECONDS) as answer:
            return json.loads(answer.read())


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    running = Hub(tmp_path / "hub")
    yield running
    if running.process.poll() is None:
        running.end(signal.SIGKILL)
    assert running.process.stdout is not None
    running.process.stdout.close()


def test_a_message_is_accepted_and_still_there_after_the_server_was_killed(hub: Hub) -> None:
    assert hub.ask("channel", "create", "sales", "--pace", "off")["name"] == "sales"
    key = hub.ask("session-api", "create", "crm", "--channel", "sales")["key"]
    assert key.startswith("mh_")
    assert hub.ask("agent", "enrol", "office-pc", "--channel", "sales")["token"]
    sent = hub.call("/send", key, {"mobile": "5511987654321", "message": "Olá"})
    number = sent["data"]["message_id"]
    assert sent == {
        "success": True,
        "message": "Message queued successfully",
        "data": {"message_id": number, "recipient": "5511987654321", "status": "pending"},
    }
    hub.end(signal.SIGKILL)
    assert hub.process.stdout is not None
    hub.process.stdout.close()
    hub.start()
    found = hub.call(f"/messages/{number}", key)["data"]
    assert (found["status"], found["recipient"], found["timeline"][0]["status"]) == (
        "pending",
        "5511987654321",
        "pending",
    )
    assert hub.call("/status", key)["data"]["queue_depth"] == 1
    assert hub.ask("operation", "show", str(number))["operation"]["status"] == "pending"
    assert hub.end(signal.SIGTERM) == 0


def test_a_verb_without_a_hub_says_how_to_start_one(tmp_path: Path) -> None:
    asked = command("status", "--data-dir", str(tmp_path / "none"), "--json")
    done = subprocess.run(asked, capture_output=True, text=True, timeout=SECONDS, check=False, env=dict(os.environ))
    assert done.returncode == 3
    assert "start" in json.loads(done.stdout)["error"]["message"]


def test_a_person_gets_a_copy_in_a_private_file_and_is_erased(hub: Hub, tmp_path: Path) -> None:
    hub.ask("channel", "create", "sales")
    key = hub.ask("session-api", "create", "crm", "--channel", "sales")["key"]
    hub.call("/send", key, {"mobile": "5511987654321", "message": "Olá"})
    copy = tmp_path / "copy.json"
    assert hub.ask("person", "export", "+55 11 98765-4321", "--output", str(copy))["operations"] == 1
    assert copy.stat().st_mode & 0o777 == 0o600
    assert json.loads(copy.read_text("utf-8"))["operations"][0]["body"] == "Olá"
    assert hub.ask("person", "erase", "5511987654321", "--yes") == {"erased": 1, "cancelled": 1}
    assert hub.ask("person", "export", "5511987654321") == {"operations": []}


def test_everything_that_waits_is_cancelled_at_once_when_it_is_asked_for(hub: Hub) -> None:
    hub.ask("channel", "create", "sales")
    key = hub.ask("session-api", "create", "crm", "--channel", "sales")["key"]
    for reference in ("sale", "sale", "else"):
        hub.call("/send", key, {"mobile": "5511987654321", "message": "Olá", "reference": reference})
    assert hub.ask("operation", "cancel-all", "--reference", "sale", "--yes") == {"cancelled": 2}
    assert hub.ask("operation", "cancel-all", "--reference", "sale", "--yes") == {"cancelled": 0}
    assert hub.ask("operation", "list", "--status", "pending")["operations"][0]["operation"]["reference"] == "else"
