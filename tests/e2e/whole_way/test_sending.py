"""What a program asks for happens in WhatsApp, once, and its result comes back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from messenger_hub_agent.executor import CONTACT_SECONDS

from tests.e2e.whole_way.world import ANA, World, http
from tests.eventually import eventually

pytestmark = pytest.mark.e2e


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def statuses(operation: Any) -> list[str]:
    return [entry["status"] for entry in operation["timeline"]]


def contacts(world: World) -> dict[str, str]:
    _, state = http("GET", f"{world.twin}/_twin/state")
    linked = next(one for one in state["accounts"] if one["linked"])
    return dict(linked["contacts"])


def test_a_message_leaves_the_browser_once_and_its_receipts_come_back(world: World) -> None:
    text = "Olá 👋 from a program\nwith two lines"
    world.phones("receipts", automatic=False)  # a machine that is busy tells of two that come together as one
    number = world.send(text, mobile="+1 (202) 555-0177", reference="order-17")
    sent = world.reaches(number, "sent")
    for kind in ("delivered", "read"):
        world.phones("receipt", id=sent["whatsapp_message_id"], kind=kind)
        read = world.reaches(number, kind)
    assert statuses(read) == ["pending", "processing", "sent", "delivered", "read"]
    (arrival,) = world.arrivals(text)
    assert (arrival["id"], arrival["to"]) == (read["whatsapp_message_id"], "12025550177@c.us")
    assert (read["recipient"], read["reference"], read["attempts"]) == ("12025550177", "order-17", 1)


def test_fifty_messages_arrive_in_order_and_once_each(world: World) -> None:
    texts = [f"number {i} of fifty" for i in range(50)]
    numbers = [world.send(text) for text in texts]
    world.reaches(numbers[-1], "sent", "delivered", "read", seconds=60)
    assert [line["body"] for line in world.arrivals(*texts)] == texts


def test_a_call_that_waits_answers_when_the_message_is_sent(world: World) -> None:
    code, answer = world.call("POST", "/send", {"mobile": ANA, "message": "waited for", "wait": 20})
    assert (code, answer["data"]["status"]) in ((201, "sent"), (201, "delivered"), (201, "read"))


def test_a_group_gets_its_message_and_groups_are_listed(world: World) -> None:
    _, listed = world.call("GET", "/groups")
    group = next(one for one in listed["data"]["groups"] if one["name"] == "Opening hours")
    number = world.send("closed on Monday", group_id=group["group_id"])
    world.reaches(number, "read")
    assert [line["to"] for line in world.arrivals("closed on Monday")] == [group["group_id"]]


def test_a_contact_is_saved_renamed_and_removed(world: World) -> None:
    world.reaches(world.contact("save-contact", contact_id="12025550114", name="Dmitri"), "succeeded")
    assert contacts(world)["12025550114"] == "Dmitri"
    world.reaches(world.contact("save-contact", contact_id="12025550114", name="Dmitri Ivanov"), "succeeded")
    assert contacts(world)["12025550114"] == "Dmitri Ivanov"
    world.reaches(world.contact("remove-contact", contact_id="12025550114"), "succeeded")
    assert "12025550114" not in contacts(world)


def test_removing_a_contact_that_is_not_there_succeeds(world: World) -> None:
    world.reaches(world.contact("remove-contact", contact_id="12025550189"), "succeeded")


def test_a_number_that_is_not_on_whatsapp_fails_after_it_was_made_sure_and_lookups_that_fail_only_delay(
    world: World,
) -> None:
    def is_made_sure(number: int) -> bool:
        return "Making sure" in world.operation(number)["reason"]

    world.phones("not-on-whatsapp", numbers=["12025550190"])
    nobody = world.send("to nobody", mobile="12025550190")
    eventually(lambda: is_made_sure(nobody))
    world.phones("lookup-fail", count=2)  # of the number, and of the account's own
    somebody = world.send("looked up later", mobile="12025550191")
    eventually(lambda: is_made_sure(somebody))
    # Both are looked up again after twenty seconds.
    failed = world.reaches(nobody, "failed", seconds=60)
    assert failed["error"]["code"] == "not_on_whatsapp"
    assert world.arrivals("to nobody") == []
    sent = world.reaches(somebody, "read", seconds=60)
    assert "failed" not in statuses(sent)
    assert len(world.arrivals("looked up later")) == 1


def test_a_restricted_account_writes_to_existing_chats_and_the_others_wait(world: World) -> None:
    world.reaches(world.send("makes a chat"), "read")
    world.phones("restrict", seconds=12)
    eventually(lambda: world.status()["channel"] == "restricted")
    waiting = world.send("to a stranger", mobile="12025550192")
    world.reaches(world.send("to an old friend"), "read")
    assert world.operation(waiting)["status"] == "pending"
    assert "existing chats" in world.operation(waiting)["reason"]
    world.reaches(waiting, "read", seconds=60)
    assert len(world.arrivals("to a stranger")) == 1


def test_a_message_that_is_refused_with_a_code_fails_and_one_without_is_uncertain(world: World) -> None:
    world.phones("fail", count=1, code=479)
    assert world.reaches(world.send("refused with a code"), "failed")["error"]["code"] == "whatsapp_479"
    world.phones("fail", count=1)
    uncertain = world.reaches(world.send("refused without"), "uncertain")
    assert uncertain["error"]["code"] == "whatsapp_error"
    assert world.arrivals("refused with a code", "refused without") == []


def test_a_message_held_until_later_is_sent_then(world: World) -> None:
    number = world.send("held", send_at=in_seconds(3))
    assert world.operation(number)["reason"].startswith("Held until")
    world.reaches(number, "read")


def test_a_cancelled_message_is_never_sent(world: World) -> None:
    world.ask("channel", "pause", "shop")
    number = world.send("never mind")
    assert world.call("POST", f"/operations/{number}/cancel")[0] == 200
    world.ask("channel", "resume", "shop")
    world.reaches(world.send("the one after"), "read")
    assert world.received("never mind", "the one after") == ["the one after"]
    assert world.call("POST", f"/operations/{number}/cancel")[0] == 409


def test_the_same_idempotency_key_sends_once(world: World) -> None:
    first, second = (world.send("only once", idempotency_key="order-18") for _ in range(2))
    world.reaches(first, "read")
    assert first == second
    assert len(world.arrivals("only once")) == 1


def test_a_contact_that_the_phone_does_not_store_says_so(world: World, has_waited: Callable[[float], None]) -> None:
    world.phones("contacts", stored=False)
    number = world.contact("save-contact", contact_id="12025550115", name="Elif")
    world.reaches(number, "processing")

    def failed() -> Any:
        has_waited(CONTACT_SECONDS)  # once more, if its wait had not begun
        with contextlib.suppress(AssertionError):
            return world.reaches(number, "failed", seconds=5)

    error = eventually(failed)["error"]
    assert error["code"] == "phone_did_not_store"
    assert "contacts" in error["message"]
