"""When WhatsApp, having stopped showing codes to scan, is asked for more. Pure; times are monotonic seconds and given.

It stops after about three minutes without a link. Asking makes the page connect anew, which ends what a person has begun with it; so
it is done for somebody who is there, and neither often nor in the middle of something.
"""

from __future__ import annotations

from messenger_hub_agent.whatsapp.page import PageState

SCANNED_SECONDS = 4.0  # a phone that scanned the very last code has linked by then
AGAIN_SECONDS = 30.0  # between two requests where no code comes
CAME_SECONDS = 5.0  # linking brings the window to the front too: one request serves both


class CodeRequests:
    """What is known of one page and of the people before it."""

    def __init__(self) -> None:
        self._came = False
        self._passkey = False
        self._idle_since: float | None = None
        self._asked_at = float("-inf")

    def linking_began(self) -> None:
        """A person has just asked to link; whatever was begun before is over."""
        self._came, self._passkey = True, False

    def window_opened(self) -> None:
        """A person looks at the page, perhaps to go on with what was begun there."""
        self._came = True

    def saw(self, state: PageState, now: float) -> None:
        """A look at the page."""
        self._passkey = (self._passkey or state.passkey) and not state.authenticated
        if not state.idle:
            self._came, self._idle_since = False, None
        elif self._idle_since is None:
            self._idle_since = now

    def attended(self, *, linking: bool) -> bool:
        """Whether codes are wanted. Once WhatsApp asks for a passkey its owner may be at it, until somebody begins again."""
        return linking and not self._passkey

    def due(self, *, linking: bool, now: float) -> bool:
        """Whether to ask now; the caller then does."""
        came, self._came = self._came, False
        if self._idle_since is None or self._passkey:
            return False
        if came:
            due = now - self._asked_at >= CAME_SECONDS
        else:
            due = linking and now - self._idle_since >= SCANNED_SECONDS and now - self._asked_at >= AGAIN_SECONDS
        if due:
            self._asked_at = now
        return due
