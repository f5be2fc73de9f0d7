"""What one frame of an agent may be, whoever sends it: the contract's counts and forms, and times that a calendar knows.

What the frames mean together is the machine's business (delivery/channel.py). Sentences for people are cut to one line instead of refused:
a journal that holds another one would otherwise never get through its hello.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime.version import VERSION

from messenger_hub_server.errors import UnexpectedFrame
from messenger_hub_server.model import LATEST_MS

MOST_EPOCH = 2**62
"""What a hello may outbid the hub with. Refusing more would lock the channel out for ever once such an epoch was believed; this leaves
room for as many hellos as there can be."""
MOST_ENTRIES = 500  # of a page, of entries, of returns: the contract's
MOST_GROUPS = 20_000
MOST_SENTENCE = 1_000  # characters
MOST_VERSION = 64
MOST_NAME = 256
MOST_ID = 128
MOST_QR = 4_096
MOST_PICTURE = 900 * 1024
MOST_PAGES = 1_000
MOST_NAMES = 1_000
LEAST_SECONDS, MOST_SECONDS = -62_135_596_800, LATEST_MS // 1000  # the years 1 to 9999

_JOURNAL_ID = re.compile(r"[0-9a-f]{32}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ACCOUNT = re.compile(r"[0-9]{0,20}")


def admit(frame: pb.ConnectRequest) -> None:
    """Cuts its sentences. Raises UnexpectedFrame for what the contract forbids, with a sentence for the agent's log."""
    kind = frame.WhichOneof("frame")
    if kind is not None and (admits := _ADMITS.get(kind)):
        admits(getattr(frame, kind))


def _agent_hello(hello: pb.AgentHello) -> None:
    _cut(hello, MOST_VERSION, "version", "wa_js_version", "platform")
    if hello.HasField("wa_js_standing"):
        _wa_js_standing(hello.wa_js_standing)


def _wa_js_report(report: pb.WaJsReport) -> None:
    _wa_js_standing(report.standing)


def _wa_js_standing(standing: pb.WaJsStanding) -> None:
    """A version gets into a command that people copy; a stage of a newer contract is none here."""
    for name in ("version", "in_use", "shipped"):
        if re.match(VERSION, getattr(standing, name)) is None:
            standing.ClearField(name)
    if standing.stage not in pb.WaJsStage.values():
        standing.ClearField("stage")
    _times(standing, "looked_at")
    _cut(standing, MOST_SENTENCE, "reason", "sentence")


def _channel_hello(hello: pb.ChannelHello) -> None:
    if _JOURNAL_ID.fullmatch(hello.journal_id) is None:
        raise UnexpectedFrame("channel_hello.journal_id must have 32 hexadecimal digits.")
    if not 1 <= hello.first_sequence <= hello.last_sequence + 1:
        raise UnexpectedFrame("channel_hello.first_sequence must be from 1 to last_sequence + 1.")
    if hello.epoch < 0 or hello.acknowledged_sequence < 0:
        raise UnexpectedFrame("channel_hello.epoch and acknowledged_sequence must not be negative.")
    hello.epoch = min(hello.epoch, MOST_EPOCH)


def _page(page: pb.JournalPage) -> None:
    _count("journal_page.entries", page.entries, 0)
    _entries(page.entries)


def _journal_entries(frame: pb.JournalEntries) -> None:
    _count("journal_entries.entries", frame.entries, 1)
    _entries(frame.entries)


def _entries(entries: Iterable[pb.JournalEntry]) -> None:
    for entry in entries:
        _ids(entry, "whatsapp_id", "lease_id")
        if entry.HasField("intent"):
            _intent(entry.intent)
        elif entry.outcome.HasField("problem"):
            _problem(entry.outcome.problem)


def _intent(lease: pb.Lease) -> None:
    _times(lease, "expires_at")
    _times(lease.provenance, "accepted_at")
    if lease.provenance.operation_id < 0:
        raise UnexpectedFrame("provenance.operation_id must not be negative.")


