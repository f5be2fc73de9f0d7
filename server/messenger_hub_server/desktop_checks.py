"""What is said of desktops, and of the pages that they have open, each thing in one sentence with what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from messenger_hub.agent.v1 import agent_service_pb2 as pb

from messenger_hub_server.checks import CLOCK_SECONDS, Bindings, Finding, Verdict, lasted, room

AWAY_SECONDS = 120  # a desktop that restarts is back by then
MOST_NAMES = 20  # in a sentence

CONNECTION, DESKTOP_APP, PAGE = "Connection", "Desktop app", "WhatsApp Web"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desktop:
    """An agent as it is now. `away_seconds`: None while it is connected or when it never was. `node`: to which it is connected, empty where
    there is only one."""

    connected: bool
    version: str
    away_seconds: float | None
    wa_js_version: str = ""
    platform: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What a desktop tells of itself. `ahead_seconds`: its clock before the hub's; None when it does not tell its time."""

    told: pb.Examination
    ahead_seconds: float | None


class Unexamined(Enum):
    """Why a connected desktop tells nothing of itself."""

    TOO_OLD = auto()
    SILENT = auto()
    WENT = auto()


UNEXAMINED = {
    Unexamined.TOO_OLD: "is too old to tell of its browser and of WhatsApp's page: update it, or run messenger-hub doctor there",
    Unexamined.SILENT: "did not answer in time: look again, and start the desktop app there anew if that does not help",
    Unexamined.WENT: "went away while it was asked: look again in a minute",
}

UNSEEN = {
    pb.PAGE_LOOK_NOT_OPEN: "is not open on the desktop, and the state says why: look again in a minute",
    pb.PAGE_LOOK_LOADING: "is still loading on the desktop: look again in a minute, and for a newer wa-js if that does not help",
    pb.PAGE_LOOK_NO_ANSWER: "did not answer the desktop: look again, and start the desktop app there anew if that does not help",
    pb.PAGE_LOOK_FAILED: "is a page on which wa-js fails: messenger-hub update wa-js, or Agents in the console",
}


def no_desktop() -> Finding:
    """Where none was ever enrolled."""
    said = "none yet: run messenger-hub up, or enrol one under Agents"
    return Finding(name="Desktops", verdict=Verdict.LOOK, said=said)


def connection(agent: Desktop, version: str) -> Finding:
    """Whether it is there, and as new as the hub of that version."""
    if not agent.connected:
        if agent.away_seconds is None:
            said = "has never connected: start the desktop app there"
            return Finding(name=CONNECTION, verdict=Verdict.LOOK, said=said)
        verdict = Verdict.BAD if agent.away_seconds > AWAY_SECONDS else Verdict.LOOK
        said = f"has been away for {lasted(agent.away_seconds)}: is it on, and does the desktop app run there?"
        return Finding(name=CONNECTION, verdict=verdict, said=said)
    if agent.version != version:
        said = f"runs Messenger Hub {agent.version or 'of an unknown version'}, and the hub {version}: update the older one"
        return Finding(name=CONNECTION, verdict=Verdict.LOOK, said=said)
    where = f" to {agent.node}" if agent.node else ""
    return Finding(name=CONNECTION, verdict=Verdict.GOOD, said=f"connected{where}, Messenger Hub {agent.version}")


def desktop(agent: Desktop, seen: Examined | Unexamined) -> Sequence[Finding]:
    """What a connected desktop sees of itself, or why it tells nothing."""
    if isinstance(seen, Unexamined):
        return [Finding(name=DESKTOP_APP, verdict=Verdict.LOOK, said=UNEXAMINED[seen])]
    told = seen.told
    return [
        browser(told.browser, told.browser_problem),
        *([room(told.free_bytes, "make room, or nothing can be sent soon")] if told.HasField("free_bytes") else []),
        _folder(is_open=told.folder_open),
        *([_clock(seen.ahead_seconds)] if seen.ahead_seconds is not None else []),
        _versions(agent, told.python_version),
    ]


def browser(name: str, problem: str) -> Finding:
    """`name` as it calls itself, empty while none was started; `problem` is a sentence, empty where there is none."""
    if problem:
        return Finding(name="Browser", verdict=Verdict.BAD, said=problem.rstrip("."))
    return Finding(name="Browser", verdict=Verdict.GOOD, said=f"{name} works" if name else "found, and not started yet")


def _folder(*, is_open: bool) -> Finding:
    if is_open:
        said = "can be read by others: messenger-hub check on that desktop says how to close it"
        return Finding(name="Data folder", verdict=Verdict.BAD, said=said)
    return Finding(name="Data folder", verdict=Verdict.GOOD, said="for its owner only")


def _clock(ahead_seconds: float) -> Finding:
    """Which of the two is wrong the hub cannot know."""
    if abs(ahead_seconds) > CLOCK_SECONDS:
        way = "ahead of" if ahead_seconds > 0 else "behind"
        said = f"{abs(ahead_seconds):.0f} s {way} the hub's: let both systems set theirs by the network"
        return Finding(name="Clock", verdict=Verdict.BAD, said=said)
    return Finding(name="Clock", verdict=Verdict.GOOD, said="agrees with the hub's")


def _versions(agent: Desktop, python: str) -> Finding:
    named = (("Messenger Hub", agent.version), ("wa-js", agent.wa_js_version), ("Python", python), ("", agent.platform))
    said = ", ".join(f"{name} {version}".strip() for name, version in named if version)
    return Finding(name="Versions", verdict=Verdict.GOOD, said=said)


def page(told: pb.Examination, channel_id: int) -> Finding:
    """Whether a channel's page is what wa-js expects, as its owner tells it."""
    found = next((one for one in told.pages if one.channel_id == channel_id), None)
    if found is None:
        return Finding(name=PAGE, verdict=Verdict.LOOK, said=UNSEEN[pb.PAGE_LOOK_NOT_OPEN])
    if found.look == pb.PAGE_LOOK_DONE:
        names = Bindings(resolved=[*found.resolved], missing=[*found.missing], lacking=[*found.lacking])
        return fit(found.whatsapp_web, names)
    verdict = Verdict.BAD if found.look == pb.PAGE_LOOK_FAILED else Verdict.LOOK
    return Finding(name=PAGE, verdict=verdict, said=UNSEEN.get(found.look, UNSEEN[pb.PAGE_LOOK_NO_ANSWER]))


def fit(version: str, bindings: Bindings) -> Finding:
    """Whether a page of that version, which may be empty, gives wa-js what sending needs."""
    if not bindings.lacking:
        said = f"WhatsApp Web {version or 'of an unknown version'} has everything that sending needs"
        return Finding(name=PAGE, verdict=Verdict.GOOD, said=said, bindings=bindings)
    names = ", ".join([*bindings.lacking[:MOST_NAMES], *(["…"] if len(bindings.lacking) > MOST_NAMES else [])])
    said = (
        f"needed and missing: {names}, so messages may not go out: messenger-hub update wa-js, or Agents in the console"
    )
    return Finding(name=PAGE, verdict=Verdict.BAD, said=said, bindings=bindings)
