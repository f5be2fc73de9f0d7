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
CLOCK_SECONDS = 60.0  # WhatsApp refuses more; expires_at and links lie by as much
RECENT_SECONDS = 3_600


class Verdict(StrEnum):
    """Of one thing."""

    GOOD = "good"
    LOOK = "look"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """Of which desktop or channel, one at most: 0 and "" stand for none."""

    agent_id: int = 0
    agent: str = ""
    channel_id: int = 0
    channel: str = ""


HERE = Whose()
"""Of the machine that looks, and of its hub."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bindings:
    """The names that wa-js takes from a page: those that it has and those that it has not; `lacking` are needed and not resolved."""

    resolved: Sequence[str]
    missing: Sequence[str]
    lacking: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; `said` holds what to do where it is not good, and ends without a full stop."""

    name: str
    verdict: Verdict
    said: str
    whose: Whose = HERE
    bindings: Bindings | None = None


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
    return room(usage(there)[2], "make room, or nothing can be queued soon")


def room(free_bytes: int, remedy: str) -> Finding:
    """Whether so much is enough; `remedy` says what to do where it is not."""
    said = f"{free_bytes / (1 << 30):.1f} GiB free"
    if free_bytes < LEAST_FREE_BYTES:
        return Finding(name="Disk", verdict=Verdict.BAD, said=f"{said}: {remedy}")
    if free_bytes < FREE_BYTES:
        return Finding(name="Disk", verdict=Verdict.LOOK, said=f"{said}: a browser's profile may need more")
    return Finding(name="Disk", verdict=Verdict.GOOD, said=said)


def nodes(names: Sequence[str], this: str) -> Finding:
    """Which servers are at work on the hub's database; one of them, `this`, looks."""
    said = f"{len(names)} at work: {', '.join(names)}; this is {this}"
    return Finding(name="Nodes", verdict=Verdict.GOOD, said=said)


def clock(ahead_seconds: float) -> Finding:
    """Whether this machine's clock, so many seconds ahead of WhatsApp's, is right."""
    if abs(ahead_seconds) > CLOCK_SECONDS:
        way = "ahead" if ahead_seconds > 0 else "behind"
        said = f"{abs(ahead_seconds):.0f} s {way}: let the system set it by the network"
        return Finding(name="Clock", verdict=Verdict.BAD, said=said)
    return Finding(name="Clock", verdict=Verdict.GOOD, said="right")


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