def _returns(frame: pb.Returns) -> None:
    _count("returns.returns", frame.returns, 1)
    for back in frame.returns:
        _ids(back, "lease_id")
        match back.WhichOneof("how"):
            case "release":
                _times(back.release, "not_before")
                _cut(back.release, MOST_SENTENCE, "reason")
            case "failed":
                _problem(back.failed)
            case _:
                pass


def _channel_report(report: pb.ChannelReport) -> None:
    _times(report, "restricted_until", "next_send_at", "paused_until")
    _cut(report, MOST_SENTENCE, "reason")
    if _ACCOUNT.fullmatch(report.account) is None:
        raise UnexpectedFrame("channel_report.account must be the digits of a number, at most 20.")
    if max(len(report.qr_text), len(report.pairing_code)) > MOST_QR:
        raise UnexpectedFrame(f"channel_report.qr_text and pairing_code have at most {MOST_QR} characters.")


def _page_picture(picture: pb.PagePicture) -> None:
    if len(picture.jpeg) > MOST_PICTURE:
        raise UnexpectedFrame(f"page_picture.jpeg has at most {MOST_PICTURE} bytes.")


def _examination(told: pb.Examination) -> None:
    if len(told.pages) > MOST_PAGES:
        raise UnexpectedFrame(f"examination.pages has {len(told.pages)} pages, at most {MOST_PAGES} are taken.")
    if told.free_bytes < 0:
        raise UnexpectedFrame("examination.free_bytes must not be negative.")
    _times(told, "at")
    _cut(told, MOST_VERSION, "browser", "python_version")
    _cut(told, MOST_SENTENCE, "browser_problem")
    for page in told.pages:
        _examined_page(page)


def _examined_page(page: pb.Examination.Page) -> None:
    """A look of a newer contract is none here."""
    if page.look not in pb.PageLook.values():
        page.ClearField("look")
    _cut(page, MOST_VERSION, "whatsapp_web")
    for field in ("resolved", "missing", "lacking"):
        names = getattr(page, field)
        if len(names) > MOST_NAMES or any(len(name) > MOST_ID for name in names):
            raise UnexpectedFrame(f"examination.{field} has at most {MOST_NAMES} names of {MOST_ID} characters.")
        names[:] = [_CONTROL.sub(" ", name) for name in names]


def _group_report(report: pb.GroupReport) -> None:
    if len(report.groups) > MOST_GROUPS:
        raise UnexpectedFrame(f"group_report.groups has {len(report.groups)} groups, at most {MOST_GROUPS} are taken.")
    for group in report.groups:
        _ids(group, "group_id")
        _cut(group, MOST_NAME, "name")


_ADMITS: Mapping[str, Callable[[Any], None]] = {
    "agent_hello": _agent_hello,
    "channel_hello": _channel_hello,
    "journal_page": _page,
    "journal_entries": _journal_entries,
    "returns": _returns,
    "channel_report": _channel_report,
    "group_report": _group_report,
    "page_picture": _page_picture,
    "wa_js_report": _wa_js_report,
    "examination": _examination,
}


def _problem(problem: Any) -> None:
    _cut(problem, MOST_ID, "code")  # as the sentence: a journal holds it
    _cut(problem, MOST_SENTENCE, "message")


def _count(name: str, values: Any, least: int) -> None:
    if not least <= len(values) <= MOST_ENTRIES:
        raise UnexpectedFrame(f"{name} has {len(values)} items, {least} to {MOST_ENTRIES} are taken.")


def _ids(message: Any, *names: str) -> None:
    for name in names:
        if len(getattr(message, name)) > MOST_ID:
            raise UnexpectedFrame(f"{name} has more than {MOST_ID} characters.")


def _cut(message: Any, most: int, *names: str) -> None:
    """What remains is one line without commands to a terminal."""
    for name in names:
        text = getattr(message, name)
        shown = _CONTROL.sub(" ", text if len(text) <= most else text[: most - 1] + "…")
        if shown != text:
            setattr(message, name, shown)


def _times(message: Any, *names: str) -> None:
    for name in names:
        if message.HasField(name):
            moment: Timestamp = getattr(message, name)
            if not (LEAST_SECONDS <= moment.seconds <= MOST_SECONDS and 0 <= moment.nanos < 1_000_000_000):
                raise UnexpectedFrame(f"{name} is no time.")
