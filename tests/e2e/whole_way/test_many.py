"""Several accounts: two desktops, three channels, one hub. Each message leaves by its own channel's account, on its desktop."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.e2e import looking
from tests.e2e.whole_way.world import BASE, World, http
from tests.eventually import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

MOBILE = "12025550111"
EACH = 5


class Business:
    """A hub with the channels shop and stock on one desktop and office on another."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.keys = {"shop": world.key}
        for name in ("stock", "office"):
            world.ask("channel", "create", name, "--pace", "off")
            self.keys[name] = world.ask("session-api", "create", f"{name}-crm", "--channel", name)["key"]
        world.ask("channel", "move", "stock", "--to", "desktop")
        self.second = world.start_second_agent("office")
        for _ in range(2):
            world.scan()
        self.all_linked()
        self.accounts = {name: one["number"] for name, one in self.statuses().items()}

    def statuses(self) -> Mapping[str, Mapping[str, str]]:
        return {one["name"]: one["status"] for one in looking.channels(self.world.folder / "hub")}

    def all_linked(self) -> None:
        eventually(lambda: all(one["channel"] == "linked" for one in self.statuses().values()), 60)

    def send(self, channel: str, text: str) -> int:
        body = {"mobile": MOBILE, "message": text}
        headers = {"X-API-Key": self.keys[channel]}
        code, answer = http("POST", f"{self.world.http}{BASE}/send", body, **headers)
        assert code == 201, answer
        number: int = answer["data"]["message_id"]
        return number

    def by_account(self, *texts: str) -> Mapping[str, list[str]]:
        """Which of these arrived, in order: account → texts."""
        found: dict[str, list[str]] = {}
        for one in self.world.arrivals(*texts):
            found.setdefault(one["from"].partition("@")[0], []).append(one["body"])
        return found


@pytest.fixture(scope="module")
def business(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    folder: Path = tmp_path_factory.mktemp("business")
    world = World(folder)
    try:
        world.set_up()
        yield Business(world)
    finally:
        world.close()


def test_each_channels_messages_leave_by_its_own_account_and_one_browser_does_not_disturb_another(
    business: Business,
) -> None:
    world, accounts = business.world, business.accounts
    assert len(set(accounts.values())) == 3
    wanted = {accounts[name]: [f"{name} {number}" for number in range(EACH)] for name in business.keys}
    for number in range(EACH):
        for channel in business.keys:
            business.send(channel, f"{channel} {number}")
    texts = [text for of_one in wanted.values() for text in of_one]
    eventually(lambda: business.by_account(*texts) == wanted, 60, what="every message, by its own account, in order")

    world.end("second")
    waits = business.send("office", "while its desktop is off")
    business.send("shop", "meanwhile")
    eventually(lambda: business.by_account("meanwhile") == {accounts["shop"]: ["meanwhile"]})
    assert world.ask("operation", "show", str(waits))["operation"]["status"] == "pending"
    world.start("second")
    there = {accounts["office"]: ["while its desktop is off"]}
    eventually(lambda: business.by_account("while its desktop is off") == there, 60)


def test_a_channel_that_moves_to_another_desktop_takes_its_queue_along(business: Business) -> None:
    world, account = business.world, business.accounts["stock"]
    business.all_linked()
    business.send("stock", "before")
    eventually(lambda: business.by_account("before") == {account: ["before"]})
    world.ask("channel", "move", "stock", "--to", business.second)
    business.send("stock", "after")
    # The other desktop has no link of its own yet; the same account links it, and the queue goes on.
    eventually(lambda: http("POST", f"{world.twin}/_twin/scan", {"account": account})[0] == 200, what="a code to scan")
    eventually(lambda: business.by_account("before", "after") == {account: ["before", "after"]}, 60)
    assert world.end("second", signal.SIGTERM) == 0
