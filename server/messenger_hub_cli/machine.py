"""What a hub and a desktop app need of a machine, each thing told in one sentence with what to do about it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path

import aiohttp
from messenger_hub.admin.v1 import hub_admin_service_pb2 as pb
from messenger_hub.runtime.database import DatabaseError
from messenger_hub.runtime.folder import FolderError
from messenger_hub_agent.tray.availability import tray_problem
from messenger_hub_agent.updating.choice import Choice, Stage, described
from messenger_hub_server.checks import Bindings, Finding, Verdict, Whose, clock, disk, folder
from messenger_hub_server.config import Settings, load
from messenger_hub_server.startup import StartupProblem
from messenger_hub_server.stores import postgresql

from messenger_hub_cli.failures import CliError, HubUnreachable
from messenger_hub_cli.joined_hub import joined_hub
from messenger_hub_cli.running_hub import running_hub

ANSWER_SECONDS = 5.0
HUB_SECONDS = 10.0  # it asks its desktops, which takes 3 where one is silent


async def findings(data_dir: Path, url: str | None) -> Sequence[Finding]:
    """Everything but wa-js, the browser and its page. `url`: whose clock counts; None for nobody's."""
    versions = f"Messenger Hub {version('messenger-hub')}, Python {sys.version.split()[0]}"
    settings = _settings(data_dir)
    return [
        Finding(name="Versions", verdict=Verdict.GOOD, said=versions),
        *([settings] if isinstance(settings, Finding) else []),
        *([await _clock(url)] if url is not None else []),
        *await _hub(data_dir, settings),
        *await joined_hub(data_dir),
        _tray(),
    ]


def wa_js(choice: Choice | FolderError) -> Finding:
    """Which wa-js is used, or why that cannot be said."""
    if isinstance(choice, FolderError):
        return Finding(name="wa-js", verdict=Verdict.BAD, said=str(choice).rstrip("."))
    verdict = Verdict.LOOK if choice.stage is Stage.REJECTED else Verdict.GOOD
    return Finding(name="wa-js", verdict=verdict, said=described(choice).rstrip("."))


async def _clock(url: str) -> Finding:
    try:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.head(url) as answer:
            theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (aiohttp.ClientError, TimeoutError, KeyError, ValueError):
        return Finding(name="Clock", verdict=Verdict.LOOK, said=f"not compared: {url} did not tell its time")
    return clock(time.time() - theirs)


def _settings(data_dir: Path) -> Settings | Finding:
    try:
        return load({"data_dir": data_dir}, os.environ)
    except StartupProblem as problem:
        return Finding(name="Settings", verdict=Verdict.BAD, said=problem.sentence)


async def _database(settings: Settings | Finding) -> Sequence[Finding]:
    """Whether a database elsewhere can be reached; the file in the data folder is looked at with the folder."""
    if isinstance(settings, Finding) or settings.store is None:
        return []
    try:
        await postgresql().look(settings.store)
    except (DatabaseError, StartupProblem) as error:
        return [Finding(name="Database", verdict=Verdict.BAD, said=str(error))]
    return [Finding(name="Database", verdict=Verdict.GOOD, said=f"{settings.store} answers")]


async def _hub(data_dir: Path, settings: Settings | Finding) -> Sequence[Finding]:
    """What the running hub finds; without one the data folder's place, and whether its ports are free."""
    try:
        async with asyncio.timeout(HUB_SECONDS), running_hub(data_dir) as hub:
            found = (await hub.hub.ListChecks(pb.ListChecksRequest())).checks
    except HubUnreachable:
        addresses = [] if isinstance(settings, Finding) else [("HTTP", settings.http), ("gRPC", settings.grpc)]
        ports = [await port(name, address.hosts[0], address.port) for name, address in addresses]
        return [*_place(data_dir), *await _database(settings), *ports]
    except TimeoutError:
        silent = Finding(name="Hub", verdict=Verdict.BAD, said="does not answer: start it again with messenger-hub up")
        return [*_place(data_dir), silent]
    except CliError as problem:
        return [*_place(data_dir), Finding(name="Hub", verdict=Verdict.BAD, said=problem.sentence)]
    return [Finding(name="Hub", verdict=Verdict.GOOD, said="runs"), *map(finding, found)]


def finding(check: pb.ListChecksResponse.Check) -> Finding:
    """What the hub told."""
    names = check.bindings
    return Finding(
        name=check.name,
        verdict=Verdict(pb.ListChecksResponse.Verdict.Name(check.verdict).removeprefix("VERDICT_").lower()),
        said=check.said,
        whose=Whose(agent_id=check.agent_id, agent=check.agent, channel_id=check.channel_id, channel=check.channel),
        bindings=Bindings(resolved=[*names.resolved], missing=[*names.missing], lacking=[*names.lacking])
        if check.HasField("bindings")
        else None,
    )


def _place(data_dir: Path) -> Sequence[Finding]:
    return [folder(data_dir), disk(data_dir, shutil.disk_usage)]


async def port(name: str, host: str, number: int) -> Finding:
    """Whether another program has it."""
    name = f"{name} port"
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            _, writer = await asyncio.open_connection(host, number)
    except (OSError, TimeoutError, socket.gaierror):
        return Finding(name=name, verdict=Verdict.GOOD, said=f"{number} is free")
    writer.close()
    said = (
        f"{number} is taken by another program: stop that, or choose another with --{name.split()[0].lower()} HOST:PORT"
    )
    return Finding(name=name, verdict=Verdict.BAD, said=said)


def _tray() -> Finding:
    problem = tray_problem()
    if problem:
        return Finding(
            name="Tray icon", verdict=Verdict.LOOK, said=f"{problem.rstrip('.')}; everything else works without"
        )
    return Finding(name="Tray icon", verdict=Verdict.GOOD, said="can be shown")
