"""An older copy of the database (rule 11): what must not be believed until a hello has told what is missing.

Between the copy and now operations were leased, started, ended and accepted that the copy does not know. Whatever was started stands in
a journal, because a start needs an intent that is durable there. So a channel waits for the one journal that was written to all the
time; when another one says hello, what the copy calls open may have been sent, and becomes uncertain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from messenger_hub_server.model import (
    ChannelId,
    HighMark,
    JournalId,
    OperationId,
    OperationState,
    Problem,
    Restoration,
)
from messenger_hub_server.store.base import ChangeQueue, MarkRestored, TakeEpoch, Write

SKIPPED = 1_000_000
"""Operation ids that are left out after a restore: more than were given out since the copy was made."""


def next_limit(limit: int, stored: int, now_ms: int, *, file_lost: bool) -> int:
    """The operation id after which new ones are given out. `limit` is the high-water file's, `stored` the copy's largest.

    Without the file the clock is what grows: or a second restore of the same copy would give out the same numbers once more.
    """
    return max(limit, stored, now_ms // 10 if file_lost else 0) + SKIPPED


DOUBT = Problem(
    code="restored",
    message="The hub's database was restored, and this desktop's journal does not tell whether it was sent meanwhile: look into the "
    "chat on the phone, then resolve it.",
)


def witness(stored_epoch: int, file: HighMark) -> JournalId:
    """The journal that has seen everything since the copy was made; "" when it took over only later, or is not known."""
    return file.journal_id if file.epoch and stored_epoch >= file.taken_over_at else JournalId("")


def marks(epochs: Mapping[ChannelId, int], files: Mapping[ChannelId, HighMark], before: OperationId) -> Sequence[Write]:
    """The writes that mark channels as restored. `epochs` are the copy's; `files` says what is known from outside the database."""
    writes: list[Write] = []
    for channel_id, file in files.items():
        stored = epochs.get(channel_id, 0)
        mark = Restoration(channel_id=channel_id, journal_id=witness(stored, file), before=before)
        writes.append(MarkRestored(restoration=mark))
        if file.epoch > stored:
            # So that the next start does not take the database for an older copy once more.
            writes.append(TakeEpoch(channel_id=channel_id, epoch=file.epoch, journal_id=file.journal_id))
    return writes


def doubts(mark: Restoration, journal_id: JournalId, now_ms: int) -> Sequence[Write]:
    """What becomes of the copy's open operations once this journal has told all it knows; started ones are swept before."""
    if journal_id == mark.journal_id:
        return []
    return [
        ChangeQueue(
            channel_id=mark.channel_id,
            before=mark.before,
            leased_too=False,
            to=OperationState.UNCERTAIN,
            at_ms=now_ms,
            reason=DOUBT.message,
            problem=DOUBT,
        )
    ]
