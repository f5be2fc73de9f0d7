"""What a hub and a desktop app need of a machine, each thing told in one sentence with what to do about it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import stat
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path

import aiohttp
from messenger_hub.admin.v1 import channel_admin_service_pb2
from messenger_hub_agent.tray.availability import tray_problem
from messenger_hub_agent.whatsapp import wa_js
from messenger_hub_server.config import Settings, load
from messenger_hub_server.startup import StartupProblem

from messenger_hub_cli.failures import CliError, HubUnreachable
from messenger_hub_cli.messages import plain
from messenger_hub_cli.running_hub import running_hub

FREE_BYTES = 1 << 30  # a browser's profile alone grows to hundreds of megabytes
LEAST_FREE_BYTES = 100 << 20
CLOCK_SECONDS = 60.0  # WhatsApp refuses more; expires_at and links lie by as much
ANSWER_SECONDS = 5.0


class Verdict(StrEnum):
    """Of one thing."""

    GOOD = "good"
    LOOK = "look"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; `said` holds what to do where it is not good."""

    name: str
    verdict: Verdict
    said: str


async def findings(data_dir: Path, url: str | None) -> Sequence[Finding]:
    """Everything but the browser and its page. `url`: whose clock counts; None for nobody's."""
    versions = f"Messenger Hub {version('messenger-hub')}, Python {sys.version.split()[0]}, wa-js {wa_js.version()}"
    settings = _settings(data_dir)
    return [
        Finding(name="Versions", verdict=Verdict.GOOD, said=versions),
        *([settings] if isinstance(settings, Finding) else []),
        folder(data_dir),
        disk(data_dir, shutil.disk_usage),
        *([await _clock(url)] if url is not None else []),
        *await _hub(data_dir, settings),
        _tray(),
    ]


def folder(path: Path) -> Finding:
    """Whether only its owner can read the data folder, and write it."""
    name = "Data folder"
    if not path.exists():
        return Finding(name=name, verdict=Verdict.GOOD, said=f"{path} is made at the first start")
    if not os.access(path, os.W_OK | os.X_OK):
        return Finding(name=name, verdict=Verdict.BAD, said=f"{path} cannot be written: run this as its owner")
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        return Finding(name=name, verdict=Verdict.BAD, said=f"{path} can be read by others: chmod 700 {path}")
    return Finding(name=name, verdict=Verdict.GOOD, said=f"{path}, for its owner only")


def disk(path: Path, usage: Callable[[Path], tuple[int, int, int]]) -> Finding:
    """Whether there is room where the data folder is, or will be. `usage` tells total, used and free bytes."""
    there = next(one for one in (path, *path.parents) if one.exists())
    free = usage(there)[2]
    said = f"{free / (1 << 30):.1f} GiB free"
    if free < LEAST_FREE_BYTES:
        return Finding(name="Disk", verdict=Verdict.BAD, said=f"{said}: make room, or nothing can be queued soon")
    if free < FREE_BYTES:
        return Finding(name="Disk", verdict=Verdict.LOOK, said=f"{said}: a browser's profile may need more")
    return Finding(name="Disk", verdict=Verdict.GOOD, said=said)


def clock(difference_seconds: float) -> Finding:
    """Whether this machine's clock, so many seconds ahead of WhatsApp's, is right."""
    if abs(difference_seconds) > CLOCK_SECONDS:
        way = "ahead" if difference_seconds > 0 else "behind"
        said = f"{abs(difference_seconds):.0f} s {way}: let the system set it by the network"
        return Finding(name="Clock", verdict=Verdict.BAD, said=said)
    return Finding(name="Clock", verdict=Verdict.GOOD, said="right")


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


async def _hub(data_dir: Path, settings: Settings | Finding) -> Sequence[Finding]:
    """The running hub's channels; without one, whether its ports are free."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS), running_hub(data_dir) as hub:
            request = channel_admin_service_pb2.ListChannelsRequest()
            channels = (await hub.channels.ListChannels(request)).channels
    except HubUnreachable:
        addresses = [] if isinstance(settings, Finding) else [("HTTP", settings.http), ("gRPC", settings.grpc)]
        return [await port(name, address.hosts[0], address.port) for name, address in addresses]
    except TimeoutError:
        return [Finding(name="Hub", verdict=Verdict.BAD, said="does not answer: start it again with messenger-hub up")]
    except CliError as problem:
        return [Finding(name="Hub", verdict=Verdict.BAD, said=problem.sentence)]
    return [Finding(name="Hub", verdict=Verdict.GOOD, said="runs"), *map(_channel, channels)]


def _channel(channel: channel_admin_service_pb2.Channel) -> Finding:
    state = str(plain(channel.status)["channel"])
    verdict = Verdict.GOOD if channel.status.can_send else Verdict.LOOK
    return Finding(name=f"Channel {channel.name}", verdict=verdict, said=f"{state}: {channel.status.reason}")


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
