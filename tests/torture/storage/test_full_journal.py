"""The agent's journal on a full disk: `append` raises, a fresh view tells what is there, and it goes on once there is room."""

from __future__ import annotations

import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime.database import DatabaseError
from messenger_hub_agent.journal import Journal

from tests.torture.storage.disks import Disk

MOST_ENTRIES = 3_000


def intent(sequence: int) -> pb.JournalEntry:
    lease = pb.Lease(lease_id=f"{sequence:016x}", whatsapp_id=f"3EB0{sequence:018X}")
    lease.send_text.text = "x" * 3_000
    entry = pb.JournalEntry(sequence=sequence, lease_id=lease.lease_id, whatsapp_id=lease.whatsapp_id, intent=lease)
    entry.at.FromMilliseconds(sequence)
    return entry


async def appended_until_full(journal: Journal, last: int) -> int:
    """Appends two entries at a time until that is refused; the number of the last one that was not."""
    while last < MOST_ENTRIES:
        try:
            await journal.append([intent(last + 1), intent(last + 2)])
        except DatabaseError:
            return last
        last += 2
    raise AssertionError("the disk never got full")


async def check(journal: Journal, last: int) -> None:
    view = await journal.view()
    assert (view.first, view.last, len(view.open)) == (1, last, last)
    kept = await journal.read(0, last + 10, MOST_ENTRIES)
    assert [entry.sequence for entry in kept] == list(range(1, last + 1))
    assert kept[-1] == intent(last)


async def test_what_append_refused_is_not_there_and_what_it_took_is(small: Disk) -> None:
    journal = await Journal.open(small.folder / "journal.db")
    await journal.append([intent(1), intent(2)])
    small.fill()
    last = await appended_until_full(journal, 2)
    await check(journal, last)
    with pytest.raises(DatabaseError):
        await journal.append([intent(last + 1)] * 1 + [intent(last + 2)])
    await check(journal, last)
    small.free()
    await journal.append([intent(last + 1)])
    await check(journal, last + 1)
    await journal.close()
    journal = await Journal.open(small.folder / "journal.db")
    await check(journal, last + 1)
    await journal.close()
