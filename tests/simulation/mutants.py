"""Small protocol faults, each put into the real logic: what the simulator must find.

Most replace a few words of one function by others; when the words are no longer there, `reworded` says so. Where the rule is kept at
the edge, which does I/O and is not played, the fault goes into the simulator's stand-in for it, and the docstring says of what.
"""

from __future__ import annotations
import __future__

import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType, ModuleType

import pytest
from messenger_hub_agent.delivery import channel as agent
from messenger_hub_agent.delivery import existence, work
from messenger_hub_server.delivery import channel as server
from messenger_hub_server.delivery import evidence, restoration
from messenger_hub_server.delivery.acceptance import Places
from messenger_hub_server.store import memory
from messenger_hub_server.store.memory import MemoryStore

from tests.simulation.desk import Desk, Disk
from tests.simulation.faults import FAULTS
from tests.simulation.hub import File, Hub
from tests.simulation.plan import Focus
from tests.simulation.play import ANY
from tests.simulation.whatsapp import Profile
from tests.simulation.world import World

Patch = Callable[[pytest.MonkeyPatch], None]

# Which faults a mutant's runs use.
CLOCKS = frozenset({"clock_jump", "server_crash"})
CUTS = frozenset({"cut", "server_crash", "agent_crash", "page_crash"})
FOLDERS = frozenset({"cut", "folder_lost", "folder_kept", "folder_rolled_back", "copy_started"})
MOVES = frozenset({"cut", "move", "forced_move", "agent_crash"})
RESTORES = frozenset({"cut", "database_kept", "database_restored"})
RESTORES_AND_CRASHES = RESTORES | {"agent_crash", "page_crash", "network_away"}
RESTORES_AND_MOVES = RESTORES | {"move", "forced_move", "folder_lost"}
COPIES = frozenset({"database_kept", "database_restored"})
ROLLED_BACK = frozenset({"folder_kept", "folder_rolled_back"})
NOW = ("file of now",)
THEN = ("disk of then",)
ALL = frozenset(fault.__name__ for fault in FAULTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A fault, what its runs have in common, and how many of them may pass until one finds it."""

    name: str
    why: str
    patch: Patch
    focus: Focus
    runs: int
    held_by: str


MUTANTS: dict[str, Mutant] = {}


def mutant(focus: Focus = ANY, *, runs: int = 400, held_by: str = "") -> Callable[[Patch], Patch]:
    """Puts a patch into the catalogue; its docstring says which rule it breaks. `held_by`: what makes it harmless in this hub."""

    def note(patch: Patch) -> Patch:
        name = patch.__name__  # type: ignore[attr-defined]
        why = inspect.getdoc(patch) or ""
        MUTANTS[name] = Mutant(name=name, why=why, patch=patch, focus=focus, runs=runs, held_by=held_by)
        return patch

    return note


def reworded(patch: pytest.MonkeyPatch, owner: type | ModuleType, name: str, words: Mapping[str, str]) -> None:
    """Replaces words in the source of a function. Raises ValueError when one of them is not there exactly once."""
    found = inspect.getattr_static(owner, name)
    function: FunctionType = found.__func__ if isinstance(found, staticmethod) else found
    source = textwrap.dedent(inspect.getsource(function))
    for old, new in words.items():
        if source.count(old) != 1:
            raise ValueError(f"{name} says {source.count(old)} times: {old}")
        source = source.replace(old, new)
    flags = __future__.annotations.compiler_flag
    made: dict[str, object] = {}
    code = compile(source, f"<mutant of {name}>", "exec", flags=flags)
    exec(code, function.__globals__, made)
    patch.setattr(owner, name, made[name])


# ---- the hub's hello --------------------------------------------------------------------------------------------------------


@mutant(Focus(faults=FOLDERS))
def takes_a_journal_that_is_older_than_what_it_has_seen(patch: pytest.MonkeyPatch) -> None:
    """The journal's last sequence is ignored."""
    reworded(patch, server.Channel, "_judge_journal", {"hello.last_sequence < stored.sequence": "False"})


@mutant(Focus(faults=RESTORES))
def takes_a_journal_with_a_gap(patch: pytest.MonkeyPatch) -> None:
    """What was forgotten before this copy saw it is not missed."""
    words = {
        "hello.first_sequence > stored.sequence + 1": "False",
        "attachment.sequence = stored.sequence": "attachment.sequence = max(stored.sequence, hello.first_sequence - 1)",
        "noticed = self._noticed(hello, stored, file)": "noticed = None",
    }
    reworded(patch, server.Channel, "_judge_journal", words)


@mutant(Focus(faults=COPIES | {"move", "forced_move"}, ways=THEN, harm=0.03, tension=0.05))
def does_not_notice_an_older_copy_by_what_a_journal_was_told(patch: pytest.MonkeyPatch) -> None:
    """`acknowledged_sequence` is ignored."""
    words = {"max(hello.acknowledged_sequence, forgotten)": "forgotten"}
    reworded(patch, server.Channel, "_noticed", words)


@mutant(
    held_by="what is forgotten was acknowledged, and of that the journal is told as well, unless a crash comes between"
)
def does_not_notice_an_older_copy_by_a_gap(patch: pytest.MonkeyPatch) -> None:
    """What a journal has forgotten says nothing."""
    words = {"max(hello.acknowledged_sequence, forgotten)": "hello.acknowledged_sequence"}
    reworded(patch, server.Channel, "_noticed", words)


@mutant(Focus(faults=RESTORES))
def counts_everything_as_older_than_the_copy(patch: pytest.MonkeyPatch) -> None:
    """The first id of this process is ignored: what was accepted since the copy came back is doubted too."""
    reworded(patch, server.Channel, "_noticed", {"before=self._first_id": "before=OperationId(2**60)"})


@mutant(Focus(faults=RESTORES))
def does_not_outbid_the_file(patch: pytest.MonkeyPatch) -> None:
    """The next epoch is one more than the copy's."""
    words = {"max(stored.epoch, hello.epoch, file.epoch)": "stored.epoch"}
    reworded(patch, server.Channel, "_judge_journal", words)
    reworded(patch, restoration, "marks", {"if file.epoch > stored:": "if False:"})


@mutant(Focus(faults=ROLLED_BACK, luck={"journal fault": 0.2}))
def takes_an_answer_to_another_hello(patch: pytest.MonkeyPatch) -> None:
    """Answers of the store to an earlier hello of the same stream count for the present one."""
    words = {"attachment if attachment is not None and attachment.id == hello else None": "attachment"}
    reworded(patch, server.Channel, "_attached", words)


@mutant(Focus(faults=RESTORES_AND_CRASHES))
def sweeps_before_the_pages(patch: pytest.MonkeyPatch) -> None:
    """What had started counts as unknown before the journal has told."""
    words = {"writes=[*mark, take])]": "writes=[*mark, take]), *self._sweep(attachment, stored, 0)]"}
    reworded(patch, server.Channel, "_judge_journal", words)


@mutant(Focus(faults=CUTS))
def sweeps_after_the_first_page(patch: pytest.MonkeyPatch) -> None:
    """The rest of the journal is not waited for."""
    reworded(
        patch,
        server.Channel,
        "_page_stored",
        {"not then.last or attachment.phase is not Phase.TOLD": "attachment.phase not in (Phase.PAGES, Phase.TOLD)"},
    )


@mutant(held_by="decisions are fenced by their lease, so what a needless look-up finds out changes nothing")
def says_welcome_before_its_noes(patch: pytest.MonkeyPatch) -> None:
    """The agent looks up what the hub would have said no to."""
    words = {
        "[*answers, self._send(then.hello.stream, welcome=welcome)]": "[self._send(then.hello.stream, welcome=welcome), *answers]"
    }
    reworded(patch, server.Channel, "_swept", words)


@mutant(held_by="decisions are fenced by their lease, so what a needless look-up finds out changes nothing")
def says_no_to_nothing(patch: pytest.MonkeyPatch) -> None:
    """Open intents that had not started are not told."""
    reworded(patch, server.Channel, "_swept", {"for lease_id in then.not_started": "for lease_id in ()"})


@mutant(Focus(faults=MOVES))
def keeps_the_streams_of_a_former_owner(patch: pytest.MonkeyPatch) -> None:
    """A move does not make both desktops say hello again."""
    words = {"for stream in list(self._streams)": "for stream in ()"}
    reworded(patch, server.Channel, "configure", words)


@mutant(Focus(faults=FOLDERS))
def takes_any_epoch(patch: pytest.MonkeyPatch) -> None:
    """Two streams may take the same one, or a lower one."""
    words = {'if epoch <= self._rows.epochs.get(channel_id, (0, JournalId("")))[0]:': "if False:"}
    reworded(patch, MemoryStore, "_one", words)
    reworded(patch, server.Channel, "_judge_journal", {"max(stored.epoch, hello.epoch, file.epoch) + 1": "1"})


@mutant(Focus(faults=FOLDERS))
def ignores_the_journal_id(patch: pytest.MonkeyPatch) -> None:
    """All journals of a channel share one sequence."""
    reworded(patch, MemoryStore, "_one", {"key = channel_id, journal_id": 'key = channel_id, JournalId("")'})
    words = {"(channel_id, journal_id), 0": '(channel_id, JournalId("")), 0'}
    reworded(patch, MemoryStore, "delivery_now", words)


@mutant(Focus(faults=CUTS))
def counts_an_entry_too_many(patch: pytest.MonkeyPatch) -> None:
    """The sequence runs ahead of what is stored."""
    reworded(patch, server.Channel, "_advance", {"sequence=attachment.sequence": "sequence=attachment.sequence + 1"})


@mutant(held_by="a stream that becomes ready looks once in any case")
def forgets_that_something_waits(patch: pytest.MonkeyPatch) -> None:
    """An empty claim under an epoch that is over says that nothing waits."""
    reworded(patch, server.Channel, "_claimed", {"self._work = True  #": "#"})


# ---- the hub's sweep, starts and answers ------------------------------------------------------------------------------------


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
    reworded(patch, MemoryStore, "_start", {" and operation.state is OperationState.LEASED": ""})


@mutant(Focus(faults=CUTS))
def cancels_what_has_started(patch: pytest.MonkeyPatch) -> None:
    """`started=False` is ignored."""
    reworded(patch, memory, "_holds", {"change.started is None": "True"})


@mutant(Focus(faults=CUTS))
def clears_what_has_started(patch: pytest.MonkeyPatch) -> None:
    """A session API is deleted, and what is on its way counts as failed."""
    reworded(patch, MemoryStore, "_change_queue", {" and not operation.lease.started": ""})


# ---- facts and decisions ----------------------------------------------------------------------------------------------------


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


# ---- an older copy ----------------------------------------------------------------------------------------------------------


@mutant(Focus(faults=RESTORES | {"move", "forced_move"}, ways=NOW))
def trusts_a_journal_that_took_over_later(patch: pytest.MonkeyPatch) -> None:
    """The witness is whichever journal the file names."""
    words = {"file.epoch and stored_epoch >= file.taken_over_at": "file.epoch"}
    reworded(patch, restoration, "witness", words)


@mutant(Focus(faults=RESTORES | {"move", "forced_move"}, ways=NOW))
def ends_the_mark_without_the_doubts(patch: pytest.MonkeyPatch) -> None:
    """After any hello the copy is believed."""
    reworded(
        patch, server.Channel, "_sweep", {"*restoration.doubts(stored.restored, attachment.journal_id, now_ms),": ""}
    )


@mutant(Focus(faults=RESTORES))
def never_ends_the_mark(patch: pytest.MonkeyPatch) -> None:
    """A restored channel stays one."""
    reworded(patch, server.Channel, "_sweep", {"EndRestored(channel_id=self.id),": ""})


@mutant(Focus(faults=RESTORES))
def doubts_what_the_witness_does_not_tell(patch: pytest.MonkeyPatch) -> None:
    """What was never started becomes uncertain too."""
    reworded(patch, restoration, "doubts", {"journal_id == mark.journal_id": "False"})


@mutant()
def adopts_in_any_hello(patch: pytest.MonkeyPatch) -> None:
    """An intent that never got go counts as a start."""
    reworded(patch, server.Channel, "_page", {"attachment.restored is not None": "True"})


@mutant(Focus(faults=COPIES, ways=NOW, harm=0.02, tension=0.15))
def never_adopts(patch: pytest.MonkeyPatch) -> None:
    """In a restored channel's hello an intent of a known operation is not its start."""
    reworded(patch, server.Channel, "_page", {"attachment.restored is not None": "False"})


@mutant(Focus(faults=RESTORES))
def imports_under_a_number_that_is_given_out(patch: pytest.MonkeyPatch) -> None:
    """A number of the journal is kept, though this process gives it out."""
    reworded(patch, evidence, "imported", {"number if number < free_to else spare_id": "number"})


@mutant(Focus(faults=RESTORES))
def imports_over_another_operation(patch: pytest.MonkeyPatch) -> None:
    """Whether the number is taken is not looked at."""
    reworded(patch, MemoryStore, "_import", {"write.spare_id if new.id in rows.operations else new.id": "new.id"})
    reworded(patch, evidence, "imported", {"number if number < free_to else spare_id": "number"})


@mutant(Focus(faults=COPIES, ways=NOW, harm=0.02, tension=0.02, keyed=0.8))
def imports_without_the_key(patch: pytest.MonkeyPatch) -> None:
    """A client's retry does not find what was imported."""
    reworded(patch, MemoryStore, "_import", {"idempotency=None if taken else new.idempotency": "idempotency=None"})


@mutant(Focus(faults=COPIES, ways=NOW, harm=0.02, tension=0.02, keyed=0.8))
def imports_beside_the_holder_of_the_key(patch: pytest.MonkeyPatch) -> None:
    """What was asked for again after the restore does not become what the journal tells."""
    words = {"return operation if waits or operation.state in NOT_SENT else None": "return None"}
    reworded(patch, MemoryStore, "_holder", words)


@mutant(Focus(faults=RESTORES, ways=NOW))
def imports_nothing(patch: pytest.MonkeyPatch) -> None:
    """An operation that only the journal knows is lost."""
    words = {"operation = self._holder(new, adopts=write.adopts)": "return False"}
    reworded(patch, MemoryStore, "_import", words)


@mutant(Focus(faults=RESTORES | MOVES))
def hands_out_while_it_is_restored(patch: pytest.MonkeyPatch) -> None:
    """An older copy that another desktop notices goes on as before: claims, and go for what it had handed out."""
    reworded(patch, MemoryStore, "_claim", {"or claim.channel_id in self._rows.restored": ""})
    reworded(patch, server.Channel, "_judge_journal", {"self._live = None": "pass"})
    words = {'*self._owner_again("the hub\'s database was found to be an older copy"), ': ""}
    reworded(patch, server.Channel, "_rolled_back", words)


@mutant(Focus(faults=COPIES, ways=NOW, harm=0.02, tension=0.05, timed=0.8))
def expires_on_a_restored_channel(patch: pytest.MonkeyPatch) -> None:
    """What the copy calls pending expires, though it may have been sent."""
    reworded(patch, MemoryStore, "_expire", {"and o.channel_id not in self._rows.restored": ""})


@mutant(Focus(faults=RESTORES, ways=NOW))
def decides_on_a_restored_channel(patch: pytest.MonkeyPatch) -> None:
    """A client cancels what the copy calls pending (stand-in for queue.py)."""
    old = "if not self.hub.running or self.hub.restored:"
    reworded(patch, World, "_decide", {old: "if not self.hub.running:"})


@mutant(Focus(faults=RESTORES))
def gives_out_the_same_numbers_again(patch: pytest.MonkeyPatch) -> None:
    """After a restore the copy's largest id is what the next ones follow."""
    words = {"max(limit, stored, now_ms // 10 if file_lost else 0) + SKIPPED": "stored"}
    reworded(patch, restoration, "next_limit", words)


@mutant(Focus(faults=RESTORES))
def does_not_notice_at_the_start(patch: pytest.MonkeyPatch) -> None:
    """The high-water file is not compared (stand-in for restoring.py)."""
    patch.setattr(Hub, "_notice_older_copy", lambda _: None)


@mutant(held_by="each epoch is higher than those of the database, the hello and the file, and is taken in order")
def lets_a_lower_epoch_name_the_journal(patch: pytest.MonkeyPatch) -> None:
    """The high-water file believes whoever wrote last (stand-in for highwater.py)."""
    reworded(
        patch,
        File,
        "take",
        {
            "taken.epoch <= before.epoch": "False",
            "epoch=taken.epoch, journal": "epoch=max(taken.epoch, before.epoch), journal",
        },
    )


# ---- accepting and leasing --------------------------------------------------------------------------------------------------


@mutant()
def answers_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    """A client is told, whatever becomes of the commit (stand-in for queue.py)."""
    words = {
        "if new.body not in self.oracle.accepted and new.idempotency is None:": "self.oracle.accept(new)\n        if False:"
    }
    reworded(patch, World, "accept", words)


@mutant()
def accepts_a_key_twice(patch: pytest.MonkeyPatch) -> None:
    """The idempotency record is not looked at."""
    old = "if new.idempotency and (holder := rows.idempotency.get(new.idempotency.key_hash)) is not None:"
    reworded(patch, MemoryStore, "_accept", {old: "if False:\n        holder = OperationId(0)"})


@mutant()
def leases_two_of_a_chat(patch: pytest.MonkeyPatch) -> None:
    """A chat that is busy gets another lease."""
    reworded(patch, MemoryStore, "_claim", {"if first and operation.lane not in busy and": "if first and"})


@mutant()
def overtakes_what_waits(patch: pytest.MonkeyPatch) -> None:
    """A later message of the chat goes while an earlier one is held."""
    reworded(patch, MemoryStore, "_claim", {"if first and": "if"})


@mutant()
def leases_the_latest_first(patch: pytest.MonkeyPatch) -> None:
    """The queue is a stack."""
    reworded(patch, MemoryStore, "_claim", {"(o.priority, o.place_ms, o.id)": "(o.priority, -o.place_ms, -o.id)"})


@mutant()
def places_by_the_clock(patch: pytest.MonkeyPatch) -> None:
    """What is accepted after the clock was set back stands before what waits."""
    patch.setattr(Places, "place", lambda _, now_ms: now_ms)


@mutant(Focus(faults=CLOCKS, harm=0.05, tension=0.05, often={World.accept: 3, World.hub_start: 3}))
def forgets_the_places_of_what_waits(patch: pytest.MonkeyPatch) -> None:
    """After a restart nobody knows how late the clock was before it was set back."""
    patch.setattr(MemoryStore, "latest_place_now", lambda _: 0)


# ---- the desktop ------------------------------------------------------------------------------------------------------------


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


@mutant(Focus(faults=COPIES | {"cut"}, ways=THEN, harm=0.03, tension=0.1))
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


# ---- the desktop's journal --------------------------------------------------------------------------------------------------


@mutant(Focus(faults=COPIES, ways=THEN, harm=0.06, tension=0.15, often={World.network_step: 10}))
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
