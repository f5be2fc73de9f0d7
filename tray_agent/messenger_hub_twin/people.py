"""Who is on the phone network: numbers, hidden ids (LIDs) and the spellings of one number.

A *number* is digits with the country code, no plus. A *person id* is ``<number>@c.us``, a *group id* ``<digits>@g.us``, and a
*LID* ``<digits>@lid``: WhatsApp's hidden id of a person, which is never a phone number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

PERSON_SUFFIX = "@c.us"
GROUP_SUFFIX = "@g.us"
LID_SUFFIX = "@lid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with WhatsApp on their phone; ``name`` is what they call themselves."""

    number: str
    name: str = ""

    @property
    def id(self) -> str:
        """``<number>@c.us``."""
        return self.number + PERSON_SUFFIX

    @property
    def lid(self) -> str:
        """``<digits>@lid``: the same for one number in every twin, and unlike any number."""
        return lid_of(self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group chat: its id, its subject and the numbers of its members, our accounts among them."""

    id: str
    subject: str
    members: tuple[str, ...]


def lid_of(number: str) -> str:
    """The hidden id of a number: 15 digits that say nothing about it."""
    digest = hashlib.sha256(number.encode()).digest()
    return str(10**14 + int.from_bytes(digest[:6], "big")) + LID_SUFFIX


def number_in(person_id: str) -> str:
    """The digits before the ``@`` of a person id."""
    return person_id.partition("@")[0]


class Directory:
    """Everybody on the network, found by any spelling of the number or by LID.

    A number that nobody registered belongs to somebody all the same, as soon as it is asked for, unless it was listed with
    :meth:`set_absent`: a person trying the twin can write to any number.
    """

    def __init__(self, people: tuple[Person, ...], remember: Callable[[Person], None]) -> None:
        self._remember = remember
        self._people: dict[str, Person] = {}
        self._numbers_by_lid: dict[str, str] = {}
        self._absent: frozenset[str] = frozenset()
        for person in people:
            self.restore(person)

    def restore(self, person: Person) -> None:
        """Put a person on the network who need not be remembered: they were before, or always will be."""
        self._people[person.number] = person
        self._numbers_by_lid[person.lid] = person.number

    def register(self, person: Person) -> Person:
        """Put a person on the network, or change their name."""
        self.restore(person)
        self._remember(person)
        return person

    def set_absent(self, numbers: frozenset[str]) -> None:
        """Replace the list of numbers that are not on WhatsApp."""
        self._absent = numbers

    @property
    def absent(self) -> frozenset[str]:
        """The numbers that are not on WhatsApp."""
        return self._absent

    def find(self, number: str) -> Person | None:
        """The person behind any spelling of a number, under the number WhatsApp knows; None if not on WhatsApp."""
        if number in self._absent:
            return None
        for spelling in spellings(number):
            if spelling in self._people and spelling not in self._absent:
                return self._people[spelling]
        return self.register(Person(number=number))

    def named(self, number: str) -> str:
        """What the person calls themselves, or an empty text."""
        person = self._people.get(number)
        return person.name if person else ""

    def number_of(self, person_id: str) -> str:
        """The number behind ``<number>@c.us`` or a LID that this network gave out. KeyError for another LID."""
        if person_id.endswith(LID_SUFFIX):
            return self._numbers_by_lid[person_id]
        return number_in(person_id)

    def everybody(self) -> tuple[Person, ...]:
        """All people known so far."""
        return tuple(self._people.values())


def spellings(number: str) -> Iterator[str]:
    """The number as asked for, then the other forms under which one phone may be registered.

    Brazil's mobiles have a ninth digit that WhatsApp often does not use; Mexico's and Argentina's have a prefix (1 and 9)
    that people write and leave out.
    """
    yield number
    if number.startswith("55") and len(number) == 13 and number[4] == "9":
        yield number[:4] + number[5:]
    elif number.startswith("55") and len(number) == 12:
        yield number[:4] + "9" + number[4:]
    elif number.startswith("521") and len(number) == 13:
        yield "52" + number[3:]
    elif number.startswith("52") and len(number) == 12:
        yield "521" + number[2:]
    elif number.startswith("549") and len(number) == 13:
        yield "54" + number[3:]
    elif number.startswith("54") and len(number) == 12:
        yield "549" + number[2:]
