"""Judges a scene by the twin's log, which saw what arrived at the phone network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.torture.failpoints.stage import Asked

DONE = {"message": {"sent", "delivered", "read"}, "contact": {"succeeded"}, "nobody": {"expired"}}
DONE["keyless"] = DONE["message"]
DOUBTS = frozenset({"not_found_afterwards", "no_answer"})


@dataclass(slots=True)
class Verdict:
    """What is wrong, in words, and what was counted."""

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    unjustified: list[str] = field(default_factory=list)
    uncertain: int = 0
    arrived_all_the_same: int = 0

    @property
    def problems(self) -> Sequence[str]:
        """All of it."""
        return [*self.lost, *self.duplicated, *self.disordered, *self.unjustified]


def judge(
    asked: Asked, states: Mapping[int, Mapping[str, Any]], arrivals: Sequence[Mapping[str, Any]], *, doubt: bool
) -> Verdict:
    """`states`: operation id → the operation as it is told at rest; `arrivals`: lines of the twin's log."""
    verdict = Verdict()
    ids: dict[str, dict[str, None]] = {}
    for line in arrivals:
        ids.setdefault(line["body"], {})[line["id"]] = None  # the same id once more is shown once
    _count(asked, states, ids, verdict)
    _order(asked, states, list(ids), verdict)
    if verdict.uncertain > (1 if doubt else 0):
        verdict.unjustified.append(f"{verdict.uncertain} in doubt where {'one' if doubt else 'none'} may be")
    return verdict


def _count(
    asked: Asked, states: Mapping[int, Mapping[str, Any]], ids: Mapping[str, Mapping[str, None]], verdict: Verdict
) -> None:
    for text, count in Counter(one.id for one in asked.accepted).items():
        if count > 1:
            verdict.lost.append(f"operation {text} was given to two callers")
    for one in asked.all:
        times = len(ids.get(one.text, ()))
        if times > 1:
            verdict.duplicated.append(f"{one.text!r} arrived {times} times")
        if one.id < 0:
            continue
        told = states.get(one.id, {"status": "unknown"})
        status = told["status"]
        if status == "uncertain":
            verdict.uncertain += 1
            verdict.arrived_all_the_same += times
            if one.kind not in ("message", "keyless") or told["error"]["code"] not in DOUBTS:
                verdict.unjustified.append(f"{one.text!r} ({one.kind}) is in doubt: {told.get('error')}")
        elif status not in DONE[one.kind]:
            verdict.lost.append(f"{one.text!r} ({one.kind}) is {status}: {told.get('error') or told.get('reason')}")
        elif times != (1 if one.kind in ("message", "keyless") else 0):
            verdict.lost.append(f"{one.text!r} ({one.kind}) is {status} and arrived {times} times")


def _order(asked: Asked, states: Mapping[int, Mapping[str, Any]], arrived: Sequence[str], verdict: Verdict) -> None:
    lanes: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for one in asked.accepted:
        if one.text in arrived and states.get(one.id, {}).get("status") != "uncertain":
            lanes.setdefault(one.lane, []).append((one.id, one.text))
    for lane, members in lanes.items():
        wanted = [text for _, text in sorted(members)]
        seen = [text for text in arrived if text in set(wanted)]
        if seen != wanted:
            verdict.disordered.append(f"in {lane} {seen} instead of {wanted}")
