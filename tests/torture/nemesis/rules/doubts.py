"""What is uncertain has lost its evidence to something that was disturbed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.torture.nemesis.record import Look
from tests.torture.nemesis.rules.case import RESTORED, UNCERTAIN, Case, Violation, overlaps
from tests.torture.nemesis.times import SLACK_SECONDS, machine

# What can take the evidence of a send away, by the code that names what is missing. A killed server or a broken network alone
# cannot: the agent and its page have seen what happened.
PAGE_LOST = frozenset(
    {"kill agent", "agent's clock", "kill browser", "stop browser", "kill page", "crash page", "hang page"}
)
# Before a message to a new chat WhatsApp is asked for the chat: when it goes away in that moment the page never answers, and knows
# nothing of the message afterwards.
WHATSAPP_LOST = frozenset({"kill twin", "stop twin"})
EVIDENCE: Mapping[str, frozenset[str]] = {
    "not_found_afterwards": PAGE_LOST | WHATSAPP_LOST,
    "no_answer": PAGE_LOST | WHATSAPP_LOST,
    "evidence_lost": frozenset({"copy agent"}),
    "journal_silent": frozenset({"copy agent"}),
    # After a restore, when the channel's journal is not the one that had already taken over when the copy was made.
    RESTORED: frozenset({"copy agent"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """One justified `uncertain`: its code, the faults that fell into its window, and whether the message had arrived."""

    operation_id: int
    code: str
    faults: Sequence[str]
    arrived: bool


def unjustified(case: Case) -> Iterator[Violation]:
    """Every uncertain operation names what is missing, and something was disturbed that can have taken it."""
    for look, begun, at in uncertain(case):
        # One that a fact has settled since no longer names a code: any that there is may have been it.
        code = look.code if look.status == UNCERTAIN else ""
        if look.status == UNCERTAIN and code not in EVIDENCE:
            sentence = f"uncertain with the code {code or 'none'}, which nothing here can have caused"
        elif not in_window(case, look, code, begun, at):
            wanted = f" that explains {code}" if code else ""
            sentence = f"uncertain, and nothing was disturbed{wanted} from {begun:.3f} to {at:.3f}"
        else:
            continue
        yield Violation(
            kind="unjustified uncertain", sentence=sentence, text=look.reference, operation_id=look.operation_id
        )


def uncertain(case: Case) -> Iterator[tuple[Look, float, float]]:
    """Operations that are or were uncertain, with the window in which the evidence must have gone: from the last lease on."""
    for look in case.history.final.values():
        leased = 0.0
        for change in look.timeline:
            earliest, latest = machine(change.at, case.history.offsets)
            if change.status == "processing":
                leased = earliest
            elif change.status == UNCERTAIN:
                # What had happened since an older copy was made is told anew, and its lease is not.
                copies = [one.copied_begun for one in case.history.restores if one.begun <= latest]
                yield look, min([leased or earliest, *copies]), latest


def in_window(case: Case, look: Look, code: str, begun: float, at: float) -> Sequence[str]:
    wish = case.wishes.get(look.reference)
    justified = EVIDENCE.get(code, frozenset().union(*EVIDENCE.values()))
    if code == RESTORED and not any(one.begun <= at for one in case.history.restores):
        return []
    return [
        one.fault
        for one in case.history.disturbances
        if one.fault in justified
        and (wish is None or wish.channel in one.channels)
        and overlaps(one, begun - SLACK_SECONDS, at + SLACK_SECONDS)
    ]


def doubts(case: Case) -> Sequence[Doubt]:
    return [
        Doubt(
            operation_id=look.operation_id,
            code=look.code or "resolved by a fact",
            faults=sorted(set(in_window(case, look, look.code if look.status == UNCERTAIN else "", begun, at))),
            arrived=bool(case.arrivals(look.reference)),
        )
        for look, begun, at in uncertain(case)
    ]
