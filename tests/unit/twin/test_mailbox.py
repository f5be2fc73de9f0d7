"""The history of all accounts: versions, and what a page that was away has to learn."""

from __future__ import annotations

from dataclasses import replace

from messenger_hub_twin.mailbox import ACK_DELIVERED, ACK_PENDING, ACK_READ, ACK_SERVER, Mailbox, Message

ME, OTHER = "12015550100", "12015550101"
ANA = "12025550111@c.us"


def message(number: int, **changes: object) -> Message:
    values: dict[str, object] = {
        "account": ME,
        "id": f"3EB0{number:04}",
        "chat": ANA,
        "sender": f"{ME}@c.us",
        "body": f"text {number}",
        "at": 1_000.0 + number,
        "ack": ACK_SERVER,
        "outgoing": True,
        "link": "mine",
    }
    return Message(**(values | changes))  # type: ignore[arg-type]


def mailbox() -> tuple[Mailbox, list[Message]]:
    remembered: list[Message] = []
    return Mailbox(remembered.append), remembered


def test_every_change_gets_the_next_version_of_the_whole_network() -> None:
    box, remembered = mailbox()
    first = box.put(message(1))
    second = box.put(message(2, account=OTHER))
    raised = box.raise_ack(ME, first.id, ACK_READ)
    assert [first.version, second.version] == [1, 2]
    assert raised == replace(first, ack=ACK_READ, version=3)
    assert box.version == 3
    assert remembered == [first, second, raised]


def test_an_ack_never_falls_and_one_that_changes_nothing_is_no_change() -> None:
    box, remembered = mailbox()
    box.put(message(1, ack=ACK_READ))
    assert box.raise_ack(ME, "3EB00001", ACK_DELIVERED) is None
    assert box.raise_ack(ME, "3EB00001", ACK_READ) is None
    assert box.raise_ack(ME, "3EB09999", ACK_READ) is None
    assert box.raise_ack(OTHER, "3EB00001", ACK_READ) is None
    assert box.version == 1
    assert len(remembered) == 1


def test_a_page_learns_what_changed_since_the_version_that_it_has_seen_oldest_message_first() -> None:
    box, _ = mailbox()
    older, newer = box.put(message(1)), box.put(message(2))
    seen = box.version
    box.put(message(3, account=OTHER))
    late = box.put(message(4, outgoing=False, sender=ANA, link=None, at=2_000.0))
    receipt = box.raise_ack(ME, older.id, ACK_READ)
    assert box.changes_for(ME, "mine", seen) == [receipt, late]
    assert box.changes_for(ME, "mine", 0) == [receipt, newer, late]
    assert box.changes_for(ME, "mine", box.version) == []


def test_a_link_is_not_told_of_its_own_message_that_was_never_acknowledged_but_the_accounts_other_links_are() -> None:
    box, _ = mailbox()
    swallowed = box.put(message(1, ack=ACK_PENDING))
    assert box.changes_for(ME, "mine", 0) == []
    assert box.changes_for(ME, "another link", 0) == [swallowed]
    acknowledged = box.raise_ack(ME, swallowed.id, ACK_SERVER)
    assert box.changes_for(ME, "mine", 0) == [acknowledged]


def test_a_chat_exists_for_an_account_once_a_message_went_either_way() -> None:
    box, _ = mailbox()
    assert not box.has_chat(ME, ANA)
    box.put(message(1, outgoing=False, sender=ANA))
    assert box.has_chat(ME, ANA)
    assert not box.has_chat(OTHER, ANA)


def test_receipts_are_still_to_come_for_acknowledged_messages_that_were_not_read() -> None:
    box, _ = mailbox()
    for number, ack in enumerate((ACK_PENDING, ACK_SERVER, ACK_DELIVERED, ACK_READ)):
        box.put(message(number, ack=ack))
    box.put(message(9, outgoing=False, ack=ACK_SERVER))
    assert [each.ack for each in box.unread()] == [ACK_SERVER, ACK_DELIVERED]


def test_ids_are_unique_in_an_account_only() -> None:
    box, _ = mailbox()
    mine, theirs = box.put(message(1)), box.put(message(1, account=OTHER, outgoing=False))
    assert box.find(ME, "3EB00001") == mine
    assert box.find(OTHER, "3EB00001") == theirs
    assert len(box) == 2
    assert box.of_account(OTHER) == [theirs]


def test_restored_messages_keep_their_versions_and_the_next_change_goes_on_from_the_highest() -> None:
    box, _ = mailbox()
    box.put(message(1))
    box.put(message(2))
    box.raise_ack(ME, "3EB00001", ACK_READ)
    again, remembered = mailbox()
    again.restore(box.of_account(ME))
    assert remembered == []
    assert again.version == 3
    assert again.has_chat(ME, ANA)
    assert again.put(message(5)).version == 4
