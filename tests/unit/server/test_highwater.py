"""What the high-water file knows, and what is known when a back-up's is put beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from messenger_hub.runtime.folder import FolderUnusable, PrivateFolder
from messenger_hub_server.backup import knowledge
from messenger_hub_server.highwater import NAME, HighWater, HighWaterLost, parse
from messenger_hub_server.model import ChannelId, HighMark, JournalId
from messenger_hub_server.store.base import HighMarks, TakeEpoch

OLD = b'{"operation_id_limit":1000,"channels":{"1":{"epoch":5,"journal_id":"j","taken_over_at":2}}}'
NEW = b'{"operation_id_limit":3000,"channels":{"1":{"epoch":9,"journal_id":"k","taken_over_at":7},"2":{"epoch":1,"journal_id":"l","taken_over_at":1}}}'


def test_a_file_of_the_folder_that_is_newer_than_the_back_up_is_kept_and_believed() -> None:
    known = knowledge.high_water(own=NEW, backup=OLD)
    assert (parse(known.content), known.lost) == (parse(NEW), False)


@pytest.mark.parametrize("own", [None, b"", b"{", OLD, b'{"operation_id_limit":9000}'])
def test_a_file_that_is_missing_damaged_or_older_somewhere_says_nothing_of_the_time_since(own: bytes | None) -> None:
    known = knowledge.high_water(own=own, backup=NEW)
    assert known.lost
    assert parse(known.content).channels == parse(NEW).channels
    assert parse(known.content).operation_id_limit == (9000 if own and b"9000" in own else 3000)


@pytest.mark.parametrize(
    ("operation_id", "epochs"), [(1001, {}), (1, {ChannelId(1): 6}), (1, {ChannelId(1): 5, ChannelId(2): 1})]
)
def test_a_database_that_knows_more_than_the_file_is_not_served(
    tmp_path: Path, operation_id: int, epochs: dict[ChannelId, int]
) -> None:
    (tmp_path / NAME).write_bytes(OLD)
    with pytest.raises(HighWaterLost, match="restore --in-place"):
        HighWater(PrivateFolder(tmp_path)).is_ahead(HighMarks(operation_id=operation_id, epochs=epochs))


def test_commits_of_an_epoch_that_fail_again_and_again_make_no_older_copy_of_the_database(tmp_path: Path) -> None:
    file = HighWater(PrivateFolder(tmp_path))
    for epoch in (1, 2, 3):  # the first is committed, the others are not
        taken = TakeEpoch(channel_id=ChannelId(1), epoch=epoch, journal_id=JournalId("j"), stored=min(epoch - 1, 1))
        file.take([taken])
    again = HighWater(PrivateFolder(tmp_path))
    assert not again.is_ahead(HighMarks(operation_id=0, epochs={ChannelId(1): 1}))
    assert again.is_ahead(HighMarks(operation_id=0, epochs={}))


def test_a_file_of_a_version_that_did_not_note_the_databases_epoch_still_tells_an_older_copy(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(OLD)
    file = HighWater(PrivateFolder(tmp_path))
    assert not file.is_ahead(HighMarks(operation_id=0, epochs={ChannelId(1): 4}))
    assert file.is_ahead(HighMarks(operation_id=0, epochs={ChannelId(1): 3}))


def test_of_the_registrys_ids_the_larger_ones_stay() -> None:
    merged = knowledge.registry_ids(own=b'{"channel":4,"agent":1}', backup=b'{"channel":2,"session_api":7}')
    assert merged == b'{"agent":1,"channel":4,"session_api":7}'
    assert knowledge.registry_ids(own=b"damaged", backup=b'{"channel":2}') == b'{"channel":2}'


def test_a_damaged_file_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"{")
    with pytest.raises(FolderUnusable, match="restore --in-place"):
        HighWater(PrivateFolder(tmp_path))


def test_a_journal_that_is_forgotten_takes_over_anew_at_its_next_hello(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(OLD)
    HighWater(PrivateFolder(tmp_path)).forget_journals({ChannelId(1): 4, ChannelId(2): 8})
    again = HighWater(PrivateFolder(tmp_path))
    assert again.mark(ChannelId(1)) == HighMark(epoch=5, journal_id=JournalId(""), taken_over_at=5)
    assert again.mark(ChannelId(2)) == HighMark(epoch=8, journal_id=JournalId(""), taken_over_at=8)
    again.take([TakeEpoch(channel_id=ChannelId(1), epoch=6, journal_id=JournalId("j"))])
    assert again.mark(ChannelId(1)).taken_over_at == 6
