"""What strings of the contract must look like: one check a format, for the chain."""

from __future__ import annotations

import re
from collections.abc import Mapping

import phonenumbers
from messenger_hub.runtime.version import VERSION
from messenger_hub.v1 import rest_pb2

from messenger_hub_server.errors import ValidationFailed
from messenger_hub_server.identity.callers import Caller
from messenger_hub_server.rpc.fields import Format
from messenger_hub_server.services import recipients
from messenger_hub_server.services.translation import cursor_number

_PRINTABLE_ASCII = re.compile(r"[\x20-\x7e]{1,255}")


def _country(caller: Caller) -> str:
    return caller.session_api.default_country if caller.session_api is not None else ""


def _mobile(text: str, caller: Caller) -> bool:
    return recipients.mobile(text, _country(caller)) is not None


def _group(text: str, _: Caller) -> bool:
    return recipients.group(text) is not None


def _contact(text: str, caller: Caller) -> bool:
    return recipients.contact(text, _country(caller)) is not None


def _idempotency_key(text: str, _: Caller) -> bool:
    return _PRINTABLE_ASCII.fullmatch(text) is not None


def _cursor(text: str, _: Caller) -> bool:
    try:
        return cursor_number(text) is not None
    except ValidationFailed:
        return False


def _name(text: str, _: Caller) -> bool:
    # Digits alone would be taken for an id: calls name channels and others by either.
    return text.isprintable() and text == text.strip() and not text.isdecimal()


def _country_code(text: str, _: Caller) -> bool:
    return text.upper() in phonenumbers.SUPPORTED_REGIONS


def _version(text: str, _: Caller) -> bool:
    return re.match(VERSION, text) is not None


FORMATS: Mapping[int, Format] = {
    rest_pb2.FORMAT_MOBILE: _mobile,
    rest_pb2.FORMAT_GROUP_ID: _group,
    rest_pb2.FORMAT_CONTACT_ID: _contact,
    rest_pb2.FORMAT_IDEMPOTENCY_KEY: _idempotency_key,
    rest_pb2.FORMAT_CURSOR: _cursor,
    rest_pb2.FORMAT_NAME: _name,
    rest_pb2.FORMAT_COUNTRY: _country_code,
    rest_pb2.FORMAT_VERSION: _version,
}
