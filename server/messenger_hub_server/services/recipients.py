"""What callers write for a recipient → what WhatsApp calls it. Nothing is guessed: what does not fit is None.

Digits are ASCII digits. A number without country code would go to a stranger, so it is refused, unless the session API has a
default country: then, and only then, phonenumbers completes what is a valid national number there.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers

USER = "@c.us"
GROUP = "@g.us"
LID = "@lid"
LEGACY_USER = "@s.whatsapp.net"

_NUMBER = re.compile(r"[1-9][0-9]{4,14}")
_LID = re.compile(r"[1-9][0-9]{4,19}")
_GROUP = re.compile(r"[0-9]{5,32}(-[0-9]{5,32})?")
_TRUNK_ZERO = re.compile(r"(?<=[0-9])\(0\)")
_PUNCTUATION = str.maketrans("", "", "+-.")
_BRACKETS = str.maketrans("", "", "()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """`shown` is what answers print, `target` the chat or contact on WhatsApp."""

    shown: str
    target: str


@lru_cache(maxsize=256)  # one request asks twice: its format is checked, then it is read
def mobile(text: str, country: str = "") -> Recipient | None:
    """A phone number: shown as its digits. `country` is the session API's default country, "" for none."""
    digits = _digits(text, country)
    return Recipient(shown=digits, target=digits + USER) if digits else None


def group(text: str) -> Recipient | None:
    """A group's id, with or without its suffix: shown in full."""
    bare = text.strip().removesuffix(GROUP)
    return _same(bare + GROUP) if _GROUP.fullmatch(bare) else None


def contact(text: str, country: str = "") -> Recipient | None:
    """A phone number, or an id of WhatsApp's: shown in full."""
    text = text.strip()
    if "@" not in text:
        digits = _digits(text, country)
        return _same(digits + USER) if digits else None
    bare, _, suffix = text.partition("@")
    match "@" + suffix:
        case "@c.us" | "@s.whatsapp.net" if _NUMBER.fullmatch(bare):
            return _same(bare + USER)
        case "@lid" if _LID.fullmatch(bare):
            return _same(bare + LID)
        case _:
            return None


def _same(identifier: str) -> Recipient:
    return Recipient(shown=identifier, target=identifier)


def _digits(text: str, country: str) -> str | None:
    digits = text if _plain(text) else _stripped(text)
    if not _plain(digits):
        return None
    if digits.startswith("00"):
        digits = digits[2:]
    elif country and not text.strip().startswith("+"):
        digits = _completed(digits, country) or digits
    return digits if _NUMBER.fullmatch(digits) else None


def _plain(text: str) -> bool:
    """Digits alone."""
    return text.isascii() and text.isdigit()


def _stripped(text: str) -> str:
    """Without spaces, punctuation and a trunk zero; digits alone stay as they are."""
    bare = text.replace(" ", "") if text.isascii() else "".join(c for c in text if unicodedata.category(c) != "Zs")
    packed = bare.strip().translate(_PUNCTUATION)
    return _TRUNK_ZERO.sub("", packed).translate(_BRACKETS)


def _completed(digits: str, country: str) -> str | None:
    """The number with its country code, when it is a valid national one of that country and lacks it.

    German 4915112345678 is valid both ways; what has the country's own code already is taken as it stands.
    """
    for text, region in ((f"+{digits}", None), (digits, country)):
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number_for_region(number, country):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).removeprefix("+")
    return None
