"""When the agent begins what the hub asks for, and what it tells of it."""

from __future__ import annotations

import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_agent.updating.trial import Trial
from messenger_hub_agent.updating.update import Update
from messenger_hub_agent.whatsapp.wa_js import version

from tests.fakes.trial import NEWER, FakeMemory, no_trial, trying

LATEST, BACK = pb.UpdateWaJs(number=1), pb.UpdateWaJs(number=2, back=True)


def updating(trial: Trial) -> tuple[Update, list[pb.WaJsStage.ValueType]]:
    """And every stage that it tells."""
    told: list[pb.WaJsStage.ValueType] = []
    update = Update(trial, lambda: told.append(update.standing.stage))
    return update, told


def test_one_look_at_a_time() -> None:
    update, told = updating(no_trial())
    assert [update.begin(LATEST), update.begin(LATEST), update.begin(BACK)] == [True, False, False]
    assert told == [pb.WA_JS_STAGE_LOOKING]


def test_while_a_candidate_is_checked_only_going_back_is_begun() -> None:
    update, told = updating(trying(FakeMemory()))
    assert not update.begin(LATEST)
    assert update.begin(BACK)
    assert told == [pb.WA_JS_STAGE_PINNED]
    assert update.standing.in_use == version()


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
