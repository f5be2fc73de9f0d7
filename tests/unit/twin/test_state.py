"""What survives a kill of the twin beside the log."""

from __future__ import annotations

from pathlib import Path

import pytest
from messenger_hub_twin.network import Contact, Network
from messenger_hub_twin.people import Person
from messenger_hub_twin.state import StateFile, UnreadableState
from messenger_hub_twin.world import ACCOUNTS, new_network

ME = ACCOUNTS[0].number


def reopened(path: Path) -> tuple[StateFile, Network]:
    state = StateFile(path)
    network = new_network(state.remember)
    state.restore(network)
    return state, network


def test_people_links_contacts_and_messages_survive_without_the_file_being_closed(tmp_path: Path) -> None:
    first, network = reopened(tmp_path / "log.state")
    link = network.link("token", ME, 1.0)
    network.link("ended", ME, 1.0)
    network.end_link("ended", "unknown_companion")
    network.directory.register(Person(number="551187654321", name="Bruna"))
    kept = network.save_contact(Contact(account=ME, number="551187654321", first_name="Bruna", in_phone=False))
    network.save_contact(Contact(account=ME, number="12025550112", first_name="Ben"))
    network.remove_contact(ME, "12025550112")
    sent, _ = network.receive(
        link=link, message_id="3EB01", chat="551187654321@c.us", body="Olá 🙂", now=2.5, acknowledged=True
    )
    read = network.receipt(ME, "3EB01", 3)

    second, again = reopened(tmp_path / "log.state")
    assert again.find_link("token") == link
    assert again.find_link("ended") == network.find_link("ended")
    assert again.contacts_of(ME) == [kept]
    assert again.mailbox.of_account(ME) == [read]
    assert read is not None
    assert (read.body, read.at, read.version) == ("Olá 🙂", sent.at, 2)
    assert again.directory.find("5511987654321") == Person(number="551187654321", name="Bruna")
    assert again.mailbox.version == network.mailbox.version
    first.close()
    second.close()


def test_a_fact_is_there_until_it_is_forgotten(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "log.state")
    assert not state.has("started")
    state.remember("started", "", {})
    assert state.has("started")
    state.remember("started", "", None)
    assert not state.has("started")
    state.close()


def test_the_file_and_its_folder_are_made_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "log.state"
    StateFile(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_none_of_ours_is_refused_with_what_to_do_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "log.state"
    path.write_text("this is a letter to my aunt, and quite a long one as letters go")
    with pytest.raises(UnreadableState, match=r"log\.state is not a twin's state file; move it away"):
        StateFile(path)
    assert path.read_text().startswith("this is a letter")
