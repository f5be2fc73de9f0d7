"""The everyday command: server and desktop app on this machine, started and ended together."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click
from messenger_hub.admin.v1 import (
    agent_admin_service_pb2,
    channel_admin_service_pb2,
    session_api_admin_service_pb2,
)
from messenger_hub.runtime.folder import FolderError, PrivateFolder
from messenger_hub.v1 import channel_service_pb2
from messenger_hub_agent.tray.availability import has_screen
from messenger_hub_server.config import ASK, load
from messenger_hub_server.startup import StartupProblem

from messenger_hub_cli.agent import READY, TOKEN_VARIABLE, run_agent
from messenger_hub_cli.console import link_of, opened
from messenger_hub_cli.failures import CliError, HubUnreachable, Refused
from messenger_hub_cli.linking import link_channel
from messenger_hub_cli.processes import Child, Children
from messenger_hub_cli.remembered import forget, is_enrolled, remembered
from messenger_hub_cli.running_hub import RunningHub, running_hub
from messenger_hub_cli.signals import until_stopped
from messenger_hub_cli.verb import data_dir_option, verb, wants_json

START_SECONDS = 60.0
LOOK_SECONDS = 5.0
AGAIN_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0)
FIRST_CHANNEL = "whatsapp"
THIS_DESKTOP = "this-desktop"
LOGS = "logs"


@verb("up", example="messenger-hub up")
@data_dir_option
@click.option("--http", metavar="HOST:PORT", help="Where the HTTP API listens.  [default: localhost:8642]")
@click.option("--grpc", metavar="HOST:PORT", help="Where the gRPC API listens.  [default: localhost:8643]")
@click.option(
    "--lan",
    is_flag=True,
    help="Let programs and desktops on the local network in too: TLS with a certificate of the hub's own making, ports 8652 and 8653.",
)
@click.option("--headless", is_flag=True, help="Show neither icon nor window; the QR code is shown here.")
@click.option("--whatsapp-url", metavar="URL", help="Another address than WhatsApp Web's, for trying.")
@click.option(
    "--browser", type=click.Path(path_type=Path), help="Chrome, Chromium or Edge, where it is not found by itself."
)
def up(
    data_dir: Path,
    http: str | None,
    grpc: str | None,
    lan: bool,
    headless: bool,
    whatsapp_url: str | None,
    browser: Path | None,
) -> None:
    """Run the hub and the desktop app on this machine.

    The first time it makes a channel, enrols this desktop and opens the console in your browser, where WhatsApp is linked; with
    --headless the QR code is shown here. Ctrl-C ends both; what waits stays in the queue.
    """
    if (elsewhere := remembered(data_dir)) is not None and is_enrolled(data_dir):
        tell(f"This desktop works for the hub at {elsewhere.server}: only the desktop app is started.")
        given = {"headless": headless, "whatsapp_url": whatsapp_url, "browser": browser, **elsewhere.options()}
        beside = wants_json()  # asked here: the desktop app says that it works on a thread of its own
        run_agent(data_dir, given, with_parent=False, on_ready=lambda _: click.echo(READY, err=beside))
        return
    extra = ["--headless"] if headless or not has_screen() else []
    extra += ["--whatsapp-url", whatsapp_url] if whatsapp_url else []
    extra += ["--browser", str(browser)] if browser else []
    try:
        logs = PrivateFolder(PrivateFolder(data_dir).path / LOGS)
    except FolderError as error:
        raise Refused(str(error)) from error
    server_options = [
        *(["--lan"] if lan else []),
        *_backlog_options(data_dir, somebody_is_there="--headless" not in extra),
    ]
    hub = _Up(data_dir, http, grpc, server_options, extra, logs.path)
    asyncio.run(until_stopped(hub.run(), lambda: tell("Stopping: what is being sent is finished first.")))


def _backlog_options(data_dir: Path, *, somebody_is_there: bool) -> list[str]:
    """A person who is there is asked, unless the setting says something."""
    try:
        unset = load({"data_dir": data_dir}, os.environ).sources["backlog"] == "default"
    except StartupProblem as problem:
        raise Refused(str(problem)) from problem
    return ["--backlog", ASK] if somebody_is_there and unset else []


def tell(sentence: str) -> None:
    """To the person; with --json standard output is the document's alone."""
    click.echo(sentence, err=wants_json())


