"""What a desktop tells of its machine and of a page, and that it fits into a frame."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime.system import here
from messenger_hub_agent import examining
from messenger_hub_agent.examining import MOST_BYTES, MOST_NAME, MOST_NAMES, bound, machine, page_seen
from messenger_hub_agent.whatsapp.fit import NEEDED
from messenger_hub_agent.whatsapp.page import Bindings, PageError, PageGone, PageTimeout

from tests.fakes.page import LINKED, UNLINKED, FakePage

LOADING = PageError("not_ready", "")


async def test_a_page_is_told_with_its_version_and_names() -> None:
    told = await page_seen(7, FakePage(resolved=NEEDED - {"Cmd"}))
    assert (told.channel_id, told.look, told.whatsapp_web) == (7, pb.PAGE_LOOK_DONE, "1")
    assert [*told.resolved] == sorted(NEEDED - {"Cmd"})
    assert [*told.lacking] == ["Cmd"]


async def test_a_page_that_waits_for_a_link_is_looked_at_too() -> None:
    assert (await page_seen(1, FakePage(now=UNLINKED))).look == pb.PAGE_LOOK_DONE


@pytest.mark.parametrize(
    ("now", "resolved", "look"),
    [
        (PageGone("closed"), NEEDED, pb.PAGE_LOOK_NOT_OPEN),
        (PageTimeout("slow"), NEEDED, pb.PAGE_LOOK_NO_ANSWER),
        (PageError("script_error", "x"), NEEDED, pb.PAGE_LOOK_FAILED),
        (LINKED, PageError("script_error", "x"), pb.PAGE_LOOK_FAILED),
        (LINKED, LOADING, pb.PAGE_LOOK_LOADING),
    ],
)
async def test_a_page_that_cannot_be_looked_at_says_how_far_it_got(
    now: object, resolved: object, look: pb.PageLook.ValueType
) -> None:
    told = await page_seen(1, FakePage(now=now, resolved=resolved))  # type: ignore[arg-type]
    assert told.look == look
    assert not (told.resolved or told.missing or told.lacking)


async def test_a_page_that_is_not_ready_is_not_asked_for_names() -> None:
    page = FakePage(now=replace(LINKED, ready=False))
    assert (await page_seen(1, page)).look == pb.PAGE_LOOK_LOADING
    assert page.asked == []


class Hung(FakePage):
    """A page that does not answer."""

    async def bindings(self) -> Bindings:
        return await asyncio.get_running_loop().create_future()


async def test_a_page_that_hangs_does_not_keep_the_answer_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examining, "PAGE_SECONDS", 0.01)
    told = await page_seen(1, Hung())
    assert (told.look, told.whatsapp_web) == (pb.PAGE_LOOK_NO_ANSWER, "1")


async def test_no_more_names_are_told_than_the_contract_takes() -> None:
    told = await page_seen(1, FakePage(resolved=["x" * (MOST_NAME + 1), *(f"n{i}" for i in range(MOST_NAMES + 9))]))
    assert len(told.resolved) == MOST_NAMES
    assert max(map(len, told.resolved)) <= MOST_NAME


def test_what_is_too_large_for_a_frame_loses_names_of_the_last_pages_and_says_so() -> None:
    names = ["n" * MOST_NAME] * MOST_NAMES
    told = pb.Examination(
        pages=[pb.Examination.Page(channel_id=i, resolved=names, missing=names, lacking=["Cmd"]) for i in range(8)]
    )
    assert told.ByteSize() > MOST_BYTES
    bound(told)
    assert told.ByteSize() <= MOST_BYTES
    left_out = [page.names_left_out for page in told.pages]
    assert left_out == sorted(left_out) and not left_out[0] and left_out[-1]
    assert all([*page.lacking] == ["Cmd"] for page in told.pages)


def test_the_machine_tells_its_disk_and_whether_its_folder_is_open(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    told = machine(tmp_path, None)
    assert told.free_bytes > 0 and told.python_version and told.browser_problem == ""
    assert told.folder_open
    here.make_private_folder(tmp_path / "private")
    assert not machine(tmp_path / "private", None).folder_open


def test_a_browser_that_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    assert "give --browser" in machine(tmp_path, tmp_path / "nothing").browser_problem
