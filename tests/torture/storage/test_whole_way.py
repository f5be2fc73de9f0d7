"""A disk that fails for a while under the server or under the agent, while messages are on their way."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.whole_way.world import World
from tests.eventually import eventually
from tests.torture.storage.faults import Faulty, Verb

pytestmark = pytest.mark.e2e

DONE = ("sent", "delivered", "read")
LOGS = {"server": "hub.db-wal", "agent": "journal.db-wal"}
FAULTS: dict[str, tuple[Verb, int]] = {
    "a sync fails": ("sync", errno.EIO),
    "a write fails": ("write", errno.EIO),
    "there is no room": ("write", errno.ENOSPC),
}
REFUSALS = 5


class Spoilt(World):
    """A world whose server and agent have disks that a test may spoil."""

    def __init__(self, folder: Path, library: Path) -> None:
        super().__init__(folder)
        self.disks = {name: Faulty(library, folder / f"{name}.order") for name in LOGS}

    def _environment(self, name: Any) -> Mapping[str, str]:
        spoilt = self.disks[name].environment if name in self.disks else {}
        return {**super()._environment(name), **spoilt}

    def log_of(self, name: str) -> str:
        """What it has logged so far."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")

    def try_to_send(self, text: str) -> tuple[int, str]:
        """The operation's id, or 0 and why not."""
        code, answer = self.call("POST", "/send", {"mobile": "12025550112", "message": text})
        if code == 201:
            return int(answer["data"]["message_id"]), ""
        assert code == 503, answer
        return 0, str(answer["code"])


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory, _library: Path) -> Iterator[Spoilt]:
    world = Spoilt(tmp_path_factory.mktemp("spoilt"), _library)
    try:
        world.set_up()
        yield world
    finally:
        world.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_whose_disk_fails_for_a_while_goes_on_and_sends_what_it_accepted(spoilt: Spoilt, fault: str) -> None:
    """Nothing of it ends; nothing that it refused is sent; what nobody could know is there once, or not at all."""
    before = [spoilt.send(f"{fault}: before {i}") for i in range(6)]
    verb, number = FAULTS[fault]
    spoilt.disks["server"].fail(verb, number, LOGS["server"])
    told: dict[str, tuple[int, str]] = {}
    while sum(code != "" for _, code in told.values()) < REFUSALS:
        text = f"{fault}: meanwhile {len(told)}"
        told[text] = spoilt.try_to_send(text)
    # The agent's stream is ended by the first of its commits that fails; it comes back, and its hello is read from this disk.
    eventually(lambda: spoilt.log_of("server").count("channel restarted") >= 2 or None, what="a hello on a spoilt disk")
    assert spoilt.runs("server"), "the server ended"
    spoilt.disks["server"].heal()
    after = [spoilt.send(f"{fault}: after {i}") for i in range(3)]
    for operation in (*before, *(one for one, _ in told.values() if one), *after):
        spoilt.reaches(operation, *DONE, seconds=60)
    assert spoilt.runs("server")
    arrived = spoilt.received()
    for i in range(6):
        assert arrived.count(f"{fault}: before {i}") == 1
    for text, (operation, code) in told.items():
        most = 1 if operation or code == "outcome_unknown" else 0
        assert (1 if operation else 0) <= arrived.count(text) <= most, f"{text} ({code})"


@pytest.mark.parametrize("fault", FAULTS)
def test_an_agent_whose_disk_fails_for_a_while_sends_everything_once(spoilt: Spoilt, fault: str) -> None:
    numbers = [spoilt.send(f"{fault} at the agent: {i}") for i in range(4)]
    verb, number = FAULTS[fault]
    failed = spoilt.log_of("agent").count("journal not usable")
    spoilt.disks["agent"].fail(verb, number, LOGS["agent"])
    numbers += [spoilt.send(f"{fault} at the agent: {i}") for i in range(4, 8)]
    eventually(lambda: spoilt.log_of("agent").count("journal not usable") > failed or None, what="a journal that fails")
    assert spoilt.runs("agent")
    spoilt.disks["agent"].heal()
    for operation in numbers:
        spoilt.reaches(operation, *DONE, "uncertain", seconds=60)
    arrived = spoilt.received()
    states = [spoilt.operation(operation)["status"] for operation in numbers]
    for i, state in enumerate(states):
        assert arrived.count(f"{fault} at the agent: {i}") == 1 or state == "uncertain"
    # Its browser goes with the channel's run: the one message that it held may be in doubt.
    assert states.count("uncertain") <= 1
