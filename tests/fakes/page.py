"""A page that answers as a test says, and notes what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from messenger_hub_agent.turns import Turn
from messenger_hub_agent.whatsapp import wa_js
from messenger_hub_agent.whatsapp.fit import NEEDED
from messenger_hub_agent.whatsapp.page import (
    Bindings,
    Contact,
    Existence,
    Group,
    PageError,
    PageEvent,
    PageState,
    QrChanged,
    SeenMessage,
    SendResult,
    Shown,
    StreamMode,
)

T = TypeVar("T")

OWN = "12015550100@c.us"

LINKED = PageState(
    mode=StreamMode.MAIN,
    injected=True,
    ready=True,
    authenticated=True,
    main=True,
    normal=True,
    synced=True,
    linked_seconds=None,
    online=True,
    needs_update=False,
    passkey=False,
    idle=False,
    own_id=OWN,
    own_lid="1@lid",
    restricted_until=None,
    restriction_known=True,
    version="1",
)
UNLINKED = replace(
    LINKED, mode=StreamMode.QR, authenticated=False, main=False, normal=False, synced=False, own_id=None, own_lid=None
)
IDLE = replace(UNLINKED, idle=True)


@dataclass
class FakePage:
    """Answers; an exception among them is raised. `asked` holds the names of the calls, in order."""

    now: PageState | PageError = LINKED
    opens: list[Exception | None] = field(default_factory=list)
    numbers: dict[str, Existence | PageError] = field(default_factory=dict)
    chats: set[str] = field(default_factory=set)
    held: dict[str, SeenMessage | PageError] = field(default_factory=dict)
    sends: SendResult | PageError = field(
        default_factory=lambda: SendResult(ack=1, result="OK", error_code=None, message_id="m")
    )
    keys: PageError | None = None  # instead of a message's key
    book: dict[str, str] = field(default_factory=dict)
    stores: bool = True
    refuses: PageError | None = None
    shown_code: str = "code"
    codes: list[str | PageError] = field(
        default_factory=list
    )  # what an idle page shows when it is asked, one each time
    events: asyncio.Queue[PageEvent] = field(default_factory=asyncio.Queue)
    quiet: asyncio.Event = field(default_factory=asyncio.Event)  # somebody waits for an event, and there is none
    used: int | PageError = 100  # bytes of memory
    forgets: bool = True  # with its browser, that it was linked in this one
    pictured: bytes | PageError = b"JPEG"
    asked: list[str] = field(default_factory=list)
    wa_js_version: str = field(default_factory=wa_js.version)
    chosen: Callable[[], str] = wa_js.version  # what a page that was closed is opened with
    resolved: Collection[str] | PageError = NEEDED
    browser_version: str = "Chrome/156.0.1"

    async def open(self) -> None:
        self.asked.append("open")
        if self.opens and (problem := self.opens.pop(0)) is not None:
            raise problem
        if "close" in self.asked:
            self.wa_js_version = self.chosen()

    async def memory(self) -> int:
        self.asked.append("memory")
        return given(self.used)

    async def trim(self) -> None:
        self.asked.append("trim")

    async def picture(self) -> bytes:
        self.asked.append("picture")
        return given(self.pictured)

    async def show(self, shown: bool) -> None:
        self.asked.append("show" if shown else "hide")
        if shown:
            self.events.put_nowait(Shown())

    async def state(self) -> PageState:
        return given(self.now)

    async def qr(self) -> str | None:
        idle = isinstance(self.now, PageState) and self.now.idle
        return None if idle else self.shown_code

    async def refresh_qr(self) -> None:
        self.asked.append("refresh_qr")
        if self.codes and isinstance(self.now, PageState) and self.now.idle:
            self.shown_code = given(self.codes.pop(0))
            self.now = replace(self.now, idle=False)
            self.events.put_nowait(QrChanged(text=self.shown_code))

    async def pairing_code(self, phone: str) -> str:
        self.asked.append(f"pairing_code {phone}")
        return "ABCD1234"

    async def logout(self) -> None:
        self.asked.append("logout")

    async def serialized_id(self, chat: str, wa_id: str) -> str:
        return given(self.keys or f"true_{chat}_{wa_id}")

    async def find_message(self, chat: str, wa_id: str) -> SeenMessage | None:
        found = self.held.get(wa_id)
        return None if found is None else given(found)

    async def find_messages(self, since_seconds: float) -> Sequence[SeenMessage]:
        return [each for each in self.held.values() if isinstance(each, SeenMessage)]

    async def exists(self, wid: str) -> Existence | None:
        found = self.numbers.get(wid)
        return None if found is None else given(found)

    async def chat_exists(self, chat: str) -> bool:
        return chat in self.chats

    async def send_text(self, chat: str, text: str, message_id: str, *, timeout_seconds: float) -> SendResult:
        self.asked.append("send_text")
        return given(self.sends)

    async def save_contact(self, contact: str, name: str) -> None:
        if self.refuses is not None:
            raise self.refuses
        if self.stores:
            self.book[contact] = name

    async def remove_contact(self, contact: str) -> None:
        if self.refuses is not None:
            raise self.refuses
        if self.stores:
            self.book.pop(contact, None)

    async def contact(self, contact: str) -> Contact | None:
        name = self.book.get(contact)
        return None if name is None else Contact(id=contact, name=name, is_my_contact=True)

    async def groups(self) -> Sequence[Group]:
        return [Group(id="1@g.us", name="Team", participants=3)]

    async def bindings(self) -> Bindings:
        self.asked.append("bindings")
        return Bindings(resolved=[*given(self.resolved)], missing=[])

    async def next_event(self) -> PageEvent:
        if self.events.empty():
            self.quiet.set()
        try:
            return await self.events.get()
        finally:
            self.quiet.clear()

    async def close(self) -> None:
        self.asked.append("close")
        if isinstance(self.now, PageState) and self.forgets:
            self.now = replace(self.now, linked_seconds=None)


def given(answer: T | PageError) -> T:
    if isinstance(answer, PageError):
        raise answer
    return answer


async def free_turn() -> Turn:
    """Where nobody has to wait."""
    return Turn(lambda: None)
