"""Numbers, hidden ids, and the spellings of one phone."""

from __future__ import annotations

import pytest
from messenger_hub_twin.people import Directory, Person, lid_of, number_in, spellings


def directory(*people: Person) -> tuple[Directory, list[Person]]:
    remembered: list[Person] = []
    return Directory(people, remembered.append), remembered


@pytest.mark.parametrize(
    ("registered", "asked"),
    [
        ("551187654321", "5511987654321"),  # Brazil: WhatsApp often lacks the ninth digit
        ("5511987654321", "551187654321"),
        ("5215512345678", "525512345678"),  # Mexico: the old mobile prefix 1
        ("525512345678", "5215512345678"),
        ("5491123456789", "541123456789"),  # Argentina: the mobile prefix 9
        ("541123456789", "5491123456789"),
    ],
)
def test_a_phone_is_found_by_its_other_spelling_under_the_number_that_is_registered(
    registered: str, asked: str
) -> None:
    people, remembered = directory(Person(number=registered, name="Somebody"))
    assert people.find(asked) == Person(number=registered, name="Somebody")
    assert remembered == []


@pytest.mark.parametrize(
    "number",
    [
        "12025550111",
        "447700900123",
        "551132654321000",  # longer than any Brazilian number
        "5511887654321",  # 13 digits, but the fifth is no ninth digit
        "52155123456789",
        "54911234567890",
    ],
)
def test_a_number_of_another_form_has_one_spelling(number: str) -> None:
    assert list(spellings(number)) == [number]


def test_the_spelling_that_was_asked_for_comes_first_and_wins() -> None:
    people, _ = directory(Person(number="551187654321", name="short"), Person(number="5511987654321", name="long"))
    assert people.find("5511987654321") == Person(number="5511987654321", name="long")
    assert people.find("551187654321") == Person(number="551187654321", name="short")


def test_a_number_that_nobody_registered_belongs_to_somebody_once_it_is_asked_for_and_is_remembered() -> None:
    people, remembered = directory()
    found = people.find("4915112345678")
    assert found == Person(number="4915112345678", name="")
    assert remembered == [found]
    assert people.find("4915112345678") is found
    assert remembered == [found]


def test_an_absent_number_is_not_found_under_any_spelling_that_is_absent_too() -> None:
    people, remembered = directory(Person(number="551187654321"))
    people.set_absent(frozenset({"551187654321", "5511987654321"}))
    assert people.find("5511987654321") is None
    assert people.find("551187654321") is None
    assert remembered == []
    people.set_absent(frozenset())
    assert people.find("5511987654321") == Person(number="551187654321")


def test_a_number_whose_other_spelling_alone_is_absent_is_found_as_itself() -> None:
    people, _ = directory(Person(number="551187654321"))
    people.set_absent(frozenset({"551187654321"}))
    assert people.find("5511987654321") == Person(number="5511987654321")


def test_a_hidden_id_is_steady_and_says_nothing_of_the_number() -> None:
    numbers = [f"1202555{tail:04}" for tail in range(200)]
    hidden = [lid_of(number) for number in numbers]
    assert len(set(hidden)) == len(numbers)
    assert hidden == [lid_of(number) for number in numbers]
    for number, lid in zip(numbers, hidden, strict=True):
        assert lid.endswith("@lid")
        assert len(number_in(lid)) == 15
        assert number not in lid


def test_a_hidden_id_leads_back_to_its_number_only_where_this_network_gave_it_out() -> None:
    ana = Person(number="12025550111")
    people, _ = directory(ana)
    assert people.number_of(ana.lid) == "12025550111"
    assert people.number_of("12025550111@c.us") == "12025550111"
    with pytest.raises(KeyError):
        people.number_of(lid_of("12025550999"))


def test_registering_again_changes_the_name_and_is_remembered() -> None:
    people, remembered = directory(Person(number="12025550111", name="Ana"))
    people.register(Person(number="12025550111", name="Ana Souza"))
    assert people.named("12025550111") == "Ana Souza"
    assert remembered == [Person(number="12025550111", name="Ana Souza")]
    assert people.named("12025550999") == ""
