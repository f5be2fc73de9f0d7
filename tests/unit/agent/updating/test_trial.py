"""What the agent makes of what pages tell of a wa-js on trial."""

from __future__ import annotations

import pytest
from messenger_hub_agent.updating.choice import Stage
from messenger_hub_agent.updating.shelf import Wanted
from messenger_hub_agent.updating.trial import Trial
from messenger_hub_agent.whatsapp.wa_js import pinned, version

from tests.fakes.clock import FakeClock
from tests.fakes.trial import NEWER, FakeMemory, no_trial, trying


def test_without_a_wish_the_pinned_one_is_used() -> None:
    trial = no_trial()
    trial.take_wish()
    assert trial.wa_js() == pinned()
    assert not trial.on_trial(trial.version)


def test_a_wish_is_taken_once_and_kept() -> None:
    memory = FakeMemory()
    trial = trying(memory)
    assert trial.wa_js() == NEWER
    assert memory.wish is None
    assert memory.kept[-1].stage is Stage.CANDIDATE
    assert Trial(memory, FakeClock()).wa_js() == NEWER


def test_a_wish_for_what_is_used_changes_nothing() -> None:
    memory = FakeMemory()
    trial = trying(memory)
    trial.checked(NEWER.version, [])
    memory.wish = Wanted(NEWER)
    trial.take_wish()
    assert memory.kept[-1].stage is Stage.PROVING


def test_a_person_goes_back_from_whatever_is_used() -> None:
    memory = FakeMemory()
    trial = trying(memory)
    trial.checked(NEWER.version, [])
    trial.sent(NEWER.version)
    memory.wish = Wanted()
    trial.take_wish()
    assert trial.wa_js() == pinned()


def test_what_a_page_with_another_version_tells_decides_nothing() -> None:
    memory = FakeMemory()
    trial = trying(memory)
    trial.sent(version())
    trial.failed(version(), "it failed")
    trial.checked(version(), ["ChatStore"])
    assert memory.kept[-1].stage is Stage.CANDIDATE


def test_what_is_told_after_it_was_rejected_decides_nothing() -> None:
    memory = FakeMemory()
    trial = trying(memory)
    trial.failed(NEWER.version, "the first page says so")
    trial.failed(NEWER.version, "the second page says so")
    trial.sent(NEWER.version)
    assert [one.reason for one in memory.kept[-1].rejections] == ["the first page says so"]
    assert trial.wa_js() == pinned()


@pytest.mark.parametrize("lost", ["candidate", "adopted"])
def test_a_version_whose_file_is_gone_gives_way_to_the_pinned_one(lost: str) -> None:
    memory = FakeMemory()
    trial = trying(memory)
    if lost == "adopted":
        trial.sent(NEWER.version)
    memory.libraries.clear()
    assert Trial(memory, FakeClock()).wa_js() == pinned()
    assert memory.kept[-1].stage is Stage.PINNED


def test_a_full_disk_does_not_keep_the_agent_from_going_back() -> None:
    memory = FakeMemory()
    trial = trying(memory)
    memory.broken = OSError("full")
    trial.failed(NEWER.version, "it failed")
    assert trial.wa_js() == pinned()


def test_a_wish_that_cannot_be_kept_is_dropped() -> None:
    class Full(FakeMemory):
        def put(self, wa_js: object) -> None:
            raise OSError("full")

    memory = Full()
    assert trying(memory).wa_js() == pinned()
    assert memory.wish is None


def test_a_wish_that_cannot_be_made_durable_changes_nothing() -> None:
    memory = FakeMemory()
    trial = trying(memory)
    memory.broken = OSError("full")
    with pytest.raises(OSError, match="full"):
        trial.want(Wanted())
    assert trial.wa_js() == NEWER
    memory.wish = Wanted()
    trial.take_wish()
    assert trial.wa_js() == NEWER
