"""Accounts, links, contacts, groups and messages of the phone network."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from messenger_hub_twin.mailbox import ACK_DELIVERED, ACK_PENDING, ACK_READ, ACK_SERVER
from messenger_hub_twin.network import Contact, Link, Network, UnknownChat
from messenger_hub_twin.people import lid_of
from messenger_hub_twin.world import ACCOUNTS, GROUPS, first_contacts, new_network

ME, COLLEAGUE, OLD_PHONE = (account.number for account in ACCOUNTS)
ANA = "12025550111@c.us"
OPENING_HOURS, DELIVERIES = (group.id for group in GROUPS)


class Remembered(dict[tuple[str, str], Mapping[str, object] | None]):
    """The facts that a network handed over, the latest by kind and key."""

    def take(self, kind: str, key: str, fact: Mapping[str, object] | None) -> None:
        self[kind, key] = fact


@pytest.fixture
def remembered() -> Remembered:
    return Remembered()


@pytest.fixture
def network(remembered: Remembered) -> Network:
    return new_network(remembered.take)


@pytest.fixture
def link(network: Network) -> Link:
    return network.link("token", ME, 100.0)


def receive(network: Network, link: Link, chat: str, message_id: str = "3EB01", *, acknowledged: bool = True):  # type: ignore[no-untyped-def]
    return network.receive(
        link=link, message_id=message_id, chat=chat, body="text", now=200.0, acknowledged=acknowledged
    )


def test_a_link_is_good_until_it_is_ended_and_its_end_keeps_the_cause(network: Network, remembered: Remembered) -> None:
    first, second = network.link("one", ME, 1.0), network.link("two", ME, 2.0)
    assert network.links_of(ME) == [first, second]
    network.end_link("one", "unknown_companion")
    assert network.links_of(ME) == [second]
    ended = network.find_link("one")
    assert ended == Link(token="one", account=ME, made_at=1.0, ended_by="unknown_companion")
    assert remembered["link", "one"] == {
        "token": "one",
        "account": ME,
        "made_at": 1.0,
        "ended_by": "unknown_companion",
    }
    assert network.find_link("never given out") is None


def test_contacts_belong_to_one_account_and_saving_again_renames(network: Network, remembered: Remembered) -> None:
    network.save_contact(Contact(account=ME, number="12025550111", first_name="Ana"))
    network.save_contact(Contact(account=ME, number="12025550111", first_name="Ana", last_name="Souza"))
    assert network.contact_name(ME, "12025550111") == "Ana Souza"
    assert network.contact_name(COLLEAGUE, "12025550111") == ""
    assert [contact.name for contact in network.contacts_of(ME)] == ["Ana Souza"]
    assert network.remove_contact(ME, "12025550111")
    assert not network.remove_contact(ME, "12025550111")
    assert network.contacts_of(ME) == []
    assert remembered["contact", f"{ME}/12025550111"] is None


def test_what_a_page_calls_a_chat_is_resolved_to_a_number_or_a_group_of_the_account(network: Network) -> None:
    assert network.resolve_chat(ME, ANA) == ANA
    assert network.resolve_chat(ME, lid_of("12025550111")) == ANA
    assert network.resolve_chat(ME, OPENING_HOURS) == OPENING_HOURS
    network.directory.set_absent(frozenset({"12025550199"}))
    for unknown in ("12025550199@c.us", lid_of("12025559999"), "120363999999999999@g.us"):
        with pytest.raises(UnknownChat):
            network.resolve_chat(ME, unknown)


def test_a_group_that_the_account_is_not_in_is_unknown_to_it() -> None:
    network = Network(
        accounts=ACCOUNTS, people=(), groups=[GROUPS[0]], remember=lambda kind, key, fact: None
    )  # the second group is nobody's here
    assert network.groups_of(ME) == [GROUPS[0]]
    with pytest.raises(UnknownChat):
        network.resolve_chat(ME, DELIVERIES)


def test_a_received_message_is_kept_acknowledged_under_the_link_that_sent_it(network: Network, link: Link) -> None:
    message, copies = receive(network, link, ANA)
    assert copies == []
    assert (message.account, message.chat, message.sender) == (ME, ANA, f"{ME}@c.us")
    assert (message.ack, message.outgoing, message.link, message.at) == (ACK_SERVER, True, "token", 200.0)
    assert network.mailbox.find(ME, "3EB01") == message


def test_a_repeat_of_an_id_only_raises_the_message_to_acknowledged(network: Network, link: Link) -> None:
    swallowed, _ = receive(network, link, f"{COLLEAGUE}@c.us", acknowledged=False)
    assert swallowed.ack == ACK_PENDING
    repeated, copies = receive(network, link, f"{COLLEAGUE}@c.us")
    assert (repeated.ack, copies) == (ACK_SERVER, [])
    again, copies = receive(network, link, f"{COLLEAGUE}@c.us")
    assert (again, copies) == (repeated, [])
    assert len(network.mailbox.of_account(COLLEAGUE)) == 1


def test_a_message_to_another_account_of_ours_arrives_there_as_incoming(network: Network, link: Link) -> None:
    _, (copy,) = receive(network, link, f"{COLLEAGUE}@c.us")
    assert (copy.account, copy.id, copy.outgoing, copy.link) == (COLLEAGUE, "3EB01", False, None)
    assert copy.chat == copy.sender == f"{ME}@c.us"


def test_a_group_message_arrives_at_every_other_account_of_ours_in_the_group(network: Network, link: Link) -> None:
    _, copies = receive(network, link, OPENING_HOURS)
    assert {(copy.account, copy.chat, copy.sender) for copy in copies} == {
        (COLLEAGUE, OPENING_HOURS, f"{ME}@c.us"),
        (OLD_PHONE, OPENING_HOURS, f"{ME}@c.us"),
    }
    assert ME not in network.recipients(ME, OPENING_HOURS)
    assert "12025550111" in network.recipients(ME, OPENING_HOURS)


def test_receipts_are_for_acknowledged_messages_of_ours(network: Network, link: Link) -> None:
    receive(network, link, ANA, "3EB0SWALLOWED", acknowledged=False)
    receive(network, link, ANA, "3EB0TAKEN")
    incoming = network.deliver(account=ME, message_id="IN", sender=ANA, chat=ANA, body="hi", now=1.0)
    assert network.receipt(ME, "3EB0SWALLOWED", ACK_READ) is None
    assert network.receipt(ME, incoming.id, ACK_READ) is None
    assert network.receipt(ME, "3EB0TAKEN", ACK_READ + 1) is None
    delivered = network.receipt(ME, "3EB0TAKEN", ACK_DELIVERED)
    assert delivered is not None
    assert delivered.ack == ACK_DELIVERED


def test_the_first_world_has_two_accounts_keyed_by_hidden_id_and_one_by_number() -> None:
    assert [account.lid_chats for account in ACCOUNTS] == [True, True, False]
    assert {(contact.account, contact.name) for contact in first_contacts()} == {
        (account.number, "Ana") for account in ACCOUNTS
    }
