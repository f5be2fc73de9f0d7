"""Server, agent with its browser, and twin as users run them: three processes, with the forms of the command line that are fixed."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import psutil
from filelock import FileLock, Timeout
from messenger_hub_agent.whatsapp.profile import discard_profile

from tests.eventually import eventually
from tests.nursery.command import run
from tests.nursery.nursery import Forked, fork

SECONDS = 60
BASE = "/api/whatsapp-session"
ANA = "12025550111"  # has a chat in no account, but stands in every address book
Name = Literal["twin", "server", "agent", "second"]

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


PORTS = Path(tempfile.gettempdir()) / f"messenger-hub-test-ports-{os.getuid()}"
_TAKEN: list[FileLock] = []


def free_port() -> int:
    """One that outgoing connections are not given meanwhile (below the range from which the system takes theirs), nor another test
    that runs at the same time: this process keeps it to its end."""
    PORTS.mkdir(exist_ok=True)
    while True:
        port = random.randrange(20_000, 32_000)
        lock = FileLock(PORTS / f"{port}.lock", thread_local=False)
        with contextlib.suppress(Timeout):
            lock.acquire(blocking=False)
            if _is_free(port):
                _TAKEN.append(lock)
                return port
            lock.release()


def _is_free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


def discard_profiles(folder: Path) -> None:
    """Root's browser profiles lie outside the folders of a test."""
    for channel in folder.glob("**/agent/channels/*"):
        discard_profile(channel)


