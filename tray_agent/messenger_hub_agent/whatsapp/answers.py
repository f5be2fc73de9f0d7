"""The bridge's JSON as values: what `bridge.js` answers and tells, checked and named."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from messenger_hub_agent.whatsapp.page import (
    AckChanged,
    LoggedOut,
    NeedsUpdate,
    PageError,
    PageEvent,
    PageState,
    QrChanged,
    StateChanged,
    StreamMode,
)

T = TypeVar("T")

UNKNOWN = "unknown_answer"
MOST_TEXT = 4_096  # characters; the longest that a page has reason for is a QR code's text, with some hundreds
MOST_ITEMS = 100_000  # of one answer, nested ones included
MOST_NUMBER = 2**53
MOST_SECONDS = 4_102_444_800  # the year 2100

_OWN_ID = re.compile(r"[0-9]{1,20}(:[0-9]{1,5})?@[a-z.]{1,20}", re.ASCII)
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


class _State(msgspec.Struct, frozen=True):
    ready: bool
    injected: bool
    mode: str = "OPENING"
    authenticated: bool = False
    main: bool = False
    normal: bool = False
    synced: bool = False
    online: bool = False
    needs_update: bool = False
    passkey: bool = False
    idle: bool = False
    linked_seconds: float | None = None
    own_id: str | None = None
    own_lid: str | None = None
    restricted_until: float | None = None
    restriction_known: bool = False
    version: str = ""


class _Event(msgspec.Struct, frozen=True):
    kind: str
    text: str = ""
    cause: str = "unknown"
    chat: str = ""
    ack: int = 0
    wa_ids: Sequence[str] = ()


NOT_LOADED: Mapping[str, object] = {"ready": False, "injected": False}


def page_state(answer: object) -> PageState:
    """The answer to `state`."""
    values = _state_values(answer)
    for name in ("own_id", "own_lid"):
        if values[name] is not None and _OWN_ID.fullmatch(values[name]) is None:
            raise PageError(UNKNOWN, f"{name} is no id of WhatsApp's")
    until = values["restricted_until"]
    if until is not None and not 0 <= until <= MOST_SECONDS:
        raise PageError(UNKNOWN, "restricted_until is no time")
    modes = {mode.value for mode in StreamMode}
    mode = StreamMode(values["mode"]) if values["mode"] in modes else StreamMode.OTHER
    return PageState(**(values | {"mode": mode}))


def _state_values(answer: object) -> dict[str, Any]:
    return msgspec.structs.asdict(value(answer, _State))


def value(answer: object, kind: type[T]) -> T:
    """An answer as this type. Raises PageError when the page says something else, which a newer page may, and for what is larger than
    anything that WhatsApp has: texts, numbers and lists go on to the server from here."""
    _bounded(answer)
    try:
        return msgspec.convert(answer, kind)
    except (msgspec.ValidationError, ValueError) as error:
        raise PageError(UNKNOWN, "the page answered in another form") from error


def events(payload: object) -> Sequence[PageEvent]:
    """A batch that the page has told. Raises PageError for anything else."""
    try:
        told: object = msgspec.json.decode(payload) if isinstance(payload, str) else None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise PageError(UNKNOWN, "the page told what is no JSON") from error
    return [_event(each) for each in value(told, list[_Event])]


def problem(envelope: Mapping[str, object]) -> PageError:
    """What the bridge caught. Its code goes to journal, server and log, so one that is no code of wa-js's is not passed on."""
    code = envelope.get("code")
    known = isinstance(code, str) and _CODE.fullmatch(code) is not None
    return PageError(str(code) if known else "unknown_error", str(envelope.get("message"))[:MOST_TEXT])


def _bounded(answer: object) -> None:
    """Raises PageError."""
    waiting, items = [answer], 0
    while waiting:
        one = waiting.pop()
        items += 1
        if items > MOST_ITEMS:
            raise PageError(UNKNOWN, "the page answered with too much")
        match one:
            case str():
                _readable(one)
            case bool() | None:
                pass
            case int() | float():
                if not abs(one) <= MOST_NUMBER:  # nor NaN
                    raise PageError(UNKNOWN, "the page answered with a number that is too large")
            case list():
                waiting.extend(one)
            case dict():
                waiting.extend(one)
                waiting.extend(one.values())
            case _:
                raise PageError(UNKNOWN, "the page did not answer with JSON")


def _readable(text: str) -> None:
    if len(text) > MOST_TEXT:
        raise PageError(UNKNOWN, "the page answered with a text that is too long")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PageError(UNKNOWN, "the page answered with half a character") from error


def _event(told: _Event) -> PageEvent:
    match told.kind:
        case "qr":
            return QrChanged(text=told.text)
        case "logout":
            return LoggedOut(cause=told.cause)
        case "needs_update":
            return NeedsUpdate()
        case "ack":
            return AckChanged(chat=told.chat, ack=told.ack, wa_ids=list(told.wa_ids))
        case _:
            return StateChanged()
