"""Faults of the hub's hello."""

from __future__ import annotations

import pytest
from messenger_hub_server.delivery import channel as server
from messenger_hub_server.delivery import restoration
from messenger_hub_server.store.memory.store import MemoryStore
from messenger_hub_server.store.memory.writes import Writer

from tests.simulation.mutants.catalogue import (
    COPIES,
    CUTS,
    FOLDERS,
    MOVES,
    RESTORES,
    RESTORES_AND_CRASHES,
    ROLLED_BACK,
    THEN,
    mutant,
    reworded,
)
from tests.simulation.plan import Focus
from tests.simulation.world import World


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
    reworded(patch, server.Channel, "_noticed", {"before=self._first_id()": "before=OperationId(2**60)"})


@mutant(Focus(faults=RESTORES))
def does_not_outbid_the_file(patch: pytest.MonkeyPatch) -> None:
    """The next epoch is one more than the copy's."""
    words = {"max(stored.epoch, hello.epoch, file.epoch)": "stored.epoch"}
    reworded(patch, server.Channel, "_judge_journal", words)
    reworded(patch, restoration, "marks", {"if file.epoch > stored:": "if False:"})


@mutant(
    Focus(
        faults=ROLLED_BACK,
        luck={"journal fault": 0.2},
        harm=0.05,
        tension=0.03,
        timed=0.5,
        often={World.cancel: 0.3, World.hub_store: 0.3},
    ),
    runs=1000,
)
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
    reworded(patch, Writer, "apply", words)
    reworded(patch, server.Channel, "_judge_journal", {"max(stored.epoch, hello.epoch, file.epoch) + 1": "1"})


@mutant(Focus(faults=FOLDERS))
def ignores_the_journal_id(patch: pytest.MonkeyPatch) -> None:
    """All journals of a channel share one sequence."""
    reworded(patch, Writer, "apply", {"key = channel_id, journal_id": 'key = channel_id, JournalId("")'})
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
