"""What doctor does with a page that does not get ready."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from messenger_hub_agent.whatsapp.page import PageError, PageState
from messenger_hub_agent.whatsapp.wa_js import pinned
from messenger_hub_cli import doctor

from tests.fakes.page import LINKED, FakePage


class Slow(FakePage):
    """A page that is ready only once it was opened so many times, and says something else before."""

    def __init__(self, openings: int, before: PageState | PageError) -> None:
        super().__init__()
        self.openings = openings
        self._before = before

    async def state(self) -> PageState:
        """As its openings have it."""
        self.now = LINKED if self.asked.count("open") >= self.openings else self._before
        return await super().state()


LOADING = replace(LINKED, ready=False)


async def looks_at(page: Slow, folder: Path, monkeypatch: pytest.MonkeyPatch) -> PageState:
    monkeypatch.setattr(doctor, "PyppeteerPage", lambda *_: page)
    monkeypatch.setattr(doctor, "READY_SECONDS", 0.1)
    monkeypatch.setattr(doctor, "LOOK_SECONDS", 0.01)
    state, _ = await doctor._seen(doctor._Look(folder, Path("chromium"), pinned()), "http://127.0.0.1/")
    return state


@pytest.mark.parametrize("before", [LOADING, PageError("timed_out", "it does not answer")], ids=["loads", "is silent"])
async def test_a_page_that_stands_still_is_opened_once_more(
    before: PageState | PageError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Slow(2, before)
    assert (await looks_at(page, tmp_path, monkeypatch)).ready
    assert page.asked[-1] == "close"


async def test_a_page_that_never_gets_ready_is_given_up_and_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Slow(3, LOADING)
    with pytest.raises(TimeoutError):
        await looks_at(page, tmp_path, monkeypatch)
    assert (page.asked.count("open"), page.asked[-1]) == (2, "close")
