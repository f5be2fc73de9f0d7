"""A back-up is put back under a desktop that has sent more since."""

from __future__ import annotations

from pathlib import Path

import pytest
from messenger_hub_agent import checking

from tests.e2e.whole_way.world import World

pytestmark = pytest.mark.e2e

DONE = ("sent", "delivered", "read")
FAR = 900_000


def test_what_was_sent_since_the_back_up_is_known_again_and_not_sent_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESSENGER_HUB_BACKUP_PASSPHRASE", "correct horse battery")
    world.end("agent")
    waited = world.send("open in the back-up")
    world.ask("backup", str(tmp_path / "hub.backup"))
    world.start("agent")
    texts = [f"since the back-up {number}" for number in range(3)]
    numbers = [waited, *(world.send(text) for text in texts)]
    for number in numbers:
        world.reaches(number, *DONE)
    world.end("server")
    told = world.ask("restore", str(tmp_path / "hub.backup"), "--yes")
    assert (told["channels_waiting"], told["operations_open"], told["witnessed"]) == (["shop"], 1, True)
    world.start("server")
    fresh = world.send("after the restore")
    assert fresh > max(numbers) + FAR
    world.reaches(fresh, *DONE)
    assert {world.operation(number)["status"] for number in numbers} <= {*DONE}
    all_texts = ["open in the back-up", *texts, "after the restore"]
    assert [line["body"] for line in world.arrivals(*all_texts)] == all_texts
    assert world.ask("check")["sound"]
    assert (world.folder / "desktop" / "agent" / "credential.json").exists()
    assert [*checking.check(world.folder / "desktop" / "agent", lambda step: None)] == []
