"""When the agent begins what the hub asks for, and what it tells of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_agent.updating import update as updating_module
from messenger_hub_agent.updating.choice import Choice
from messenger_hub_agent.updating.shelf import Wanted
from messenger_hub_agent.updating.trial import Trial
from messenger_hub_agent.updating.update import Update
from messenger_hub_agent.whatsapp.wa_js import WaJs, version

from tests.fakes.clock import FakeClock
from tests.fakes.trial import NEWER, FakeMemory, no_trial, trying

OLDER = WaJs("98.0.0", "// another one")
LATEST, BACK = pb.UpdateWaJs(number=1), pb.UpdateWaJs(number=2, back=True)


def updating(trial: Trial) -> tuple[Update, list[pb.WaJsStage.ValueType]]:
    """And every stage that it tells."""
    told: list[pb.WaJsStage.ValueType] = []
    update = Update(trial, FakeClock(), lambda: told.append(update.standing.stage))
    return update, told


def test_one_look_at_a_time() -> None:
    update, told = updating(no_trial())
    assert [update.begin(LATEST), update.begin(LATEST), update.begin(BACK)] == [True, False, False]
    assert told == [pb.WA_JS_STAGE_LOOKING]


def test_a_candidate_that_no_page_checks_keeps_nobody_from_looking_for_another_one_or_from_going_back() -> None:
    update, told = updating(trying(FakeMemory()))
    assert update.begin(BACK)
    assert told == [pb.WA_JS_STAGE_PINNED]
    assert update.standing.in_use == version()
    update, told = updating(trying(FakeMemory()))
    assert update.begin(pb.UpdateWaJs(number=1, version="98.0.0"))
    assert told == [pb.WA_JS_STAGE_LOOKING]


def test_going_back_that_cannot_be_kept_is_told_and_nothing_is_changed() -> None:
    memory = FakeMemory()
    trial = trying(memory)
    update, told = updating(trial)
    memory.broken = OSError("full")
    assert update.begin(BACK)
    assert told == [pb.WA_JS_STAGE_NOT_STORED]
    assert update.standing.in_use == trial.version == NEWER.version


def test_a_fault_of_ours_while_something_is_begun_is_told() -> None:
    memory = FakeMemory()
    update, told = updating(trying(memory))
    memory.broken = RuntimeError("ours")
    assert update.begin(BACK)
    assert told == [pb.WA_JS_STAGE_FAULT]


# ---- what happens during a look -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def looking(trial: Trial, monkeypatch: pytest.MonkeyPatch, found: WaJs) -> AsyncIterator[Looking]:
    """A look at npm for the latest, which ends when the test opens the gate."""
    gate, settled = asyncio.Event(), asyncio.Event()

    async def looked_for(_choice: Choice, _named: str) -> WaJs:
        await gate.wait()
        return found

    def changed() -> None:
        if update.standing.stage != pb.WA_JS_STAGE_LOOKING:
            settled.set()

    monkeypatch.setattr(updating_module, "looked_for", looked_for)
    update = Update(trial, FakeClock(), changed)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(update.run())
        update.begin(LATEST)
        yield Looking(update, gate, settled)
        running.cancel()


@dataclass
class Looking:
    update: Update
    gate: asyncio.Event
    settled: asyncio.Event

    async def ends(self) -> pb.WaJsStanding:
        self.gate.set()
        async with asyncio.timeout(10):
            await self.settled.wait()
        return self.update.standing


async def test_what_was_adopted_meanwhile_is_not_replaced_by_an_older_one(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = no_trial()
    async with looking(trial, monkeypatch, OLDER) as look:
        trial.want(Wanted(NEWER))
        trial.sent(NEWER.version)
        standing = await look.ends()
    assert (standing.stage, trial.version) == (pb.WA_JS_STAGE_NOTHING_NEWER, NEWER.version)


async def test_what_was_rejected_meanwhile_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = no_trial()
    async with looking(trial, monkeypatch, NEWER) as look:
        trial.want(Wanted(NEWER))
        trial.failed(NEWER.version, "it failed")
        standing = await look.ends()
    assert (standing.stage, standing.reason) == (pb.WA_JS_STAGE_REJECTED_BEFORE, "it failed")
    assert trial.version == version()


async def test_a_fault_of_ours_while_what_was_found_is_tried_is_told_and_the_next_look_is_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = FakeMemory()
    async with looking(Trial(memory, FakeClock()), monkeypatch, NEWER) as look:
        memory.broken = RuntimeError("ours")
        assert (await look.ends()).stage == pb.WA_JS_STAGE_FAULT
        memory.broken = None
        look.settled.clear()
        look.update.begin(LATEST)
        assert (await look.ends()).stage == pb.WA_JS_STAGE_CANDIDATE


# ---- what is told ---------------------------------------------------------------------------------------------------------------


def test_one_that_proves_itself_does_not_keep_a_person_from_looking_for_a_newer_one() -> None:
    trial = trying(FakeMemory())
    trial.checked(NEWER.version, [])
    update, _ = updating(trial)
    assert update.begin(LATEST)


def test_what_a_trial_does_is_told_once_and_outweighs_what_came_of_an_earlier_look() -> None:
    trial = trying(FakeMemory())
    trial.sent(NEWER.version)
    update, told = updating(trial)
    update.begin(pb.UpdateWaJs(number=1, version="latest"))
    trial.take_wish()
    assert told == [pb.WA_JS_STAGE_UNUSABLE]
    update.begin(BACK)
    assert told == [pb.WA_JS_STAGE_UNUSABLE, pb.WA_JS_STAGE_PINNED]


def test_a_trial_that_moves_while_npm_is_asked_does_not_end_the_look() -> None:
    trial = trying(FakeMemory())
    trial.checked(NEWER.version, [])
    update, told = updating(trial)
    update.begin(LATEST)
    trial.failed(NEWER.version, "it failed")
    assert update.standing.stage == pb.WA_JS_STAGE_LOOKING
    assert update.standing.in_use == version()
    assert told == [pb.WA_JS_STAGE_LOOKING] * 2


@pytest.mark.parametrize("named", ["latest", "npm:left-pad", "4.6.0\n", "../x"])
def test_only_three_numbers_get_to_npm(named: str) -> None:
    update, told = updating(no_trial())
    assert update.begin(pb.UpdateWaJs(number=1, version=named))
    assert told == [pb.WA_JS_STAGE_UNUSABLE]
    assert "three numbers" in update.standing.sentence
