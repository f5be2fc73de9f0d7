"""Faults of the desktop and its journal."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from messenger_hub_agent.delivery import channel as agent
from messenger_hub_agent.delivery import existence, work

from tests.simulation.desk import Desk, Disk
from tests.simulation.mutants.catalogue import (
    COPIES,
    CUTS,
    FOLDERS,
    MOVES,
    RESTORES,
    THEN,
    mutant,
    reworded,
)
from tests.simulation.plan import Focus
from tests.simulation.whatsapp import Profile
from tests.simulation.world import World


@mutant()
def sends_on_a_no(patch: pytest.MonkeyPatch) -> None:
    """The agent acts on any answer."""
    reworded(patch, agent.Channel, "_answered", {"Happening.GO if go.go else Happening.NO": "Happening.GO"})


@mutant()
def sends_without_go(patch: pytest.MonkeyPatch) -> None:
    """A durable intent is enough."""
    table = dict(work.TABLE) | {(work.Stage.WRITING_INTENT, work.Happening.WRITTEN): work.Stage.ACTING}
    patch.setattr(work, "TABLE", table)
    words = {
        "following is Stage.ACTING and happening is Happening.GO": "following is Stage.ACTING and happening is Happening.WRITTEN"
    }
    reworded(patch, agent.Channel, "_happen", words)


@mutant(Focus(faults=CUTS))
def looks_up_what_never_got_an_answer(patch: pytest.MonkeyPatch) -> None:
    """Without a stream a question is looked up instead of void."""
    table = dict(work.TABLE) | {(work.Stage.ASKING, work.Happening.STREAM_LOST): work.Leaving.RECONCILE}
    patch.setattr(work, "TABLE", table)


@mutant(Focus(faults=CUTS))
def keeps_its_leases_without_a_stream(patch: pytest.MonkeyPatch) -> None:
    """The agent goes on with what waits after the stream is gone, and asks under its old epoch for what is another's."""
    words = {
        "self._epoch = 0": "pass",
        "self._waiting.clear()": "pass",
        "return self._happen(Happening.STREAM_LOST, now_ms)": "return []",
    }
    reworded(patch, agent.Channel, "disconnected", words)


@mutant(Focus(faults=CUTS))
def gives_back_what_it_has_asked_for(patch: pytest.MonkeyPatch) -> None:
    """A pause takes a lease out of the hands whose go is on its way."""
    patch.setattr(agent, "RETURNABLE", work.RETURNABLE | {work.Stage.ASKING})


@mutant(Focus(faults=CUTS))
def does_not_say_what_is_open(patch: pytest.MonkeyPatch) -> None:
    """The hello lacks the open intents."""
    reworded(patch, agent.Channel, "connected", {"open_lease_ids=list(journal.open)": "open_lease_ids=[]"})


@mutant(held_by="decisions are fenced by their lease, so what a needless look-up finds out changes nothing")
def ignores_a_late_no(patch: pytest.MonkeyPatch) -> None:
    """What the hub says no to after a hello is looked up all the same."""
    reworded(patch, agent.Channel, "_answered", {"lease is None or go.go or": "True or"})


@mutant(Focus(faults=COPIES, ways=THEN, tension=0.03, often={World.cancel: 3, World.hub_store: 6, World.tick: 6}))
def voids_what_was_found(patch: pytest.MonkeyPatch) -> None:
    """A no makes void what the look-up before the send has found."""
    reworded(patch, agent.Channel, "_answered", {" or go.lease_id in self._found": ""})


@mutant(Focus(faults=RESTORES, ways=THEN))
def asks_go_for_what_it_has_found(patch: pytest.MonkeyPatch) -> None:
    """The look-up before the send has no consequence."""
    table = dict(work.TABLE) | {(work.Stage.CHECKING, work.Happening.FOUND): work.Stage.WRITING_INTENT}
    patch.setattr(work, "TABLE", table)


@mutant(Focus(faults=RESTORES, ways=THEN))
def does_not_look_before_the_send(patch: pytest.MonkeyPatch) -> None:
    """A message that is there is made again (stand-in for executor.py)."""
    reworded(patch, Profile, "check", {"if lease.whatsapp_id in self.messages:": "if False:"})


@mutant(Focus(faults=MOVES))
def looks_up_only_while_able(patch: pytest.MonkeyPatch) -> None:
    """A pause holds up what is open, for ever."""
    reworded(
        patch, agent.Channel, "_next", {"[*self._reconcile_next()]": "[*self._reconcile_next()] if self._able else []"}
    )


@mutant(Focus(faults=CUTS))
def fails_what_gave_no_answer(patch: pytest.MonkeyPatch) -> None:
    """A time-out counts as a failure."""
    words = {
        "return self._happen(Happening.UNCLEAR, now_ms)": "result = Ended(kind=pb.Outcome.KIND_FAILED, code='timeout', message='')"
    }
    reworded(patch, agent.Channel, "performed", words)