def http(method: str, address: str, body: object = None, **headers: str) -> tuple[int, Any]:
    """Status and JSON of an HTTP call."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(
        address, data=data, method=method, headers={"Content-Type": "application/json"} | headers
    )
    try:
        with _OPENER.open(request, timeout=SECONDS) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read() or b"null")


class World:
    """Everything of one hub. `key` belongs to the channel `shop`, whose pace is off."""

    def __init__(
        self,
        folder: Path,
        *,
        shown_on: Mapping[str, str] | None = None,
        program: Sequence[str] = ("messenger_hub_cli",),
        desktop: Sequence[str] = (),
    ) -> None:
        """With `shown_on`, a desktop's environment, the agent shows its icon and its window there. `program`: the module to run;
        `desktop`: another one for the desktop apps."""
        self._program = program
        self._desktop = desktop or program
        self.folder = folder
        self._shown_on = shown_on
        self._processes: dict[str, Forked] = {}
        self._ports = {name: free_port() for name in ("http", "grpc", "twin")}
        self.http = f"http://127.0.0.1:{self._ports['http']}"
        self.grpc = f"127.0.0.1:{self._ports['grpc']}"
        self.twin = f"http://127.0.0.1:{self._ports['twin']}"
        self.log = folder / "arrivals.jsonl"
        self.key = ""
        self._token = ""

    # ---- processes ----------------------------------------------------------------------------------------------------------

    def _forms(self) -> Mapping[str, Sequence[str]]:
        hub, grpc = str(self.folder / "hub"), self.grpc
        shown = () if self._shown_on else ("--headless",)
        agent = ("agent", *shown, "--server", grpc, "--whatsapp-url", self.twin, "--data-dir")
        enrol = ("--enrol", self._token) if self._token else ()
        return {
            "server": ("server", "--data-dir", hub, "--http", f"127.0.0.1:{self._ports['http']}", "--grpc", grpc),
            "agent": (*agent, str(self.folder / "desktop"), *enrol),
            "second": (*agent, str(self.folder / "second desktop"), *enrol),
            "twin": ("twin", "--listen", f"127.0.0.1:{self._ports['twin']}", "--log", str(self.log)),
        }

    def _command(self, name: Name) -> Sequence[str]:
        """A module and its arguments."""
        program = self._desktop if name in ("agent", "second") else self._program
        return [*program, *self._forms()[name], "--with-parent"]

    def start(self, name: Name) -> None:
        """Starts one, and waits until it says that it works."""
        log = self.folder / f"{name}.log"
        with log.open("a") as errors:
            process = fork(self._command(name), self._environment(name), errors)
        self._processes[name] = process
        assert process.stdout.readline(), f"{name} ended: {log.read_text()[-2000:]}"

    def _environment(self, name: Name) -> Mapping[str, str]:
        if self._shown_on and name == "agent":
            return self._shown_on
        return os.environ | {"MESSENGER_HUB_LOG_LEVEL": "debug"}

    def runs(self, name: Name) -> bool:
        return name in self._processes and self._processes[name].poll() is None

    def end(self, name: Name, number: int = signal.SIGTERM) -> int:
        """Sends a signal and waits for the end; the exit code."""
        process = self._processes.pop(name)
        process.send_signal(number)
        code = process.wait(SECONDS)
        process.stdin.close()
        process.stdout.close()
        return code

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """The machine sleeps: hub, desktop app and browser stand still."""
        mine = [psutil.Process(self._processes[name].pid) for name in ("server", "agent")]
        everything = [one for first in mine for one in (first, *first.children(recursive=True))]
        for one in everything:
            one.suspend()
        yield
        for one in everything:
            one.resume()

    def kill(self, name: Name) -> None:
        self.end(name, signal.SIGKILL)

    def close(self) -> None:
        for name in ("second", "agent", "server", "twin"):
            if name in self._processes:
                self.end(name, signal.SIGTERM)
        discard_profiles(self.folder)

    def browser(self, name: Name = "agent") -> psutil.Process | None:
        """The main process of an agent's browser."""
        agent = psutil.Process(self._processes[name].pid)
        return next((child for child in agent.children() if "--remote-debugging-pipe" in child.cmdline()), None)

    def ask(self, *arguments: str) -> Any:
        """A verb of the command line, as JSON."""
        done = run(*arguments, "--data-dir", str(self.folder / "hub"), "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    # ---- the hub ------------------------------------------------------------------------------------------------------------

    def set_up(self) -> None:
        """As a new user would: everything started, enrolled, linked."""
        self.start("twin")
        self.start("server")
        self.ask("channel", "create", "shop", "--pace", "off")
        self.key = self.ask("session-api", "create", "crm", "--channel", "shop")["key"]
        self._token = self.ask("agent", "enrol", "desktop", "--channel", "shop")["token"]
        self.start("agent")
        self._token = ""
        self.scan()
        self.is_linked()

    def start_second_agent(self, channel: str = "shop") -> str:
        """Another desktop, enrolled for a channel; its name."""
        name = f"second-{len(self.ask('agent', 'list')['agents'])}"
        self._token = self.ask("agent", "enrol", name, "--channel", channel)["token"]
        self.start("second")
        self._token = ""
        return name

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        return http(method, f"{self.http}{BASE}{path}", body, **{"X-API-Key": self.key})

    def status(self) -> Any:
        code, answer = self.call("GET", "/status")
        assert code == 200, answer
        return answer["data"]

    def is_linked(self) -> None:
        eventually(lambda: self.status()["can_send"], what=f"linked: {self.status()}")

    def says(self, sentence: str) -> str:
        """The channel's reason, as soon as it holds a sentence; a failure tells what the channel and the twin's pages say instead."""
        try:
            return eventually(lambda: sentence in (reason := str(self.status()["reason"])) and reason)
        except AssertionError as never:
            pages = http("GET", f"{self.twin}/_twin/state")[1]
            raise AssertionError(f"{sentence!r} was never said: {self.status()}, {pages}") from never

    def send(self, message: str, mobile: str = ANA, **parameters: object) -> int:
        """Accepted; the operation's id."""
        recipient = {} if "group_id" in parameters else {"mobile": mobile}
        code, answer = self.call("POST", "/send", {**recipient, "message": message, **parameters})
        assert code == 201, answer
        number: int = answer["data"]["message_id"]
        return number

    def contact(self, verb: str, **parameters: object) -> int:
        code, answer = self.call("POST", f"/{verb}", parameters)
        assert code == 201, answer
        number: int = answer["data"]["operation_id"]
        return number

    def operation(self, number: int) -> Any:
        code, answer = self.call("GET", f"/operations/{number}")
        assert code == 200, answer
        return answer["data"]

    def operation_ids(self) -> list[int]:
        """The newest hundred, oldest first."""
        code, answer = self.call("GET", "/operations?limit=100")
        assert code == 200, answer
        return sorted(one["operation_id"] for one in answer["data"]["operations"])

    def all_done(self) -> None:
        """Nothing waits or is under way any more."""

        def rest() -> bool:
            waiting = (self.call("GET", f"/operations?status={one}")[1] for one in ("pending", "processing"))
            return not any(answer["data"]["operations"] for answer in waiting)

        eventually(rest, what="everything is done")

    def reaches(self, number: int, *statuses: str, seconds: float = 30.0) -> Any:
        """The operation, once it has one of these statuses."""

        def look() -> Any:
            data = self.operation(number)
            return data if data["status"] in statuses else None

        try:
            return eventually(look, seconds)
        except AssertionError as late:
            raise AssertionError(f"not {statuses}: {self.operation(number)}, channel {self.status()}") from late

    # ---- the phones ---------------------------------------------------------------------------------------------------------

    def phones(self, call: str, **body: object) -> Any:
        code, answer = http("POST", f"{self.twin}/_twin/{call}", body)
        assert code == 200, answer
        return answer

    def scan(self, **body: object) -> None:
        """The phone scans, as soon as a page shows a code."""
        eventually(lambda: http("POST", f"{self.twin}/_twin/scan", body)[0] == 200, what="a code to scan")

    def arrivals(self, *bodies: str) -> list[Mapping[str, Any]]:
        """What the phone network received, in order; of these texts only, if given."""
        lines = (
            [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]
            if self.log.exists()
            else []
        )
        return [line for line in lines if not bodies or line["body"] in bodies]

    def received(self, *bodies: str) -> list[str]:
        """The texts that people saw, in order: a phone shows an id once."""
        seen: dict[str, str] = {}
        for line in self.arrivals(*bodies):
            seen.setdefault(f"{line['from']} {line['to']} {line['id']}", line["body"])
        return list(seen.values())