class _Up:
    """One run."""

    def __init__(
        self,
        data_dir: Path,
        http: str | None,
        grpc: str | None,
        server_options: list[str],
        agent_options: list[str],
        logs: Path,
    ) -> None:
        self._data_dir = data_dir
        self._http = http
        self._grpc = grpc
        self._server_options = server_options
        self._agent_options = agent_options
        self._logs = logs
        self._hub_address = ""
        self._http_address = ""

    async def run(self) -> None:
        """Until cancelled. Raises CliError when it cannot start."""
        if await self._runs_already():
            return
        async with Children(self._logs) as children:
            await self._start_server(children)
            async with running_hub(self._data_dir) as hub:
                channel, token = await self._first_time(hub)
            await self._start_agent(children, token)
            async with running_hub(self._data_dir) as hub:
                await self._show_console(hub, channel)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow(channel))
                await self._keep_running(children)

    async def _runs_already(self) -> bool:
        """A second start shows what the first one has."""
        try:
            async with running_hub(self._data_dir) as hub:
                link = await link_of(hub)
        except HubUnreachable:
            return False
        where = ": its console is in your browser." if self._opened(link) else f". Its console: {link}"
        tell(f"Messenger Hub runs already{where}")
        return True

    def _opened(self, link: str) -> bool:
        return "--headless" not in self._agent_options and opened(link)

    async def _start_server(self, children: Children) -> None:
        places = [("--http", self._http), ("--grpc", self._grpc)]
        listen = [part for flag, place in places if place is not None for part in (flag, place)]
        child = await children.start(
            "server", "server", "--data-dir", str(self._data_dir), *listen, *self._server_options, "--json"
        )
        ready = await child.answer(START_SECONDS)
        # Started again, it listens where it did.
        self._http = self._http and ready["http"][0].partition("://")[2]
        self._grpc = self._grpc and ready["grpc"][0]
        self._hub_address, self._http_address = ready["grpc"][0], ready["http"][0]
        tell(f"The API is at {self._http_address} (try it at {self._http_address}/docs), gRPC at {self._hub_address}.")
        if lan := ready.get("lan"):
            tell(
                f"On the local network: {lan['http']} (certificate: {self._http_address}/certificate.pem), gRPC at {lan['grpc']}."
            )

    async def _start_agent(self, children: Children, token: str) -> None:
        child = await children.start(
            *("agent", "agent", "--data-dir", str(self._data_dir), "--server", self._hub_address, *self._agent_options),
            secrets={TOKEN_VARIABLE: token} if token else {},
        )
        await child.line(START_SECONDS)

    async def _show_console(self, hub: RunningHub, name: str) -> None:
        """Opened by itself only while something is left to do there: `up` may run at every login."""
        request = channel_admin_service_pb2.GetChannelRequest(channel=name)
        if (await hub.channels.GetChannel(request)).channel.status.number:
            tell(f"The console is at {self._http_address}/console/ (messenger-hub console signs you in).")
            return
        link = await link_of(hub)
        if self._opened(link):
            tell("The console is open in your browser: link WhatsApp there.")
        else:
            tell(f"Open the console (this link works once, for ten minutes): {link}")

    async def _first_time(self, hub: RunningHub) -> tuple[str, str]:
        """The channel of this desktop, and a token where it is not enrolled yet."""
        channels = (await hub.channels.ListChannels(channel_admin_service_pb2.ListChannelsRequest())).channels
        name = channels[0].name if channels else FIRST_CHANNEL
        if not channels:
            await hub.channels.CreateChannel(channel_admin_service_pb2.CreateChannelRequest(name=name))
            tell(f"Made the channel {name}.")
        if is_enrolled(self._data_dir):
            return name, ""
        forget(self._data_dir)
        agents = (await hub.agents.ListAgents(agent_admin_service_pb2.ListAgentsRequest())).agents
        taken = {one.name for one in agents}
        free = next(n for n in (THIS_DESKTOP, *(f"{THIS_DESKTOP}-{i}" for i in range(2, 1000))) if n not in taken)
        request = agent_admin_service_pb2.CreateEnrolmentRequest(name=free, channel=name)
        return name, str((await hub.agents.CreateEnrolment(request)).token)

    async def _follow(self, name: str) -> None:
        """Tells what the channel needs of a person, for as long as the hub runs."""
        while True:
            try:
                async with running_hub(self._data_dir) as hub:
                    linked = await link_channel(hub, name, show_codes="--headless" in self._agent_options)
                    await self._tell_linked(hub, linked)
                    await self._until_unlinked(hub, name)
            except CliError as problem:
                # The hub starts again, or nobody has scanned the code for ten minutes.
                tell(problem.sentence)
                await asyncio.sleep(LOOK_SECONDS)

    async def _tell_linked(self, hub: RunningHub, channel: channel_admin_service_pb2.Channel) -> None:
        tell(f"The channel {channel.name} is linked as +{channel.status.number}.")
        request = session_api_admin_service_pb2.ListSessionApisRequest()
        if not (await hub.session_apis.ListSessionApis(request)).session_apis:
            tell(f"Make a key for your program: messenger-hub session-api create NAME --channel {channel.name}")
        tell("Ctrl-C ends it; what waits stays in the queue.")

    async def _until_unlinked(self, hub: RunningHub, name: str) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            request = channel_admin_service_pb2.GetChannelRequest(channel=name)
            status = (await hub.channels.GetChannel(request)).channel.status
            if status.channel == channel_service_pb2.CHANNEL_STATE_UNLINKED:
                tell(f"The channel {name} is not linked any more. {status.reason}")
                return

    async def _keep_running(self, children: Children) -> None:
        """Starts again whatever ends by itself."""
        attempts = 0
        while True:
            ended: Child = await children.first_to_end()
            wait = AGAIN_SECONDS[min(attempts, len(AGAIN_SECONDS) - 1)]
            attempts += 1
            tell(f"The {ended.name} ended by itself ({ended.last_words()}); starting it again in {wait:.0f} s.")
            await asyncio.sleep(wait)
            if ended.name == "server":
                await self._start_server(children)
            else:
                await self._start_agent(children, "")
