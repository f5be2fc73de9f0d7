"""The commands that people type first, whole: demo, up, doctor. Whatever ends them, nothing of theirs is left."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.e2e import looking
from tests.e2e.whole_way.world import discard_profiles, http
from tests.eventually import all_end, eventually

pytestmark = pytest.mark.e2e

SECONDS = 90


class Terminal:
    """A command in a terminal of its own, and what it has printed so far."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._file = folder / "printed"
        with self._file.open("w") as printed:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "messenger_hub_cli", *arguments],
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | {"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
            )
        self.family: list[psutil.Process] = []

    @property
    def printed(self) -> str:
        return self._file.read_text()

    def prints(self, pattern: str) -> re.Match[str]:
        """What it prints, once it does; everything that it started is noted then."""
        found = eventually(
            lambda: re.search(pattern, self.printed) or (self.process.poll() is not None and self.ended_early()),
            SECONDS,
        )
        assert isinstance(found, re.Match)
        self.family = psutil.Process(self.process.pid).children(recursive=True)
        return found

    def ended_early(self) -> None:
        raise AssertionError(f"it ended with {self.process.returncode}: {self.printed}")

    def child(self, name: str) -> psutil.Process:
        """The program of ours that runs this verb."""
        return next(
            one
            for one in self.family
            if one.is_running() and "messenger_hub_cli" in one.cmdline() and name in one.cmdline()
        )

    def send(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(SECONDS)

    def leaves_nothing(self) -> None:
        all_end(self.family)


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Terminal]:
    terminal = Terminal(folder, *arguments)
    try:
        yield terminal
    finally:
        if terminal.process.poll() is None:
            terminal.send(signal.SIGKILL)


def test_the_demo_sends_one_message_the_whole_way_and_ends(tmp_path: Path) -> None:
    with running(tmp_path, "demo", "--once") as demo:
        demo.prints("expected to end|accepted and durable")
        assert demo.process.wait(SECONDS) == 0, demo.printed
        steps = re.findall(r"^ +\d+\.\d s  (\w+)", demo.printed, re.MULTILINE)
        assert steps[-6:] == ["pending", "processing", "sent", "delivered", "read", "The"]
        assert "once" in demo.printed.splitlines()[-2]
        demo.leaves_nothing()
        assert [path.name for path in tmp_path.iterdir()] == ["printed"]


def test_a_demo_without_a_browser_says_so_and_fails(tmp_path: Path) -> None:
    with running(tmp_path, "demo", "--once", "--browser", "/nowhere/chromium") as demo:
        assert demo.process.wait(SECONDS) == 6
        assert (
            demo.printed
            == "There is no browser at /nowhere/chromium: give --browser the path of Chrome, Chromium or Edge.\n"
        )


def test_a_demo_whose_browser_dies_at_its_start_says_why(tmp_path: Path) -> None:
    with running(tmp_path, "doctor", "--twin", "--browser", "/bin/false") as doctor:
        assert doctor.process.wait(SECONDS) == 6
        assert "/false ended while starting (exit code 1)" in doctor.printed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_demo_that_ends_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path, "demo") as demo:
        demo.prints("Ctrl-C ends the demo")
        line = re.search(r"Send one yourself:\n\n(curl.*?')\n", demo.printed, re.DOTALL)
        assert line
        answer = json.loads(subprocess.run(["sh", "-c", line[1]], capture_output=True, text=True, check=True).stdout)
        assert answer["message"] == "Message queued successfully"
        assert demo.send(number) == (0 if number is signal.SIGINT else -number)
        demo.leaves_nothing()
    discard_profiles(tmp_path)  # a demo that was killed could not


def test_a_demo_one_part_of_which_dies_says_which_and_leaves_no_process(tmp_path: Path) -> None:
    with running(tmp_path, "demo") as demo:
        demo.prints("Ctrl-C ends the demo")
        demo.child("server").kill()
        demo.prints("The server ended by itself, and the demo with it")
        assert demo.process.wait(SECONDS) == 1
        demo.leaves_nothing()


def is_alive(address: str) -> bool:
    try:
        return http("GET", f"{address}/healthz")[0] == 200
    except urllib.error.URLError:
        return False


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[str]:
    with running(tmp_path, "twin", "--listen", "127.0.0.1:0", "--log", str(tmp_path / "arrivals.jsonl")) as terminal:
        yield terminal.prints(r"at (http://\S+);")[1]
        assert terminal.send(signal.SIGTERM) == 0


