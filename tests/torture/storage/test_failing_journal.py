"""The agent's journal on a disk that fails: what `append` kept is there, what it called nothing never comes."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from messenger_hub_agent.journal import Journal

from tests.torture.storage.faults import Faulty, Verb

LOG = "journal.db-wal"
FAULTS: dict[str, tuple[Verb, int, str]] = {
    "a sync that fails": ("sync", errno.EIO, LOG),
    "a write that fails": ("write", errno.EIO, LOG),
    "a write without room": ("write", errno.ENOSPC, LOG),
    "a disk gone read-only": ("readonly", errno.EROFS, "journal.db"),
}
NOTHING_COMES_BACK = {"a write without room"}
ENTRIES = 6


class Appending:
    """A process that appends, and what it said of each entry."""

    def __init__(self, file: Path, environment: Mapping[str, str]) -> None:
        self.told: dict[str, str] = {}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.storage.appending", str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    def append(self, *numbers: int) -> list[str]:
        """What it says of each; "" when it died."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        said = []
        for number in numbers:
            self.process.stdin.write(f"{number}\n")
            self.process.stdin.flush()
            said.append(self.process.stdout.readline().partition(" ")[0])
            self.told[str(number)] = said[-1]
        return said


@contextmanager
def appending(file: Path, faulty: Faulty) -> Iterator[Appending]:
    one = Appending(file, faulty.environment)
    try:
        yield one
    finally:
        one.process.kill()
        with one.process:
            pass


async def kept(file: Path) -> list[str]:
    journal = await Journal.open(file)
    entries = await journal.read(0, 10_000, 10_000)
    view = await journal.view()
    await journal.close()
    assert [entry.sequence for entry in entries] == list(range(1, view.last + 1))
    return [entry.whatsapp_id for entry in entries]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("end", ["it works again", "the agent is killed"])
async def test_what_append_kept_is_there_and_what_it_called_nothing_is_not(
    tmp_path: Path, faulty: Faulty, fault: str, end: str
) -> None:
    file = tmp_path / "journal.db"
    with appending(file, faulty) as agent:
        assert set(agent.append(*range(ENTRIES))) == {"kept"}
        faulty.fail(*FAULTS[fault])
        said = set(agent.append(*range(ENTRIES, 2 * ENTRIES)))
        assert said <= {"unknown", "nothing"}, "nothing can be durable on such a disk"
        assert ("unknown" in said) == (fault not in NOTHING_COMES_BACK)
        if end == "it works again":
            faulty.heal()
            assert set(agent.append(*range(2 * ENTRIES, 3 * ENTRIES))) == {"kept"}
    faulty.heal()
    there = await kept(file)
    sure = [number for number, told in agent.told.items() if told == "kept"]
    maybe = {number for number, told in agent.told.items() if told == "unknown"}
    assert [number for number in there if number not in maybe] == sure
    if fault == "a sync that fails" and end == "the agent is killed":
        assert maybe & {*there}, "the entry came back: it must not have been called nothing"


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5, 9])
async def test_a_torn_last_frame_costs_nothing_that_append_kept(tmp_path: Path, faulty: Faulty, nth: int) -> None:
    file = tmp_path / "journal.db"
    with appending(file, faulty) as agent:
        agent.append(*range(ENTRIES))
        faulty.fail("tear", nth, LOG)
        number = ENTRIES
        while agent.append(number) == ["kept"]:
            number += 1
        assert agent.process.wait(10) == -signal.SIGKILL
        assert agent.told[str(number)] == ""
    faulty.heal()
    sure = [number for number, told in agent.told.items() if told == "kept"]
    assert await kept(file) == sure
