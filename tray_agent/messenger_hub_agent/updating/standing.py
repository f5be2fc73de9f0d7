"""What a desktop tells of its wa-js: the choice, and what came of the last look at npm. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from messenger_hub.agent.v1 import agent_service_pb2 as pb

from messenger_hub_agent.updating.choice import Choice, Stage, described
from messenger_hub_agent.updating.looking import Look, Looking, NothingNewer, UsedAlready
from messenger_hub_agent.updating.problems import (
    Fault,
    NotFetched,
    NotStored,
    NpmMissing,
    RejectedBefore,
    Unusable,
    UpdateProblem,
)

MOST = 1_000  # characters of a sentence: the contract's

STAGES: Mapping[Stage, pb.WaJsStage.ValueType] = {
    Stage.PINNED: pb.WA_JS_STAGE_PINNED,
    Stage.CANDIDATE: pb.WA_JS_STAGE_CANDIDATE,
    Stage.PROVING: pb.WA_JS_STAGE_PROVING,
    Stage.ADOPTED: pb.WA_JS_STAGE_ADOPTED,
    Stage.REJECTED: pb.WA_JS_STAGE_REJECTED,
}
PROBLEMS: Mapping[type[UpdateProblem], pb.WaJsStage.ValueType] = {
    Unusable: pb.WA_JS_STAGE_UNUSABLE,
    NpmMissing: pb.WA_JS_STAGE_NO_NPM,
    NotFetched: pb.WA_JS_STAGE_NPM_FAILED,
    RejectedBefore: pb.WA_JS_STAGE_REJECTED_BEFORE,
    NotStored: pb.WA_JS_STAGE_NOT_STORED,
    Fault: pb.WA_JS_STAGE_FAULT,
}


def standing(choice: Choice, look: Look, looked_at_ms: int) -> pb.WaJsStanding:
    """As the hub is told. `looked_at_ms` is 0 before the first look."""
    told = pb.WaJsStanding(in_use=choice.in_use, shipped=choice.pinned)
    if looked_at_ms:
        told.looked_at.FromMilliseconds(looked_at_ms)
    match look:
        case Looking(named=named):
            told.stage, told.version = pb.WA_JS_STAGE_LOOKING, named
            what = f"wa-js {named}" if named else f"a newer wa-js than {choice.in_use}"
            told.sentence = f"npm is asked for {what}."
        case NothingNewer():
            told.stage, told.version = pb.WA_JS_STAGE_NOTHING_NEWER, choice.in_use
            told.sentence = f"npm has nothing newer than wa-js {choice.in_use}, which is used."
        case UsedAlready():
            told.stage, told.version = pb.WA_JS_STAGE_USED_ALREADY, choice.in_use
            told.sentence = f"wa-js {choice.in_use} is used already: nothing was changed."
        case UpdateProblem():
            told.stage, told.sentence, told.reason = PROBLEMS[type(look)], look.sentence[:MOST], look.reason[:MOST]
            if isinstance(look, RejectedBefore):
                told.version = look.version
        case None:
            _tell_choice(told, choice)
        case _:
            assert_never(look)
    return told


def _tell_choice(told: pb.WaJsStanding, choice: Choice) -> None:
    told.stage, told.sentence = STAGES[choice.stage], described(choice)[:MOST]
    told.version = choice.in_use
    if choice.stage is Stage.REJECTED:
        told.version = choice.candidate
        rejection = choice.rejection(choice.candidate)
        told.reason = rejection.reason[:MOST] if rejection is not None else ""
