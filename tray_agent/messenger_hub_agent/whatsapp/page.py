"""What the agent asks of WhatsApp Web: the Page protocol, its values, its events and its errors.

No type of the browser library, of the page or of asyncio leaks through here, so that another implementation is one that passes the
conformance suite (tests/e2e/driver/test_conformance.py).

Ids: `…@c.us` a person by phone number, `…@lid` the same person by hidden id (never a phone number), `…@g.us` a group. A message's bare
id is hex (`3EB0…`); its serialized id is `true_<chat>_<hex>`, in groups followed by `_<own lid>`.
Acks: -1 error, 0 pending, 1 server, 2 delivered, 3 read, 4 played.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

ACK_ERROR = -1
ACK_PENDING = 0
ACK_SERVER = 1
ACK_DELIVERED = 2
ACK_READ = 3


class StreamMode(Enum):
    """Where the page stands, as WhatsApp's own stream says."""

    OFFLINE = "OFFLINE"
    OPENING = "OPENING"
    QR = "QR"
    SYNCING = "SYNCING"
    MAIN = "MAIN"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageState:
    """One look at the page; `unknown` fields say so instead of guessing."""

    mode: StreamMode
    injected: bool
    """wa-js is in the page and found its modules."""
    ready: bool
    """wa-js is fully ready; true in QR mode too."""
    authenticated: bool
    main: bool
    normal: bool
    synced: bool
    """MAIN and NORMAL, and the history phase of this link is over: what is absent now may be called absent."""
    linked_seconds: float | None
    """How long ago the account was linked, where that was done on this load of the page; None: it was linked before."""
    online: bool
    needs_update: bool
    passkey: bool
    """Linking waits for a passkey at the account's owner."""
    idle: bool
    """WhatsApp has stopped showing codes, after about three minutes without a link: `refresh_qr` brings more."""
    own_id: str | None
    own_lid: str | None
    restricted_until: float | None
    """Unix seconds until which WhatsApp refuses messages to new chats; None: not restricted, or not known."""
    restriction_known: bool
    """The page was able to answer the question behind `restricted_until`."""
    version: str
    """WhatsApp Web's build; empty while unknown."""

    @property
    def can_send(self) -> bool:
        """True when a send may be tried: linked, connected, and nothing stands between."""
        return self.ready and self.authenticated and self.main and self.normal and not self.needs_update


@dataclass(frozen=True, slots=True, kw_only=True)
class Existence:
    """A number that is on WhatsApp, under the id that WhatsApp itself uses (it settles Brazil's ninth digit and the like)."""

    wid: str
    lid: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenMessage:
    """A message of ours as the page holds it."""

    message_id: str
    wa_id: str
    chat: str
    ack: int
    error_code: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """How a send came back. Success is `result == "OK"` and `ack >= 1`; all else asks for a look-up."""

    ack: int
    result: str
    """OK, ERROR_*, or EXISTS: the page held that id already and nothing was sent."""
    error_code: int | None
    message_id: str

    @property
    def succeeded(self) -> bool:
        """True when WhatsApp's server has taken the message."""
        return self.result == "OK" and self.ack >= ACK_SERVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A contact as the page holds it."""

    id: str
    name: str | None
    is_my_contact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group that the account is in."""

    id: str
    name: str
    participants: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bindings:
    """The names that wa-js takes from WhatsApp Web: which this version of the page has, and which it has not."""

    resolved: Sequence[str]
    missing: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AckChanged:
    """Messages of ours reached a higher ack; `chat` is the phone-number id where it is known."""

    chat: str
    ack: int
    wa_ids: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class QrChanged:
    """A new code to scan; the old one is void."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged:
    """Something in `state()` changed: ask again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The window was brought to the front: somebody looks at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOut:
    """The link is gone. `cause` is WhatsApp's own word (user_initiated, unknown_companion, …), or "unknown"."""

    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCrashed:
    """The page died; `open()` brings it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserGone:
    """The browser ended; `open()` starts it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsUpdate:
    """WhatsApp asks for a newer version of its page: `open()` loads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsLost:
    """Nobody took events for so long that the bounded queue was cleared: read state and receipts again."""


PageEvent = (
    AckChanged | QrChanged | StateChanged | Shown | LoggedOut | PageCrashed | BrowserGone | NeedsUpdate | EventsLost
)


class PageError(Exception):
    """A call failed.

    `code` is wa-js's word (chat_not_found, not_in_chat, invalid_wid, …) or one of ours: script_error; not_injected or not_ready while
    the page loads.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message


