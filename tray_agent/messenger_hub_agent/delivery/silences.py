"""The look-ups that a page left without an answer: when a chat is looked up again, and when the page is loaded anew. Pure.

wa-js hands the promise of a look-up to every later one of the same number until it settles, so one lost answer can keep a number from being
looked up for as long as the page lives, while the page answers everything else. Each time a chat is left alone for twice as long, so that the
rest goes first, and a page that has left one chat without an answer `PATIENCE` times is loaded anew. Where that does not help, the next page
gets twice the patience: an answer that never comes costs less and less.
"""

from __future__ import annotations

from dataclasses import dataclass

PATIENCE = 2
MOST_PATIENCE = 64
FIRST_WAIT_MS = 5_000
MOST_WAIT_MS = 10 * 60_000
MOST_CHATS = 1_000  # the one that was left unanswered longest ago is forgotten for another


@dataclass(slots=True)
class _Silence:
    times: int = 0  # in a row, in whichever page
    in_this_page: int = 0
    until_ms: int = 0


class Silences:
    """The chats of one channel that are waited for. Times are monotonic milliseconds."""

    def __init__(self) -> None:
        self._silences: dict[str, _Silence] = {}
        self._patience = PATIENCE
        self._page_is_to_go = False

    def wait_ms(self, chat: str, now_ms: int) -> int:
        """How long the chat is still left alone; 0 when it may be looked up."""
        silence = self._silences.get(chat)
        return 0 if silence is None else max(0, silence.until_ms - now_ms)

    def unanswered(self, chat: str, now_ms: int) -> bool:
        """A look-up of the chat got no answer in time. True: the page is to be loaded anew."""
        silence = self._silences.pop(chat, None) or _Silence()
        silence.times += 1
        silence.in_this_page += 1
        silence.until_ms = now_ms + min(MOST_WAIT_MS, FIRST_WAIT_MS << min(silence.times - 1, 10))
        if len(self._silences) >= MOST_CHATS:
            del self._silences[next(iter(self._silences))]
        self._silences[chat] = silence
        self._page_is_to_go |= silence.in_this_page >= self._patience
        return silence.in_this_page >= self._patience

    def answered(self, chat: str) -> None:
        """All that was asked of the chat was answered."""
        if self._silences.pop(chat, None) is not None:
            self._patience = PATIENCE

    def page_loaded(self) -> None:
        """The page is another one, for whatever reason. One that was loaded anew for an answer has to prove that it helps."""
        if self._page_is_to_go:
            self._patience = min(MOST_PATIENCE, 2 * self._patience)
        self._page_is_to_go = False
        for silence in self._silences.values():
            silence.in_this_page = 0
