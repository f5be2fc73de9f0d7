"""Faults of the hub's sweep, its starts and answers, and of how facts and decisions meet."""

from __future__ import annotations

import pytest
from messenger_hub_server.delivery import channel as server
from messenger_hub_server.delivery import evidence
from messenger_hub_server.store.memory import writes
from messenger_hub_server.store.memory.writes import Writer

from tests.simulation.mutants.catalogue import (
    CUTS,
    MOVES,
    RESTORES_AND_CRASHES,
    ROLLED_BACK,
    mutant,
    reworded,
)
from tests.simulation.plan import Focus
from tests.simulation.world import World


@mutant(Focus(faults=MOVES))
def requeues_what_another_journal_had_started(patch: pytest.MonkeyPatch) -> None:
    """A lost lease goes back to the queue although it had started."""
    words = {
        "_uncertain(operation, mark, EVIDENCE_LOST, now_ms)": "Change(wa_id=operation.wa_id, from_states=LEASED, "
        "to=OperationState.PENDING, at_ms=now_ms, reason='')"
    }
    reworded(patch, evidence, "sweep", words)


@mutant(Focus(faults=ROLLED_BACK, tension=0.15, often={World.network_step: 5}))
def trusts_the_silence_of_the_journal(patch: pytest.MonkeyPatch) -> None:
    """What a journal had started and does not tell of goes back to the queue."""
    words = {
        "_uncertain(operation, mark, JOURNAL_SILENT, now_ms)": "Change(wa_id=operation.wa_id, from_states=LEASED, "
        "to=OperationState.PENDING, at_ms=now_ms, reason='')"
    }
    reworded(patch, evidence, "sweep", words)


@mutant(Focus(faults=CUTS))
def doubts_what_the_journal_has_open(patch: pytest.MonkeyPatch) -> None:
    """What the agent could look up becomes uncertain at once."""
    reworded(patch, evidence, "sweep", {"elif mark.lease_id not in open_leases:": "else:"})


@mutant(Focus(faults=CUTS))
def keeps_unstarted_leases_of_older_epochs(patch: pytest.MonkeyPatch) -> None:
    """What had not started never comes back to the queue, when the stream's end was not noticed."""
    reworded(patch, evidence, "sweep", {"if not mark.started:": "if not mark.started and False:"})


@mutant(Focus(faults=CUTS))
def gives_back_what_had_started(patch: pytest.MonkeyPatch) -> None:
    """The end of a stream gives all its leases back."""
    reworded(patch, evidence, "given_back", {"started=False,": ""})


@mutant(Focus(faults=CUTS))
def gives_go_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    """The answer leaves before the start is durable."""
    words = {
        "return [Commit(then=then, writes=[*writes, self._advance(attachment)])]": "goes = [pb.Goes.Go(lease_id=s, go=True) for n, s in "
        "starts if n is not None]\n    return [self._send(stream, goes=pb.Goes(goes=goes)), "
        "Commit(then=then, writes=[*writes, self._advance(attachment)])]"
    }
    reworded(patch, server.Channel, "_entries", words)


@mutant(Focus(faults=CUTS))
def gives_go_to_everything(patch: pytest.MonkeyPatch) -> None:
    """Whether the lease still stands is not looked at."""
    words = {"go=position is not None and bool(outcomes[position])": "go=True"}
    reworded(patch, server.Channel, "_entries_stored", words)


@mutant(Focus(faults=CUTS))
def starts_what_was_cancelled(patch: pytest.MonkeyPatch) -> None:
    """A start does not look at the state."""
    reworded(patch, Writer, "_start", {" and operation.state is OperationState.LEASED": ""})


@mutant(Focus(faults=CUTS))
def cancels_what_has_started(patch: pytest.MonkeyPatch) -> None:
    """`started=False` is ignored."""
    reworded(patch, writes, "_holds", {"change.started is None": "True"})


@mutant(Focus(faults=CUTS))
def clears_what_has_started(patch: pytest.MonkeyPatch) -> None:
    """A session API is deleted, and what is on its way counts as failed."""
    reworded(patch, Writer, "_change_queue", {" and not operation.lease.started": ""})


@mutant(Focus(faults=MOVES))
def lets_a_late_decision_of_another_lease_through(patch: pytest.MonkeyPatch) -> None:
    """Decisions are not fenced by their lease."""
    reworded(patch, evidence, "_decision", {"lease_id=LeaseId(entry.lease_id),": ""})


@mutant(Focus(faults=MOVES))
def fences_a_late_fact(patch: pytest.MonkeyPatch) -> None:
    """Sent counts only while its lease stands."""
    words = {
        "if fact := FACTS.get(entry.outcome.kind):": "if (fact := FACTS.get(entry.outcome.kind)) and entry.lease_id:\n"
        "        source, to = LEASED, fact[0]\n"
        "        return [Change(wa_id=WaId(entry.whatsapp_id), lease_id=LeaseId(entry.lease_id), from_states=source, to=to, "
        "at_ms=now_ms, reason='')]\n"
        "    if fact:"
    }
    reworded(patch, evidence, "outcome", words)


@mutant(Focus(faults=RESTORES_AND_CRASHES))
def ignores_receipts(patch: pytest.MonkeyPatch) -> None:
    """A fact without a lease is not looked at."""
    words = {
        "if fact := FACTS.get(entry.outcome.kind):": "if not entry.lease_id:\n        return []\n    if fact := FACTS.get(entry.outcome.kind):"
    }
    reworded(patch, evidence, "outcome", words)


@mutant()
def never_corrects_what_was_decided(patch: pytest.MonkeyPatch) -> None:
    """Failed, cancelled and expired stay, whatever turns out."""
    reworded(patch, evidence, "outcome", {"started and entry.outcome.kind in DIRECT": "entry.outcome.kind in DIRECT"})
    reworded(
        patch,
        evidence,
        "_fact",
        {"[learnt, change(NOT_SENT, to, corrected)]": "[learnt]"},
    )