@mutant(Focus(faults=frozenset({"page_crash", "network_away"}), tension=0.15, luck={"no answer": 0.4}))
def voids_what_it_cannot_find(patch: pytest.MonkeyPatch) -> None:
    """The absence of a message counts as proof (stand-in for executor.judge)."""
    reworded(patch, Profile, "reconcile", {"return ABSENT": "return Ended(kind=pb.Outcome.KIND_VOID)"})


@mutant(Focus(faults=CUTS))
def voids_what_is_in_the_outbox(patch: pytest.MonkeyPatch) -> None:
    """A message without an acknowledgement counts as not sent (stand-in for executor.judge)."""
    words = {"return STAYED_PENDING if": "return Ended(kind=pb.Outcome.KIND_VOID) if"}
    reworded(patch, Profile, "reconcile", words)


@mutant()
def sets_a_contact_again_to_look_it_up(patch: pytest.MonkeyPatch) -> None:
    """What may have been cancelled, or have had no go, is done (stand-in for executor.reconcile)."""
    patch.setattr(Profile, "judge_contact", lambda self, lease: self._set_contact(lease, unanswered=False))


@mutant()
def believes_one_no(patch: pytest.MonkeyPatch) -> None:
    """One look-up proves that a number is not on WhatsApp."""
    patch.setattr(existence.Doubts, "not_found", lambda *_, **__: True)


@mutant()
def believes_noes_of_a_broken_network(patch: pytest.MonkeyPatch) -> None:
    """The channel's own number need not be found in between."""
    words = {"not (doubt.own_number_found and own_number_found)": "False"}
    reworded(patch, existence.Doubts, "not_found", words)


@mutant(
    Focus(
        faults=COPIES,
        ways=THEN,
        harm=0.02,
        tension=0.1,
        often={World.network_step: 10, World.tick: 6, World.desk_work: 0.3},
    ),
    runs=1000,
)
def numbers_entries_before_they_are_written(patch: pytest.MonkeyPatch) -> None:
    """A renewal in between leaves an entry with a number of the former id (journal.py's part is the simulator's)."""
    original, renewed, start = agent.Channel._append, agent.Channel.renewed, agent.Channel.__init__

    def init(self: agent.Channel, channel_id: int, journal: agent.JournalView, *, window: int = 8) -> None:
        start(self, channel_id, journal, window=window)
        self.journal.last = journal.last

    def append(self: agent.Channel, *given: object, **named: object) -> agent.Append:
        done = original(self, *given, **named)  # type: ignore[arg-type]
        self.journal.last += 1
        done.entries[0].sequence = self.journal.last
        return done

    def renew(self: agent.Channel, journal_id: str, last: int) -> Sequence[agent.Action]:
        self.journal.last = last
        return renewed(self, journal_id, last)

    patch.setattr(agent.Channel, "__init__", init)
    patch.setattr(agent.Channel, "_append", append)
    patch.setattr(agent.Channel, "renewed", renew)
    reworded(patch, Disk, "append", {"entry.sequence = number": "entry.sequence = entry.sequence or number"})


@mutant(Focus(faults=CUTS))
def does_not_sync_the_intent(patch: pytest.MonkeyPatch) -> None:
    """A crash takes the last intent with it (stand-in for journal.py)."""
    original = Desk.crash

    def crash(self: Desk) -> None:
        original(self)
        if self.disk.entries and self.disk.entries[-1].WhichOneof("fact") == "intent":
            self.disk.entries.pop()

    patch.setattr(Desk, "crash", crash)


@mutant(Focus(faults=CUTS))
def forgets_what_is_open(patch: pytest.MonkeyPatch) -> None:
    """The retention drops an intent without an end (stand-in for journal.py)."""
    reworded(patch, Disk, "forget", {"opened = self.view().open": "opened: dict[str, pb.Lease] = {}"})


@mutant(Focus(faults=FOLDERS | RESTORES))
def takes_acknowledgements_of_the_former_journal(patch: pytest.MonkeyPatch) -> None:
    """What was told of the former id counts for the new one."""
    reworded(patch, agent.Channel, "_acknowledge", {"if self.phase not in (Phase.HELLO, Phase.OFFLINE):": "if True:"})
    reworded(patch, agent.Channel, "receive", {"self.journal.acknowledged = 0": "pass"})


@mutant(Focus(faults=FOLDERS | RESTORES))
def keeps_what_the_former_journal_was_told(patch: pytest.MonkeyPatch) -> None:
    """A renewal does not begin at nothing."""
    reworded(patch, agent.Channel, "renewed", {"self.journal.acknowledged = 0": "pass"})
    reworded(patch, agent.Channel, "receive", {"self.journal.acknowledged = 0": "pass"})


@mutant(Focus(faults=CUTS))
def sends_pages_it_was_not_asked_for(patch: pytest.MonkeyPatch) -> None:
    """The recall's sequence is ignored."""
    reworded(patch, agent.Channel, "_recalled", {"after=recall.after_sequence": "after=0"})


@mutant(Focus(faults=CUTS))
def drops_what_was_written_during_the_pages(patch: pytest.MonkeyPatch) -> None:
    """Entries that became durable between two pages are never sent."""
    reworded(patch, agent.Channel, "_push", {"self._unsent += entries": "pass"})
