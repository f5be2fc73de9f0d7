"""Judges a round: what clients were told, and what the hub says at the end, against what arrived at the phone network.

Pure, and shares no code with the hub: its own table of states, its own idea of what justifies a doubt. Each rule is a generator
of violations; `check` runs all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.torture.answers import NO_ANSWER
from tests.torture.nemesis.record import MESSAGE, UNKNOWN, History
from tests.torture.nemesis.rules.case import Case, Violation
from tests.torture.nemesis.rules.doubts import Doubt, doubts, unjustified
from tests.torture.nemesis.rules.keys import keys
from tests.torture.nemesis.rules.lost import contacts, lost, unknown, untimely
from tests.torture.nemesis.rules.said import backwards, changed, unanswered
from tests.torture.nemesis.rules.sent import astray, cancelled, duplicated, out_of_order, sent_all_the_same
from tests.torture.nemesis.rules.watching import watched


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of a round."""

    violations: Sequence[Violation]
    doubts: Sequence[Doubt]
    counts: Mapping[str, int]


def check(history: History) -> Verdict:
    """All rules."""
    case = Case.of(history)
    violations = [violation for rule in RULES for violation in rule(case)]
    return Verdict(violations=violations, doubts=doubts(case), counts=counts(case))


Rule = Callable[[Case], Iterable[Violation]]

RULES: Sequence[Rule] = (
    unknown,
    lost,
    untimely,
    contacts,
    duplicated,
    sent_all_the_same,
    cancelled,
    astray,
    out_of_order,
    unjustified,
    changed,
    backwards,
    watched,
    unanswered,
    keys,
)


def counts(case: Case) -> Mapping[str, int]:
    history = case.history
    ids = [(one.sender, one.whatsapp_id) for one in history.arrivals]
    states: dict[str, int] = defaultdict(int)
    for look in history.final.values():
        states[look.status] += 1
    attempts = [attempt for wish in history.wishes for attempt in wish.attempts]
    return {
        "wishes": len(history.wishes),
        "accepted": sum(wish.accepted is not None for wish in history.wishes),
        "operations": len(history.final),
        "attempts": len(attempts),
        "unanswered attempts": sum(one.status == NO_ANSWER or one.code == UNKNOWN for one in attempts),
        "unknown outcomes": sum(
            wish.accepted is None and not all(one.refused for one in wish.attempts) for wish in history.wishes
        ),
        "arrivals": len(ids),
        "contact changes": sum(wish.kind != MESSAGE for wish in history.wishes),
        "with send_at": sum(bool(wish.send_at) for wish in history.wishes),
        "with expires_at": sum(bool(wish.expires_at) for wish in history.wishes),
        "asked anew after a restore": sum(len(wish.numbers) > 1 for wish in history.wishes),
        "gone with a restore": sum(
            bool(wish.numbers) and all(number not in history.final for number in wish.numbers)
            for wish in history.wishes
        ),
        "watched changes": sum(len(stream.events) for stream in history.streams),
        "changes of keys": len(history.key_changes),
        "calls with them": len(history.key_uses),
        "repeated ids": len(ids) - len(set(ids)),
        **{f"ended {state}": count for state, count in sorted(states.items())},
    }
