"""A hub on one machine behind a proxy, and what is asked of it from the desktop's: by curl, as in docs/two-machines.md."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.whole_way.world import ANA, BASE, discard_profiles
from tests.eventually import eventually
from tests.integration.server.authority import Pair, make
from tests.integration.two_machines.machines import NAME, ROOT, Machine, Machines, Program, two_machines
from tests.integration.two_machines.proxies import proxy

HTTPS = f"https://{NAME}"
GRPC = f"{NAME}:443"
REAL = ("messenger_hub_cli",)
BROWSERLESS = "tests.integration.two_machines.desktop"
SILENCE = "1"  # seconds
SETTINGS = re.search(r"```toml\n(.*?)```", (ROOT / "docs/two-machines.md").read_text(encoding="utf-8"), re.DOTALL)


@dataclass(slots=True)
class Answer:
    """Of an HTTP call: names of headers in small letters."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def data(self) -> Any:
        """Of a REST call that was answered well."""
        assert self.status < 300, self.text
        return json.loads(self.text)["data"]


@dataclass(slots=True)
class World:
    """`key` belongs to the channel `shop`, whose pace is off; `front` is the proxy."""

    machines: Machines
    certificate: Pair
    server: Program
    front: Program
    key: str = ""

    @property
    def folder(self) -> Path:
        return self.machines.folder

    def operate(self, *arguments: str) -> Any:
        """A verb of the command line on the hub's machine, as JSON."""
        command = (sys.executable, "-m", *REAL, *arguments, "--data-dir", str(self.folder / "hub"), "--json")
        done = self.machines.hub.run(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def ask(self, path: str, *options: str) -> Answer:
        """From the desktop's machine through the proxy; `options` are curl's."""
        return curl(self.machines.desktop, f"{HTTPS}{path}", "--cacert", str(self.certificate.certificate), *options)

    def rest(self, path: str, body: object = None) -> Answer:
        """The REST API, with the key."""
        posted = ("-H", "Content-Type: application/json", "-d", json.dumps(body)) if body is not None else ()
        return self.ask(f"{BASE}{path}", "-H", f"X-API-Key: {self.key}", *posted)

    def send(self, message: str) -> int:
        """Accepted; the operation's id."""
        number: int = self.rest("/send", {"mobile": ANA, "message": message}).data["message_id"]
        return number

    def reaches(self, number: int, status: str) -> None:
        """It has this status at last."""
        eventually(lambda: self.rest(f"/operations/{number}").data["status"] == status, what=f"{number} is {status}")

    def enrol(self, name: str) -> Mapping[str, str]:
        """Token and link for a desktop of the channel."""
        made: Mapping[str, str] = self.operate("agent", "enrol", name, "--channel", "shop")
        return made

    def agent(self) -> Mapping[str, Any]:
        """The one desktop, as operators see it."""
        found: Sequence[Mapping[str, Any]] = self.operate("agent", "list")["agents"]
        return found[0]

    def is_connected(self, *, connected: bool = True) -> None:
        """At last the hub says so of the desktop."""
        eventually(lambda: bool(self.agent().get("connected")) is connected, what=f"connected: {connected}")

    def can_send(self) -> None:
        """At last a message would go out at once."""
        eventually(lambda: self.rest("/status").data["can_send"], what=f"can send: {self.rest('/status').text}")


def curl(machine: Machine, url: str, *options: str) -> Answer:
    """Asks with curl, and waits for an answer."""
    done = machine.run("curl", "-sS", "-i", "--http1.1", *options, url)
    assert done.returncode == 0, f"{url}: {done.stderr}"
    head, _, text = done.stdout.replace("\r\n", "\n").partition("\n\n")
    first, *lines = head.splitlines()
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split()[1]), headers, text)


@contextmanager
def world(
    folder: Path, kind: str, *, server: Sequence[str] = REAL, replacing: Mapping[str, str] | None = None
) -> Iterator[World]:
    """The hub with the settings of the recipe, a channel, a key, and the proxy. `server`: the module that is the hub; `replacing`:
    what of the proxy's example is otherwise."""
    assert SETTINGS, "docs/two-machines.md shows the hub's config.toml"
    data = folder / "hub"
    data.mkdir(mode=0o700)
    (data / "config.toml").write_text(SETTINGS[1])
    certificate = make(folder, NAME)
    with two_machines(folder) as machines:
        command = (sys.executable, "-m", *server, "server", "--data-dir", str(data), "--with-parent")
        try:
            with (
                machines.hub.running("server", *command) as hub,
                proxy(kind, machines.hub, certificate, replacing) as front,
            ):
                made = World(machines, certificate, hub, front)
                made.operate("channel", "create", "shop", "--pace", "off")
                made.key = made.operate("session-api", "create", "crm", "--channel", "shop")["key"]
                yield made
        finally:
            discard_profiles(folder)


@contextmanager
def desktop(there: World, silence: str = SILENCE) -> Iterator[Program]:
    """The desktop app on its machine, without a browser, once a message would go out. A heartbeat comes after so many seconds."""
    program = (sys.executable, "-m", BROWSERLESS, silence)
    command = ("agent", "--headless", "--with-parent", "--debug", "--server", GRPC)
    trusting = ("--ca", str(there.certificate.certificate), "--enrol", there.enrol("desk")["token"])
    folder = ("--data-dir", str(there.folder / "desktop"))
    with there.machines.desktop.running("desktop", *program, *command, *trusting, *folder) as running:
        there.can_send()
        yield running