def test_up_links_serves_and_starts_again_what_dies(tmp_path: Path, twin: str) -> None:
    folder = tmp_path / "up"
    folder.mkdir()
    data_dir = tmp_path / "data"
    never_joined = data_dir / "agent" / "hub.json"
    never_joined.parent.mkdir(parents=True)
    never_joined.write_text('{"server": "192.0.2.1:8653", "fingerprint": ""}')
    arguments = ("--headless", "--data-dir", str(data_dir), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
    with running(folder, "up", *arguments, "--whatsapp-url", twin) as up:
        address = up.prints(r"The API is at (\S+) ")[1]
        up.prints("Scan:\n")
        assert "▀" in up.printed
        eventually(lambda: http("POST", f"{twin}_twin/scan", {})[0] == 200)
        up.prints(r"linked as \+12015550100")
        assert not never_joined.exists()
        made = ["session-api", "create", "crm", "--channel", "whatsapp", "--data-dir", str(data_dir), "--json"]
        key = json.loads(subprocess.check_output([sys.executable, "-m", "messenger_hub_cli", *made]))["key"]

        def send(text: str) -> int:
            answer = http(
                "POST",
                f"{address}/api/whatsapp-session/send",
                {"mobile": "12025550111", "message": text},
                **{"X-API-Key": key},
            )
            number: int = answer[1]["data"]["message_id"]
            return number

        def is_read(number: int) -> bool:
            answer = http("GET", f"{address}/api/whatsapp-session/messages/{number}", **{"X-API-Key": key})
            return bool(answer[1]["data"]["status"] == "read")

        for victim in ("agent", "server"):
            up.prints("linked")
            up.child(victim).kill()
            up.prints(f"The {victim} ended by itself")
            eventually(lambda: is_alive(address), SECONDS)
            number = send(f"after the {victim} died")
            eventually(lambda number=number: is_read(number), SECONDS)  # type: ignore[misc]
        up.prints("linked")
        assert up.send(signal.SIGINT) == 0
        up.leaves_nothing()
    discard_profiles(data_dir)
    bodies = [json.loads(line)["body"] for line in (tmp_path / "arrivals.jsonl").read_text().splitlines()]
    assert bodies == ["after the agent died", "after the server died"]


def test_the_doctor_says_that_wa_js_fits_the_twin() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "messenger_hub_cli", "doctor", "--twin", "--json"],
        capture_output=True, text=True, timeout=SECONDS, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["fits"]
    assert {"ChatStore", "functions.queryWidExists"} <= set(found["resolved"])
    assert found["missing"], "the twin does not have everything that wa-js knows"


def test_a_desktop_elsewhere_joins_with_one_link_and_comes_back_without_it(tmp_path: Path, twin: str) -> None:
    hub_folder, desktop, hub, first, second = (
        tmp_path / name for name in ("hub", "desktop", "server", "join", "agent")
    )
    for folder in (hub, first, second):
        folder.mkdir()
    ports = ("--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--lan-http", "127.0.0.1:0", "--lan-grpc", "127.0.0.1:0")

    def command(*arguments: str) -> dict[str, str]:
        words = [sys.executable, "-m", "messenger_hub_cli", *arguments, "--data-dir", str(hub_folder), "--json"]
        told: dict[str, str] = json.loads(subprocess.check_output(words))
        return told

    def is_linked() -> bool:
        return bool(looking.channels(hub_folder)[0]["status"]["channel"] == "linked")

    desktop_options = ("--headless", "--data-dir", str(desktop), "--whatsapp-url", twin)
    with running(hub, "server", "--data-dir", str(hub_folder), "--lan", *ports) as server:
        server.prints("On the local network it answers on https://")
        command("channel", "create", "shop")
        link = command("agent", "enrol", "office-pc", "--channel", "shop")["link"]
        with running(first, "join", link, "--yes", *desktop_options) as joined:
            joined.prints("This desktop is office-pc of the hub at 127.0.0.1:")
            eventually(lambda: http("POST", f"{twin}_twin/scan", {})[0] == 200, SECONDS)
            eventually(is_linked, SECONDS)
            assert joined.send(signal.SIGTERM) == 0
            joined.leaves_nothing()
        with running(second, "agent", *desktop_options) as again:
            again.prints("The desktop app works")
            eventually(is_linked, SECONDS)
            assert again.send(signal.SIGTERM) == 0
            again.leaves_nothing()
        with running(second, "up", *desktop_options) as up:
            up.prints("This desktop works for the hub at 127.0.0.1:")
            eventually(is_linked, SECONDS)
            assert up.send(signal.SIGTERM) == 0
            up.leaves_nothing()
        refused = [
            sys.executable,
            "-m",
            "messenger_hub_cli",
            "join",
            re.sub("&fingerprint.*", "", link.replace("127.0.0.1", "127.0.0.2")),
            *desktop_options,
        ]
        told = subprocess.run(refused, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert "This desktop works for the hub at 127.0.0.1:" in told.stderr
        assert server.send(signal.SIGTERM) == 0
    discard_profiles(desktop)
