"""The whole way at work in one command: server, twin, desktop app in a real browser, a message sent as the API guide shows."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import click
from messenger_hub.admin.v1 import agent_admin_service_pb2, channel_admin_service_pb2, session_api_admin_service_pb2
from messenger_hub.agent.v1 import agent_service_pb2
from messenger_hub.v1 import channel_service_pb2
from messenger_hub_agent.whatsapp.errors import BrowserError
from messenger_hub_agent.whatsapp.finding import find_browser
from messenger_hub_agent.whatsapp.profile import discard_profile

from messenger_hub_cli.agent import TOKEN_VARIABLE
from messenger_hub_cli.failures import Failed, Refused
from messenger_hub_cli.output import Json, Record
from messenger_hub_cli.processes import Child, Children
from messenger_hub_cli.running_hub import RunningHub, running_hub
from messenger_hub_cli.signals import until_stopped
from messenger_hub_cli.verb import verb, wants_json

START_SECONDS = 30.0
BROWSER_SECONDS = 60.0
WAY_SECONDS = 60.0
POLL_SECONDS = 0.2
LAST = "read"
ENDS = frozenset({"read", "failed", "uncertain", "expired", "cancelled"})

NUMBER = "12025550111"
MESSAGE = "Hello from Messenger Hub"


@verb("demo", example="messenger-hub demo --once")
@click.option("--once", is_flag=True, help="End after the message was read; the exit code tells whether all went well.")
@click.option(
    "--browser", type=click.Path(path_type=Path), help="Chrome, Chromium or Edge, where it is not found by itself."
)
def demo(once: bool, browser: Path | None) -> Record | None:
    """See the whole way at work: a program calls the HTTP API, and the message leaves a real browser.

    Everything runs on this machine, in a folder that is removed afterwards. WhatsApp itself is played by a twin, a stand-in whose
    page you can open. Ctrl-C ends it.
    """
    try:
        program = find_browser(browser)
    except BrowserError as error:
        raise Refused(str(error), code=error.code) from error
    with tempfile.TemporaryDirectory(prefix="messenger-hub-demo-") as name:
        try:
            return asyncio.run(_run(Path(name), program, once=once))
        finally:
            # Root's browser profiles lie elsewhere.
            for channel in Path(name).glob("agent/channels/*"):
                discard_profile(channel)


async def _run(folder: Path, browser: Path, *, once: bool) -> Record | None:
    async with Children(folder) as children:
        shown = _Demo(folder, browser, children)
        await until_stopped(shown.run(once=once))
    return shown.record() if once else None


class _Demo:
    """One run."""

    def __init__(self, folder: Path, browser: Path, children: Children) -> None:
        self._folder = folder
        self._browser = browser
        self._steps: list[Mapping[str, Json]] = []
        self._say = partial(click.echo, err=wants_json())
        self._arrived: Mapping[str, Json] = {}
        self._children = children
        self._began = self._since = time.monotonic()
        self._http = self._grpc = self._twin = ""
        self._log = folder / "arrivals.jsonl"

    async def run(self, *, once: bool) -> None:
        """Shows everything; then, without `once`, waits for Ctrl-C."""
        try:
            await self._show(once=once)
        except TimeoutError as error:
            raise Failed("The demo did not get on in time; run it again, or look at messenger-hub doctor.") from error

    async def _show(self, *, once: bool) -> None:
        # The last to start is the first to end: desktop, server, twin.
        await self._start_twin()
        await self._start_server()
        async with running_hub(self._folder / "hub") as hub, aiohttp.ClientSession() as client:
            key = await self._prepare(hub)
            await self._link(hub, client)
            message_id = await self._send(key)
            whatsapp_id = await self._follow(client, key, message_id)
            self._check_arrival(whatsapp_id)
            if once:
                return
            self._tell_what_to_try(key)
            ended = await self._children.first_to_end()
            raise Failed(f"The {ended.name} ended by itself, and the demo with it: run it again.")

    def record(self) -> Record:
        """What came of it."""
        seconds = time.monotonic() - self._began
        data = {**self._arrived, "seconds": round(seconds, 3), "steps": self._steps}
        return Record(data=data, sentence=f"All of it took {seconds:.1f} s.")

    def _step(self, text: str) -> None:
        now = time.monotonic()
        self._steps.append({"step": text, "seconds": round(now - self._since, 3)})
        self._say(f"{now - self._since:6.1f} s  {text}")
        self._since = now

    async def _start_server(self) -> None:
        child = await self._children.start(
            "server",
            *("server", "--data-dir", str(self._folder / "hub"), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"),
            "--json",
        )
        ready = await child.answer(START_SECONDS)
        self._http, self._grpc = ready["http"][0], ready["grpc"][0]
        self._step(f"The server answers on {self._http}")

    async def _start_twin(self) -> None:
        child = await self._children.start("twin", "twin", "--listen", "127.0.0.1:0", "--log", str(self._log), "--json")
        self._twin = (await child.answer(START_SECONDS))["address"]
        self._step(f"The twin of WhatsApp Web is at {self._twin}")

    async def _prepare(self, hub: RunningHub) -> str:
        """Channel, session API and desktop; the key."""
        pace = agent_service_pb2.PACE_NORMAL
        await hub.channels.CreateChannel(channel_admin_service_pb2.CreateChannelRequest(name="demo", pace=pace))
        made = await hub.session_apis.CreateSessionApi(
            session_api_admin_service_pb2.CreateSessionApiRequest(name="demo", channel="demo")
        )
        enrolment = await hub.agents.CreateEnrolment(
            agent_admin_service_pb2.CreateEnrolmentRequest(name="this-desktop", channel="demo")
        )
        self._step("A channel and a session API are made, the desktop has its one-time token")
        child: Child = await self._children.start(
            "agent",
            *("agent", "--headless", "--data-dir", str(self._folder), "--server", self._grpc),
            *("--whatsapp-url", self._twin, "--browser", str(self._browser)),
            secrets={TOKEN_VARIABLE: enrolment.token},
        )
        await child.line(START_SECONDS)
        self._step("The desktop app is enrolled and starts its browser")
        return str(made.key)

    async def _link(self, hub: RunningHub, client: aiohttp.ClientSession) -> None:
        """The twin's phone scans the code as soon as the browser shows one."""
        try:
            await self._linked(hub, client)
        except TimeoutError as error:
            request = channel_admin_service_pb2.GetChannelRequest(channel="demo")
            reason = (await hub.channels.GetChannel(request)).channel.status.reason
            raise Failed(f"The browser did not get as far as linking: {reason}") from error

    async def _linked(self, hub: RunningHub, client: aiohttp.ClientSession) -> None:
        async with asyncio.timeout(BROWSER_SECONDS):
            while True:
                async with client.post(f"{self._twin}_twin/scan", json={}) as answer:
                    if answer.status == 200:
                        break
                await asyncio.sleep(POLL_SECONDS)
            self._step("The browser shows its QR code, and the phone has scanned it")
            while True:
                request = channel_admin_service_pb2.GetChannelRequest(channel="demo")
                status = (await hub.channels.GetChannel(request)).channel.status
                if status.channel == channel_service_pb2.CHANNEL_STATE_LINKED:
                    break
                await asyncio.sleep(POLL_SECONDS)
        self._step(f"The channel is linked as +{status.number}")

    async def _send(self, key: str) -> int:
        """The very line of the API guide."""
        body = json.dumps({"mobile": NUMBER, "message": MESSAGE})
        self._say(f"\n{curl_line(self._http, key, body)}\n")
        printed = await _curl(self._http, key, body)
        self._say(f"{printed}\n")
        answer: Mapping[str, Any] = json.loads(printed)
        if not answer.get("success"):
            raise Failed(f"The hub refused the message: {answer.get('message')}")
        self._step("The message is accepted and durable")
        return int(answer["data"]["message_id"])

    async def _follow(self, client: aiohttp.ClientSession, key: str, message_id: int) -> str:
        """Prints each status as it comes; the message's WhatsApp id."""
        seen: set[str] = set()
        address = f"{self._http}/api/whatsapp-session/messages/{message_id}"
        async with asyncio.timeout(WAY_SECONDS):
            while True:
                async with client.get(address, headers={"X-API-Key": key}) as response:
                    data: Mapping[str, Any] = (await response.json())["data"]
                for entry in data["timeline"]:
                    if entry["status"] not in seen:
                        seen.add(entry["status"])
                        self._step(f"{entry['status']}: {entry['reason']}")
                if data["status"] in ENDS:
                    break
                await asyncio.sleep(POLL_SECONDS)
        if data["status"] != LAST:
            raise Failed(f"The message ended as {data['status']}: {data['reason']}")
        return str(data["whatsapp_message_id"])

    def _check_arrival(self, whatsapp_id: str) -> None:
        arrivals = [json.loads(line) for line in self._log.read_text(encoding="utf-8").splitlines()]
        mine = [one for one in arrivals if one["id"] == whatsapp_id]
        if [one["body"] for one in mine] != [MESSAGE]:
            raise Failed(f"The phone network has the message {len(mine)} times; once is right.")
        self._arrived = {"whatsapp_message_id": whatsapp_id, "status": LAST}
        self._step("The phone network's log has it, once")

    def _tell_what_to_try(self, key: str) -> None:
        body = json.dumps({"mobile": NUMBER, "message": "And another one"})
        for line in _places(self._twin, self._http):
            self._say(line)
        self._say(f"\nSend one yourself:\n\n{curl_line(self._http, key, body)}\n\nCtrl-C ends the demo.")


def _places(twin: str, http: str) -> Sequence[str]:
    return (
        f"\nLook at WhatsApp's side:  {twin}",
        f"Try the API on a page:    {http}/docs",
        f"Make the phones do more:  {twin}_twin/",
    )


def curl_line(http: str, key: str, body: str) -> str:
    """As the API guide shows it."""
    return (
        f"curl -X POST {http}/api/whatsapp-session/send \\\n"
        f'  -H "X-API-Key: {key}" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d '{body}'"
    )


async def _curl(http: str, key: str, body: str) -> str:
    """What curl prints; where there is none, we send it ourselves."""
    address = f"{http}/api/whatsapp-session/send"
    headers = {"X-API-Key": key, "Content-Type": "application/json"}
    curl = shutil.which("curl")
    if curl is None:
        async with aiohttp.ClientSession() as client, client.post(address, data=body, headers=headers) as response:
            return await response.text()
    shown = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    process = await asyncio.create_subprocess_exec(
        *(curl, "-sS", "-X", "POST", address, *shown, "-d", body), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return out.decode()
