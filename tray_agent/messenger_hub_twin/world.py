"""Who is on a new twin's network: three phones to link pages to, some people, two groups. All numbers are reserved for fiction."""

from __future__ import annotations

from collections.abc import Callable

from messenger_hub_twin.network import Account, Contact, Fact, Network
from messenger_hub_twin.people import Group, Person

ACCOUNTS = (
    Account(person=Person(number="12015550100", name="Corner Shop")),
    Account(person=Person(number="12015550101", name="Dental Practice")),
    Account(person=Person(number="12015550102", name="Old Phone"), lid_chats=False),
)
PEOPLE = (
    Person(number="12025550111", name="Ana Souza"),
    Person(number="12025550112", name="Ben Carter"),
    Person(number="12025550113", name="Chiara Rossi"),
    Person(number="12025550114", name="Dmitri Ivanov"),
    Person(number="12025550115", name="Elif Yılmaz"),
)
_EVERYBODY = tuple(account.number for account in ACCOUNTS)
GROUPS = (
    Group(id="120363000000000001@g.us", subject="Opening hours", members=(*_EVERYBODY, "12025550111", "12025550112")),
    Group(id="120363000000000002@g.us", subject="Deliveries", members=(*_EVERYBODY, "12025550113")),
)


def new_network(remember: Callable[[str, str, Fact | None], None]) -> Network:
    """The network of a twin that has never run."""
    return Network(accounts=ACCOUNTS, people=PEOPLE, groups=GROUPS, remember=remember)


def first_contacts() -> tuple[Contact, ...]:
    """What stands in the accounts' address books at the first start: Ana, in each."""
    return tuple(Contact(account=account.number, number="12025550111", first_name="Ana") for account in ACCOUNTS)