SCRIPT_CODES = frozenset({"script_error", "unknown_error", "unknown_answer"})
"""What no call of a sound wa-js on a page that it knows ends with: something else was thrown than it throws, or another form came back."""


class PageGone(PageError):
    """The page crashed, was closed, or its browser is gone; what the call did is unknown."""

    def __init__(self, message: str) -> None:
        super().__init__("page_gone", message)


class PageTimeout(PageError):
    """The page did not answer in time; what the call did, or will still do, is unknown."""

    def __init__(self, message: str) -> None:
        super().__init__("page_timeout", message)


class Page(Protocol):
    """WhatsApp Web, open in a browser. Every call is bounded in time and raises PageError, PageGone or PageTimeout, nothing else."""

    @property
    def wa_js_version(self) -> str:
        """The wa-js that is in the page, or was in the last one; empty before the first `open`. Another one gets in by `close` and `open`."""

    @property
    def browser_version(self) -> str:
        """As the browser, or the last one, calls itself: a name and a version; empty before the first `open`."""

    async def open(self) -> None:
        """Starts the browser and loads WhatsApp Web with our scripts in it; does nothing when it is loaded and healthy.

        Also the way back after a crash or hang of the page, and after the browser's end. Raises BrowserError too.
        """

    async def show(self, shown: bool) -> None:
        """Brings the window to the front, which is told as Shown, or puts it away; does nothing where there is no window."""

    async def state(self) -> PageState:
        """Looks at the page. Works in every phase, a page that is still loading included."""

    async def qr(self) -> str | None:
        """The code to scan now; None when the page shows none, or one that is void because the page is idle."""

    async def refresh_qr(self) -> None:
        """Asks for a new code; it comes as QrChanged. Ends a pairing code and a passkey's wait; does nothing on a linked page."""

    async def pairing_code(self, phone: str) -> str:
        """A code to type into the phone with that number (digits only) instead of scanning."""

    async def logout(self) -> None:
        """Ends the link of this device; LoggedOut follows."""

    async def serialized_id(self, chat: str, wa_id: str) -> str:
        """The full id that a message with that bare id has, or would have, in that chat."""

    async def find_message(self, chat: str, wa_id: str) -> SeenMessage | None:
        """Looks our message up, under the phone-number and the hidden-id chat."""

    async def find_messages(self, since_seconds: float) -> Sequence[SeenMessage]:
        """Our own messages of the last so many seconds."""

    async def exists(self, wid: str) -> Existence | None:
        """Is that number on WhatsApp? None also when the question could not be answered. The own number is never answered from a cache."""

    async def chat_exists(self, chat: str) -> bool:
        """True when the account has that chat already."""

    async def send_text(self, chat: str, text: str, message_id: str, *, timeout_seconds: float) -> SendResult:
        """Sends under that serialized id. A PageError (not its subclasses) was thrown before a message was made, if its code is one that wa-js throws there."""

    async def save_contact(self, contact: str, name: str) -> None:
        """Saves or renames, on the phone too."""

    async def remove_contact(self, contact: str) -> None:
        """Removes; PageError contact_not_found or number_is_not_your_contact when there is nothing to remove."""

    async def contact(self, contact: str) -> Contact | None:
        """Reads one contact back."""

    async def groups(self) -> Sequence[Group]:
        """All groups that the account is in."""

    async def memory(self) -> int:
        """How much the browser takes, in bytes; see footprint.py."""

    async def trim(self) -> None:
        """Asks the page to give back the memory that it does not need."""

    async def picture(self) -> bytes:
        """The page as it looks now: JPEG."""

    async def bindings(self) -> Bindings:
        """How well wa-js fits this version of the page; answers once the page is ready."""

    async def next_event(self) -> PageEvent:
        """Waits for the next event; a caller that gives up waiting loses none."""

    async def close(self) -> None:
        """Ends page and browser, and waits for their end. The link is kept; `open` would start them again."""
