"""The pages that have the twin open, and how frames reach them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from enum import Enum

OUTBOX_FRAMES = (
    100_000  # a page that reads none of so many frames is hung; it is cut off and catches up when it returns
)


class PageState(Enum):
    """What a page shows."""

    OPENING = "opening"
    QR = "qr"
    IDLE = "idle"  # its codes are used up, and it waits to be asked for more
    PASSKEY = "passkey"
    LINKED = "linked"


class Page:
    """One open page: its state, its account, and the frames on their way to it."""

    def __init__(self, page_id: str, build: int) -> None:
        self.id = page_id
        self.build = build
        self.state = PageState.OPENING
        self.account: str | None = None
        self.link: str | None = None
        self.pairing_code: str | None = None
        self.pairing_number: str | None = None
        self.qr_count = 0
        self._frames: asyncio.Queue[str | None] = asyncio.Queue(maxsize=OUTBOX_FRAMES)

    def send(self, event: str, **content: object) -> None:
        """Queue a frame for the page."""
        self._queue(json.dumps({"ev": event, **content}))

    def reply(self, number: int, content: Mapping[str, object]) -> None:
        """Answer the page's question of this number."""
        self._queue(json.dumps({"n": number, **content}))

    def close(self) -> None:
        """End the connection after what is queued."""
        self._queue(None)

    async def frames(self) -> list[str] | None:
        """The frames to write next, at least one; None when the connection is to be closed."""
        first = await self._frames.get()
        if first is None:
            return None
        batch = [first]
        while not self._frames.empty() and len(batch) < 256:
            following = self._frames.get_nowait()
            if following is None:
                self._frames.put_nowait(None)
                break
            batch.append(following)
        return batch

    def _queue(self, frame: str | None) -> None:
        try:
            self._frames.put_nowait(frame)
        except asyncio.QueueFull:
            while not self._frames.empty():
                self._frames.get_nowait()
            self._frames.put_nowait(None)


class Pages:
    """All open pages, in the order in which they came."""

    def __init__(self) -> None:
        self._pages: dict[str, Page] = {}

    def add(self, page: Page) -> None:
        """A page has connected; one that had the same id (the same tab) is closed."""
        if (former := self._pages.pop(page.id, None)) is not None:
            former.close()
        self._pages[page.id] = page

    def remove(self, page: Page) -> None:
        """A page's connection has ended."""
        if self._pages.get(page.id) is page:
            del self._pages[page.id]

    def find(self, page_id: str) -> Page | None:
        """The open page with this id."""
        return self._pages.get(page_id)

    def linked_to(self, account: str) -> list[Page]:
        """The open pages that are linked to an account."""
        return [page for page in self._pages.values() if page.account == account and page.state is PageState.LINKED]

    def __iter__(self) -> Iterator[Page]:
        return iter(tuple(self._pages.values()))

    def __len__(self) -> int:
        return len(self._pages)
