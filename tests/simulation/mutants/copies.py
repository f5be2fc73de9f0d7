"""Faults around an older copy of the database."""

from __future__ import annotations

import pytest
from messenger_hub_server.delivery import channel as server
from messenger_hub_server.delivery import evidence, restoration
from messenger_hub_server.store.memory.writes import Writer

from tests.simulation.hub import File, Hub
from tests.simulation.mutants.catalogue import (
    COPIES,
    MOVES,
    NOW,
    RESTORES,
    mutant,
    reworded,
)
from tests.simulation.plan import Focus
from tests.simulation.world import World


@mutant(
    Focus(
        faults=RESTORES | {"move", "forced_move"},
        ways=NOW,
        harm=0.02,
        tension=0.1,
        often={World.desk_page: 0.5, World.accept: 0.5},
    ),
    runs=1000,
)
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
    reworded(patch, Writer, "_import", {"write.spare_id if new.id in rows.operations else new.id": "new.id"})
    reworded(patch, evidence, "imported", {"number if number < free_to else spare_id": "number"})


@mutant(Focus(faults=COPIES, ways=NOW, harm=0.02, tension=0.02, keyed=0.8))
def imports_without_the_key(patch: pytest.MonkeyPatch) -> None:
    """A client's retry does not find what was imported."""
    reworded(patch, Writer, "_import", {"idempotency=None if taken else new.idempotency": "idempotency=None"})


@mutant(Focus(faults=COPIES, ways=NOW, harm=0.02, tension=0.02, keyed=0.8))
def imports_beside_the_holder_of_the_key(patch: pytest.MonkeyPatch) -> None:
    """What was asked for again after the restore does not become what the journal tells."""
    words = {"return operation if waits or operation.state in NOT_SENT else None": "return None"}
    reworded(patch, Writer, "_holder", words)


@mutant(Focus(faults=RESTORES, ways=NOW))
def imports_nothing(patch: pytest.MonkeyPatch) -> None:
    """An operation that only the journal knows is lost."""
    words = {"operation = self._holder(new, adopts=write.adopts)": "return False"}
    reworded(patch, Writer, "_import", words)


@mutant(Focus(faults=RESTORES | MOVES))
def hands_out_while_it_is_restored(patch: pytest.MonkeyPatch) -> None:
    """An older copy that another desktop notices goes on as before: claims, and go for what it had handed out."""
    reworded(patch, Writer, "_claimed", {"or claim.channel_id in self._rows.restored": ""})
    reworded(patch, server.Channel, "_judge_journal", {"self._live = None": "pass"})
    words = {'*self._owner_again("the hub\'s database was found to be an older copy"), ': ""}
    reworded(patch, server.Channel, "_rolled_back", words)


@mutant(Focus(faults=COPIES, ways=NOW, harm=0.02, tension=0.05, timed=0.8))
def expires_on_a_restored_channel(patch: pytest.MonkeyPatch) -> None:
    """What the copy calls pending expires, though it may have been sent."""
    reworded(patch, Writer, "_expire", {"and o.channel_id not in self._rows.restored": ""})


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
