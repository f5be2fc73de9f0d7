"""What a desktop tells of its wa-js: the choice, and what became of the last look at npm. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from messenger_hub.agent.v1 import agent_service_pb2 as pb

from messenger_hub_agent.updating.choice import Choice, Stage, described
from messenger_hub_agent.updating.problems import (
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
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """A look goes on; `named` is the version that somebody wants, empty for the latest."""

    named: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingNewer:
    """npm has none that is newer than what is used."""


Look = Looking | NothingNewer | UpdateProblem | None
"""The last one; None where the choice tells everything."""


def standing(choice: Choice, look: Look) -> pb.WaJsUpdate:
    """As the hub is told."""
    told = pb.WaJsUpdate(in_use=choice.in_use, shipped=choice.pinned)
    match look:
        case Looking(named=named):
            told.stage, told.version = pb.WA_JS_STAGE_LOOKING, named
            what = f"wa-js {named}" if named else f"a newer wa-js than {choice.in_use}"
            told.sentence = f"npm is asked for {what}."
        case NothingNewer():
            told.stage, told.version = pb.WA_JS_STAGE_NOTHING_NEWER, choice.in_use
            told.sentence = f"npm has nothing newer than wa-js {choice.in_use}, which is used."
        case UpdateProblem():
            told.stage, told.sentence = PROBLEMS[type(look)], look.sentence[:MOST]
            if isinstance(look, RejectedBefore):
                told.version, told.reason = look.version, look.reason[:MOST]
        case None:
            _tell_choice(told, choice)
        case _:
            assert_never(look)
    return told


def _tell_choice(told: pb.WaJsUpdate, choice: Choice) -> None:
    told.stage, told.sentence = STAGES[choice.stage], described(choice)[:MOST]
    told.version = choice.in_use
    if choice.stage is Stage.REJECTED:
        told.version = choice.candidate
        rejection = choice.rejection(choice.candidate)
        told.reason = rejection.reason[:MOST] if rejection is not None else ""
