"""What an operator decides on the command line happens on the desktop."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from messenger_hub.admin.v1 import hub_admin_service_pb2 as pb
from messenger_hub_cli.running_hub import running_hub
from PIL import Image

from tests.e2e.whole_way.world import SECONDS, World, http
from tests.eventually import eventually

pytestmark = pytest.mark.e2e


@contextmanager
def link(world: World, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A person links the channel in a terminal, and goes away when the test ends."""
    command = ("channel", "link", "shop", *options, "--data-dir", str(world.folder / "hub"))
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "messenger_hub_cli", *command],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as linking:  # fmt: skip
        try:
            yield linking
        finally:
            linking.kill()


def test_a_channel_is_unlinked_and_linked_again_with_a_code_to_type(world: World) -> None:
    account = world.status()["number"]
    world.ask("channel", "unlink", "shop", "--yes")
    eventually(lambda: world.status()["channel"] == "unlinked")
    waiting = world.send("waits for the link")
    with link(world, "--phone", account) as linking:
        assert linking.stdout is not None
        code = next(found[1] for line in linking.stdout if (found := re.fullmatch(r" +([A-Z0-9]{8})\n", line)))
        world.phones("pair", code=code, account=account)
        assert f"linked as {account}" in linking.stdout.read()
        assert linking.wait(SECONDS) == 0
    world.reaches(waiting, "sent", "delivered", "read")


def test_a_page_that_has_stopped_showing_codes_shows_one_to_whoever_links(world: World) -> None:
    account = world.status()["number"]
    world.phones("codes", count=0)  # before the page comes back and gets its codes
    world.phones("logout", account=account)
    assert "messenger-hub channel link" in world.says("shows no more codes")
    world.phones("codes")
    assert http("POST", f"{world.twin}/_twin/scan", {})[0] == 409  # nobody links, so nobody has asked for a code
    with link(world) as linking:
        assert linking.stdout is not None
        assert any(line.startswith("On the phone: ") for line in linking.stdout)
        world.scan(account=account)
        said = linking.stdout.read()
        assert f"linked as {account}" in said
        assert linking.wait(SECONDS) == 0
    world.reaches(world.send("after the new code"), "read")


def test_the_page_is_pictured_as_it_is_now(world: World) -> None:
    file = world.folder / "page.jpg"
    taken = world.ask("channel", "picture", "shop", str(file))
    with Image.open(file) as shown:
        assert (shown.format, file.stat().st_size) == ("JPEG", taken["bytes"])
    assert file.stat().st_mode & 0o777 == 0o600


async def looks(world: World, channel: str) -> Sequence[pb.ListChecksResponse.Check]:
    async with running_hub(world.folder / "hub") as hub:
        answer: pb.ListChecksResponse = await hub.hub.ListChecks(pb.ListChecksRequest(channel=channel))
        return answer.checks


def test_the_desktop_tells_of_its_browser_its_disk_and_its_page_while_it_works(world: World) -> None:
    number = world.send("while it is looked at")
    found = asyncio.run(looks(world, "shop"))
    told = {one.name: one.said for one in found}
    assert re.fullmatch(r"Chrom\w+/[\d.]+ works", told["Browser"])
    assert told["Clock"] == "agrees with the hub's"
    assert told["Data folder"] == "for its owner only" and told["Disk"].endswith("GiB free")
    assert "wa-js " in told["Versions"] and "Python " in told["Versions"]
    assert re.fullmatch(r"WhatsApp Web [\d.]+ has everything that sending needs", told["WhatsApp Web"])
    (page,) = [one for one in found if one.HasField("bindings")]
    assert "ChatStore" in page.bindings.resolved and page.bindings.missing and page.channel == "shop"
    world.reaches(number, "read")


def test_a_paused_channel_sends_nothing_and_its_queue_can_be_cleared(world: World) -> None:
    world.ask("channel", "pause", "shop", "--reason", "Back on Monday")
    status = world.status()
    assert (status["channel"], status["can_send"]) == ("paused", False)
    assert "Back on Monday" in status["reason"]
    numbers = [world.send(f"cleared {i}") for i in range(3)]
    assert world.ask("channel", "clear-queue", "shop", "--yes")["cancelled"] == 3
    world.ask("channel", "resume", "shop")
    world.reaches(world.send("after the pause"), "read")
    assert world.received(*(f"cleared {i}" for i in range(3))) == []
    assert {world.operation(number)["status"] for number in numbers} == {"cancelled"}


def test_an_uncertain_message_is_sent_again_when_a_person_says_so_and_once(world: World) -> None:
    world.phones("fail", count=1)
    number = world.send("perhaps")
    world.reaches(number, "uncertain")
    decided = world.ask("operation", "resolve", str(number), "--send-again", "--reason", "not on the phone")
    successor = max(world.operation_ids())
    assert successor != number
    world.reaches(successor, "read")
    assert world.operation(number)["error"]["code"] == "resent"
    assert len(world.arrivals("perhaps")) == 1
    assert decided


def test_a_passkey_that_linking_waits_for_is_told(world: World) -> None:
    account = world.status()["number"]
    world.phones("logout", account=account)
    eventually(lambda: world.status()["channel"] == "unlinked")
    world.phones("passkey", on=True)
    world.scan(account=account)
    eventually(lambda: world.status()["channel"] == "passkey_needed", 15)
    assert "passkey" in world.status()["reason"]
    world.phones("passkey", on=False)
    world.is_linked()


def test_a_revoked_desktop_ends_with_a_sentence(world: World) -> None:
    name = world.start_second_agent()
    world.ask("agent", "revoke", name, "--yes")
    eventually(lambda: not world.runs("second"))
    assert world.end("second") == 6
    said = (world.folder / "second.log").read_text().splitlines()
    assert [line for line in said if not line.startswith("{")][-1].endswith(".")
    world.is_linked()


def test_a_key_that_is_deactivated_is_refused_and_what_it_queued_goes_on(world: World) -> None:
    world.ask("channel", "pause", "shop")
    number = world.send("queued before")
    world.ask("session-api", "deactivate", "crm", "--yes")
    assert world.call("GET", "/status") == (401, {"success": False, "message": "Invalid or inactive API key"})
    world.ask("session-api", "activate", "crm")
    world.ask("channel", "resume", "shop")
    world.reaches(number, "read")
