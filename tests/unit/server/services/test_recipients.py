"""What callers write for a recipient, and what becomes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messenger_hub_server.services import recipients


@pytest.mark.parametrize(
    ("written", "digits"),
    [
        ("1234567890", "1234567890"),
        ("+49 (0)30 123456", "4930123456"),
        ("0049 30 123456", "4930123456"),
        ("00 49 (0) 30 / 1".replace(" / 1", "123"), "4930123"),
        ("+1 (555) 123.4567", "15551234567"),
        ("+55 11 99999-9999", "5511999999999"),
        ("49\u00a030\u202f123456", "4930123456"),
        (" 5511999999999 ", "5511999999999"),
        ("12345", "12345"),
        ("123456789012345", "123456789012345"),
    ],
)
def test_a_number_with_country_code_is_reduced_to_its_digits(written: str, digits: str) -> None:
    assert recipients.mobile(written) == recipients.Recipient(shown=digits, target=f"{digits}@c.us")


@pytest.mark.parametrize(
    "written",
    [
        "",
        "1234",
        "1234567890123456",
        "030 123456",
        "(0)30 123456",
        "000049 30 123456",
        "+0123456",
        "12345x",
        "١٢٣٤٥٦٧",
        "１２３４５６",
        "12345,67890",
        "1234567890@c.us",
        "12345\n67890",
        "12345\t67890",
    ],
)
def test_what_might_be_a_strangers_number_is_refused(written: str) -> None:
    assert recipients.mobile(written) is None


@pytest.mark.parametrize(
    ("written", "country", "digits"),
    [
        ("030 123456", "DE", "4930123456"),
        ("(0)30 123456", "DE", "4930123456"),
        ("0151 12345678", "DE", "4915112345678"),
        ("4915112345678", "DE", "4915112345678"),
        ("+33 1 23 45 67 89", "DE", "33123456789"),
        ("0033 1 23 45 67 89", "DE", "33123456789"),
        ("11 99999-9999", "BR", "5511999999999"),
        ("011 99999-9999", "BR", "5511999999999"),
        ("5511999999999", "BR", "5511999999999"),
        ("55 99123-4567", "BR", "5555991234567"),
    ],
)
def test_a_national_number_is_completed_for_the_default_country_only(written: str, country: str, digits: str) -> None:
    assert recipients.mobile(written, country) == recipients.Recipient(shown=digits, target=f"{digits}@c.us")


def test_a_national_number_that_the_country_does_not_have_is_refused() -> None:
    assert recipients.mobile("0999 1", "DE") is None


@pytest.mark.parametrize(
    ("written", "group"),
    [
        ("120363041234567890", "120363041234567890@g.us"),
        ("120363041234567890@g.us", "120363041234567890@g.us"),
        ("4915112345678-1400000000", "4915112345678-1400000000@g.us"),
        ("4915112345678-1400000000@g.us", "4915112345678-1400000000@g.us"),
    ],
)
def test_a_group_gets_its_suffix_once(written: str, group: str) -> None:
    assert recipients.group(written) == recipients.Recipient(shown=group, target=group)


@pytest.mark.parametrize(
    "written", ["", "abc", "1203-", "-1203", "1-2-3", "120363041234567890@c.us", "@g.us", "120363@g.us@g.us"]
)
def test_what_is_no_group_is_refused(written: str) -> None:
    assert recipients.group(written) is None


@pytest.mark.parametrize(
    ("written", "contact"),
    [
        ("+49 (0)30 123456", "4930123456@c.us"),
        ("4930123456@c.us", "4930123456@c.us"),
        ("4930123456@s.whatsapp.net", "4930123456@c.us"),
        ("123456789012345@lid", "123456789012345@lid"),
    ],
)
def test_a_contact_is_shown_with_its_suffix(written: str, contact: str) -> None:
    assert recipients.contact(written) == recipients.Recipient(shown=contact, target=contact)


@pytest.mark.parametrize(
    "written",
    ["", "x@c.us", "4930123456@g.us", "4930123456@", "4930123456@C.US", "+4930123456@c.us", "030123456", "a@b"],
)
def test_what_is_no_contact_is_refused(written: str) -> None:
    assert recipients.contact(written) is None


@given(st.text(alphabet="0123456789+-(). \u00a0x", max_size=25))
def test_a_normalised_number_is_a_fixed_point(written: str) -> None:
    found = recipients.mobile(written)
    if found is not None:
        assert recipients.mobile(found.shown) == found
        assert 5 <= len(found.shown) <= 15
        assert found.shown[0] != "0"
