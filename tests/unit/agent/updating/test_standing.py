"""What the hub is told of a desktop's wa-js."""

from __future__ import annotations

import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_agent.updating import problems
from messenger_hub_agent.updating.choice import Choice, Stage
from messenger_hub_agent.updating.looking import Look, Looking, NothingNewer, UsedAlready
from messenger_hub_agent.updating.standing import MOST, PROBLEMS, STAGES, standing

PINNED = Choice(pinned="4.6.0")
CANDIDATE = PINNED.wanted("4.7.0")
PROVING = CANDIDATE.fits()
REJECTED = CANDIDATE.failed("needed and missing: ChatStore", 5)
BEFORE = problems.RejectedBefore("4.7.0", "needed and missing: ChatStore")
NPM_FAILED = problems.NotFetched("npm says: ENOTFOUND", "check the network there")
UNUSABLE = problems.Unusable("It is no wa-js: look again later.", "no_wa_js", "it is no package of wa-js")


@pytest.mark.parametrize(
    ("choice", "look", "stage", "version", "in_use"),
    [
        (PINNED, None, "PINNED", "4.6.0", "4.6.0"),
        (PINNED, Looking(), "LOOKING", "", "4.6.0"),
        (PINNED, Looking(named="4.5.0"), "LOOKING", "4.5.0", "4.6.0"),
        (CANDIDATE, None, "CANDIDATE", "4.7.0", "4.7.0"),
        (PROVING, None, "PROVING", "4.7.0", "4.7.0"),
        (PROVING.sent(), None, "ADOPTED", "4.7.0", "4.7.0"),
        (PROVING.sent(), NothingNewer(), "NOTHING_NEWER", "4.7.0", "4.7.0"),
        (REJECTED, None, "REJECTED", "4.7.0", "4.6.0"),
        (REJECTED, BEFORE, "REJECTED_BEFORE", "4.7.0", "4.6.0"),
        (REJECTED, UsedAlready(), "USED_ALREADY", "4.6.0", "4.6.0"),
        (PINNED, problems.NpmMissing(), "NO_NPM", "", "4.6.0"),
        (PINNED, NPM_FAILED, "NPM_FAILED", "", "4.6.0"),
        (PINNED, UNUSABLE, "UNUSABLE", "", "4.6.0"),
        (PINNED, problems.NotStored(), "NOT_STORED", "", "4.6.0"),
        (PINNED, problems.Fault(), "FAULT", "", "4.6.0"),
    ],
)
def test_a_stage_names_the_version_that_it_is_about_and_says_what_is_used(
    choice: Choice, look: Look, stage: str, version: str, in_use: str
) -> None:
    told = standing(choice, look, 0)
    assert pb.WaJsStage.Name(told.stage) == f"WA_JS_STAGE_{stage}"
    assert (told.version, told.in_use, told.shipped) == (version, in_use, "4.6.0")
    assert told.sentence.endswith(".") and version in told.sentence
    assert bool(told.reason) == (stage in ("REJECTED", "REJECTED_BEFORE", "NPM_FAILED", "UNUSABLE"))
    assert not told.HasField("looked_at")


def test_every_stage_and_every_problem_has_a_word_in_the_contract() -> None:
    assert {*STAGES} == {*Stage}
    assert {*PROBLEMS} == {*problems.UpdateProblem.__subclasses__()}
    of_looks = {pb.WA_JS_STAGE_LOOKING, pb.WA_JS_STAGE_NOTHING_NEWER, pb.WA_JS_STAGE_USED_ALREADY}
    told = {*STAGES.values(), *PROBLEMS.values(), *of_looks}
    assert {*pb.WaJsStage.values()} - told == {pb.WA_JS_STAGE_UNSPECIFIED}


def test_what_is_told_is_true_at_the_hub_too() -> None:
    choices = (PINNED, CANDIDATE, PROVING, PROVING.sent(), REJECTED)
    looks = (NPM_FAILED, problems.NpmMissing(), problems.NotStored(), problems.Fault(), BEFORE)
    sentences = [standing(one, None, 0).sentence for one in choices] + [
        standing(PINNED, one, 0).sentence for one in looks
    ]
    assert [one for one in sentences if "this machine" in one or "here" in one.split() or "this release" in one] == []


def test_a_reason_of_any_length_fits_into_the_frame() -> None:
    told = standing(CANDIDATE.failed("x" * 5_000, 1), None, 7)
    assert told.looked_at.ToMilliseconds() == 7
    assert len(told.reason) == len(told.sentence) == MOST
