"""A disk that fails under the server: what was acknowledged stays, what was refused for good never comes, what nobody can know is
called unknown, and a repeat with the same key settles it."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from tests.integration.server.hub import SECONDS
from tests.torture.storage.faults import Faulty, Verb
from tests.torture.storage.servers import CALLERS, Server, api_key, listed, server

LOG = "hub.db-wal"
FAULTS: dict[str, tuple[Verb, int, str]] = {
    "a sync that fails": ("sync", errno.EIO, LOG),
    "a write that fails": ("write", errno.EIO, LOG),
    "a write without room": ("write", errno.ENOSPC, LOG),
    "a disk gone read-only": ("readonly", errno.EROFS, "/data/"),
}
# SQLite says of these that nothing was written; of all others it cannot know.
NOTHING_COMES_BACK = {"a write without room"}
REFUSALS = 60
TORN = (1, 2, 3, 5, 8, 13, 40)
LONG = "x" * 4_000
"""So that the log is soon long enough to be moved into the database."""


@dataclass(slots=True)
class Answers:
    """What each idempotency key was told last: its id, or the code of its refusal, or "" when no answer came."""

    accepted: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    made: int = 0

    async def ask(self, running: Server, api: str) -> None:
        self.made += 1
        key = f"key-{self.made}"
        self.refused[key] = ""
        told = await running.ask(api, key)
        if told.status == 201:
            del self.refused[key]
            self.accepted[key] = told.id
        else:
            assert told.status == 503, told
            self.refused[key] = told.code

    async def at_once(self, running: Server, api: str) -> None:
        await asyncio.gather(*(self.ask(running, api) for _ in range(CALLERS)))

    def told(self, code: str) -> set[str]:
        return {key for key, told in self.refused.items() if told == code}

    async def check(self, running: Server, api: str) -> int:
        """Nothing acknowledged is lost, nothing refused for good is there; how many came of those that nobody knew of."""
        found = await listed(running, api)
        assert found.items() >= self.accepted.items(), "an acknowledged message is lost"
        assert not found.keys() & self.told("store_unavailable"), "a refused message is there"
        came = found.keys() & (self.told("outcome_unknown") | self.told(""))
        assert found.keys() == self.accepted.keys() | came
        for key in sorted(self.refused):
            number, replayed = await running.send(api, key)
            assert (replayed, number) == (key in came, found.get(key, number))
            self.accepted[key] = number
        self.refused.clear()
        assert await listed(running, api) == self.accepted
        return len(came)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("end", ["it works again", "the server is killed"])
async def test_a_failing_disk_loses_nothing_and_what_was_refused_does_not_come(
    tmp_path: Path, faulty: Faulty, fault: str, end: str
) -> None:
    answers = Answers()
    async with server(tmp_path / "data", faulty.environment) as running:
        api = await api_key(tmp_path / "data")
        await answers.at_once(running, api)
        assert len(answers.accepted) == CALLERS
        faulty.fail(*FAULTS[fault])
        while len(answers.refused) < REFUSALS:
            await answers.at_once(running, api)
        assert len(answers.accepted) == CALLERS, "nothing can be durable on such a disk"
        unknown = answers.told("outcome_unknown")
        assert unknown | answers.told("store_unavailable") == answers.refused.keys()
        assert bool(unknown) == (fault not in NOTHING_COMES_BACK)
        if end == "it works again":
            faulty.heal()
            await answers.check(running, api)
            await answers.at_once(running, api)
            assert not answers.refused
    async with server(tmp_path / "data") as running:
        await answers.check(running, api)


async def test_a_commit_whose_sync_failed_can_come_back_and_was_called_unknown(tmp_path: Path, faulty: Faulty) -> None:
    """Why the answer must not be a plain refusal: the row is there at the next start."""
    answers = Answers()
    async with server(tmp_path / "data", faulty.environment) as running:
        api = await api_key(tmp_path / "data")
        await answers.at_once(running, api)
        faulty.fail(*FAULTS["a sync that fails"])
        await answers.at_once(running, api)
    async with server(tmp_path / "data") as running:
        assert await answers.check(running, api) > 0


@pytest.mark.parametrize("file", [LOG, "hub.db"])
async def test_a_write_that_is_torn_by_the_end_of_the_process_costs_nothing_acknowledged(
    tmp_path: Path, faulty: Faulty, file: str
) -> None:
    """The log's last frame is half there; or a page of the database itself, while the log is moved into it."""
    answers = Answers()
    api = ""
    for nth in TORN:
        async with server(tmp_path / "data", faulty.environment, LONG) as running:
            api = api or await api_key(tmp_path / "data")
            await answers.check(running, api)
            faulty.fail("tear", nth, file)
            try:
                async with asyncio.timeout(SECONDS):
                    while True:
                        await answers.at_once(running, api)
            except aiohttp.ClientError:
                assert await running.process.wait() == -9
        faulty.heal()
    async with server(tmp_path / "data", more=LONG) as running:
        await answers.check(running, api)
