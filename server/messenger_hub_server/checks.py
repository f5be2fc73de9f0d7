"""What is looked at when nothing goes out, each thing told in one sentence with what to do about it. Pure but for the disk's facts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from messenger_hub.runtime.system import here

from messenger_hub_server.own_certificate import OwnCertificate

FREE_BYTES = 1 << 30  # a browser's profile alone grows to hundreds of megabytes
LEAST_FREE_BYTES = 100 << 20
AWAY_SECONDS = 120  # a desktop that restarts is back by then
RECENT_SECONDS = 3_600


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Desktop:
    """An agent as it is now. `away_seconds`: None while it is connected or when it never was."""

    name: str
    connected: bool
    version: str
    away_seconds: float | None


def folder(path: Path) -> Finding:
    """Whether only its owner can read the data folder, and write it."""
    name = "Data folder"
    if not path.exists():
        return Finding(name=name, verdict=Verdict.GOOD, said=f"{path} is made at the first start")
    if not os.access(path, os.W_OK | os.X_OK):
        return Finding(name=name, verdict=Verdict.BAD, said=f"{path} cannot be written: run this as its owner")
    if (found := here.open_to_others(path)) is not None:
        return Finding(name=name, verdict=Verdict.BAD, said=f"{path} can be read by others: {found.remedy}")
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


def network(certificate: OwnCertificate, address: str) -> Finding:
    """Whether the hub's own certificate holds for the address that it has on the local network now."""
    name = "Local network"
    if address in certificate.hosts:
        return Finding(name=name, verdict=Verdict.GOOD, said=f"reached at {address}, with a certificate that names it")
    names = ", ".join(sorted(certificate.hosts - {"localhost", "127.0.0.1", "::1"}))
    said = (
        f"this machine is {address} now, and the certificate names {names}: programs call it by name; desktops that joined by the old "
        "address join again with a new link"
    )
    return Finding(name=name, verdict=Verdict.LOOK, said=said)


def desktops(agents: Sequence[Desktop], version: str) -> Sequence[Finding]:
    """Whether they are there, and as new as the hub."""
    if not agents:
        said = "none yet: run messenger-hub up, or enrol one under Agents"
        return [Finding(name="Desktops", verdict=Verdict.LOOK, said=said)]
    return [_desktop(one, version) for one in agents]


def _desktop(agent: Desktop, version: str) -> Finding:
    name = f"Desktop {agent.name}"
    if not agent.connected:
        if agent.away_seconds is None:
            said = "has never connected: start the desktop app there"
            return Finding(name=name, verdict=Verdict.LOOK, said=said)
        verdict = Verdict.BAD if agent.away_seconds > AWAY_SECONDS else Verdict.LOOK
        said = f"has been away for {lasted(agent.away_seconds)}: is it on, and does the desktop app run there?"
        return Finding(name=name, verdict=verdict, said=said)
    if agent.version != version:
        said = f"runs Messenger Hub {agent.version or 'of an unknown version'}, and the hub {version}: update the older one"
        return Finding(name=name, verdict=Verdict.LOOK, said=said)
    return Finding(name=name, verdict=Verdict.GOOD, said=f"connected, Messenger Hub {agent.version}")


def doubts(uncertain: int) -> Sequence[Finding]:
    """Whether somebody has to decide."""
    if not uncertain:
        return []
    said = f"{uncertain} may or may not have been sent: look into the chats, then decide under Operations"
    return [Finding(name="Uncertain", verdict=Verdict.LOOK, said=said)]


def log(lines: Iterable[Mapping[str, object]], now: datetime) -> Finding:
    """Whether the hub has warned of something lately."""
    since = now - timedelta(seconds=RECENT_SECONDS)
    recent = [line for line in lines if datetime.fromisoformat(str(line["timestamp"])).astimezone(UTC) >= since]
    faults = sum(line.get("level") != "warning" for line in recent)
    if faults:
        said = f"{faults} faults in the last hour: the last ones are under Log"
        return Finding(name="Log", verdict=Verdict.BAD, said=said)
    if recent:
        said = f"{len(recent)} warnings in the last hour: they are under Log"
        return Finding(name="Log", verdict=Verdict.LOOK, said=said)
    return Finding(name="Log", verdict=Verdict.GOOD, said="no warning in the last hour")


def lasted(seconds: float) -> str:
    """So long, for people."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"
