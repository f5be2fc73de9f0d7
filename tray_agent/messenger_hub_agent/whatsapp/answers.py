"""The bridge's JSON as values: what `bridge.js` answers and tells, checked and named."""

from __future__ import annotations

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
    modes = {mode.value for mode in StreamMode}
    mode = StreamMode(values["mode"]) if values["mode"] in modes else StreamMode.OTHER
    return PageState(**(values | {"mode": mode}))


def _state_values(answer: object) -> dict[str, Any]:
    return msgspec.structs.asdict(value(answer, _State))


def value(answer: object, kind: type[T]) -> T:
    """An answer as this type. Raises PageError when the page says something else, which a newer page may."""
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise PageError("unknown_answer", str(error)) from error


def events(payload: str) -> Sequence[PageEvent]:
    """A batch that the page has told. Raises msgspec.MsgspecError for anything else."""
    return [_event(each) for each in msgspec.json.decode(payload, type=list[_Event])]


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
