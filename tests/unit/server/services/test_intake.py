"""When what is accepted is over."""

from __future__ import annotations

from pathlib import Path

from messenger_hub.runtime.clock import SystemClock
from messenger_hub.runtime.folder import PrivateFolder
from messenger_hub_server.highwater import HighWater
from messenger_hub_server.lines import Lines
from messenger_hub_server.model import LATEST_MS, ChannelId, SessionApi, SessionApiId
from messenger_hub_server.queue import Queue
from messenger_hub_server.services.intake import Intake
from messenger_hub_server.store.memory.store import MemoryStore
from messenger_hub_server.watch import News

HOURLY = SessionApi(id=SessionApiId(1), name="shop", channel_id=ChannelId(1), default_lifetime_seconds=3_600)


def test_a_default_lifetime_counts_from_send_at_and_ends_with_time_itself(tmp_path: Path) -> None:
    """A later time than that could not be told to a desktop."""
    queue = Queue(MemoryStore(), HighWater(PrivateFolder(tmp_path)), Lines(), News(), SystemClock())
    intake, next_year = Intake(queue, SystemClock()), SystemClock().now_ms() + 365 * 86_400_000
    assert intake.expires_at_ms(HOURLY, None, next_year) == next_year + 3_600_000
    assert intake.expires_at_ms(HOURLY, None, LATEST_MS) == LATEST_MS
