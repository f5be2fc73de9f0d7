"""Whether a number is known not to be on WhatsApp. One "no" proves nothing: the page answers the same to a network error.

Proof needs two noes at least 20 s apart (the page caches misses for 15 s) and, between them, a yes for the channel's own number.
"""

from __future__ import annotations

from dataclasses import dataclass

APART_MS = 20_000
FORGOTTEN_MS = 10 * 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Doubt:
    first_no_at_ms: int
    own_number_found: bool


class Doubts:
    """The numbers that a look-up did not find, of one channel."""

    def __init__(self) -> None:
        self._doubts: dict[str, _Doubt] = {}

    def found(self, wid: str) -> None:
        """The number is on WhatsApp."""
        self._doubts.pop(wid, None)

    def not_found(self, wid: str, *, own_number_found: bool, now_ms: int) -> bool:
        """The look-up said no, and right after it the channel's own number was (not) found. True: it is proven."""
        doubt = self._doubts.get(wid)
        if (
            doubt is None
            or now_ms - doubt.first_no_at_ms > FORGOTTEN_MS
            or not (doubt.own_number_found and own_number_found)
        ):
            self._doubts[wid] = _Doubt(first_no_at_ms=now_ms, own_number_found=own_number_found)
            return False
        if now_ms - doubt.first_no_at_ms < APART_MS:
            return False
        del self._doubts[wid]
        return True
