"""The agent's journal on a real file."""

from pathlib import Path

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_agent.journal import Journal

DAY_MS = 86_400_000


def entry(sequence: int, *, lease: str = "", outcome: int = 0, at_ms: int = 0) -> pb.JournalEntry:
    made = pb.JournalEntry(sequence=sequence, whatsapp_id=f"3EB0{lease or 'X'}", lease_id=lease)
    made.at.FromMilliseconds(at_ms)
    if outcome:
        made.outcome.kind = pb.Outcome.Kind.ValueType(outcome)
    else:
        made.intent.lease_id, made.intent.whatsapp_id = lease, made.whatsapp_id
        made.intent.send_text.text = "text"
    return made


async def test_what_was_appended_is_there_after_opening_again(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "journal.db")
    empty = await journal.view()
    assert (empty.first, empty.last, len(empty.journal_id)) == (1, 0, 32)
    await journal.append([entry(1, lease="a", at_ms=5), entry(2, lease="b", at_ms=7)])
    await journal.append([entry(3, lease="a", outcome=pb.Outcome.KIND_SENT)])
    await journal.save_epoch(4)
    await journal.save_epoch(3)
    await journal.close()
    journal = await Journal.open(tmp_path / "journal.db")
    view = await journal.view()
    assert (view.journal_id, view.first, view.last, view.epoch) == (empty.journal_id, 1, 3, 4)
    assert (list(view.open), view.known, view.last_message_at_ms) == (["b"], {"3EB0a": 1}, 7)
    assert [one.sequence for one in await journal.read(1, 3, 1)] == [2]
    await journal.close()


async def test_a_renewed_journal_has_a_new_id_and_counts_from_one(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "journal.db")
    before = await journal.view()
    await journal.append([entry(1, lease="a"), entry(2, lease="a", outcome=pb.Outcome.KIND_SENT), entry(3, lease="b")])
    await journal.forget(2, DAY_MS)
    journal_id, last = await journal.renew()
    assert (journal_id != before.journal_id, last) == (True, 1)
    assert [(one.sequence, one.lease_id) for one in await journal.read(0, 9, 9)] == [(1, "b")]
    await journal.close()


async def test_only_what_the_server_has_and_is_old_and_ended_is_forgotten(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "journal.db")
    ended = [entry(1, lease="a"), entry(2, lease="a", outcome=pb.Outcome.KIND_SENT)]
    await journal.append([*ended, entry(3, lease="b"), entry(4, lease="c", at_ms=2 * DAY_MS)])
    assert await journal.forget(0, DAY_MS) == 1
    assert await journal.forget(4, DAY_MS) == 3
    await journal.append([entry(5, lease="b", outcome=pb.Outcome.KIND_VOID, at_ms=2 * DAY_MS)])
    assert await journal.forget(5, DAY_MS) == 4
    await journal.close()


async def test_erased_people_leave_the_file_and_what_is_open_keeps_what_it_needs(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "journal.db")
    written = [entry(1, lease="a"), entry(2, lease="b"), entry(3, lease="c")]
    for one, words in zip(written, ("alpha secret", "beta secret", "gamma secret"), strict=True):
        one.intent.send_text.text = words * 300
        one.intent.provenance.reference = f"reference {words}"
    await journal.append([*written, entry(4, lease="a", outcome=pb.Outcome.KIND_SENT)])
    await journal.append([entry(5, lease="c", outcome=pb.Outcome.KIND_SENT)])
    before = await journal.view()
    assert await journal.blank(["3EB0a", "3EB0b"]) == 1
    after = await journal.view()
    assert (after.known, list(after.open), after.last_message_at_ms) == (before.known, ["b"], before.last_message_at_ms)
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert [word in held for word in (b"alpha secret", b"beta secret", b"gamma secret")] == [False, True, True]
    await journal.close()
