"""Messages of the contract as plain values: enums by their short name in lower case, times as RFC 3339, ids as numbers.

What is unset and has presence is left out, as in the REST API.
"""

from __future__ import annotations

from datetime import UTC
from typing import cast

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from messenger_hub_cli.output import Json


def plain(message: Message) -> dict[str, Json]:
    """A message's members under the contract's names, in the contract's order."""
    return {
        field.name: members(field, message)  # type: ignore[arg-type]  # the stubs know two kinds of FieldDescriptor
        for field in message.DESCRIPTOR.fields
        if not (field.has_presence and not message.HasField(field.name))
    }


def members(field: FieldDescriptor, message: Message) -> Json:
    """The value of one field, which may be a list."""
    value = getattr(message, field.name)
    if field.is_repeated:
        return [single(field, item) for item in value]
    return single(field, value)


def single(field: FieldDescriptor, value: object) -> Json:
    """One value."""
    if isinstance(value, Timestamp):
        return value.ToDatetime(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, Duration):
        return value.ToTimedelta().total_seconds()
    if isinstance(value, Message):
        return plain(value)
    if field.enum_type is not None:
        return short_name(field.enum_type, cast("int", value))
    return cast("Json", value)


def short_name(enum: EnumDescriptor, number: int) -> str:
    """OPERATION_STATUS_SENT → "sent"; a number that this version does not know stays a number."""
    known = enum.values_by_number.get(number)
    if known is None:
        return str(number)
    return known.name.removeprefix(prefix(enum)).lower()


def choices(enum: EnumDescriptor) -> dict[str, int]:
    """Short names → numbers, without UNSPECIFIED, in the contract's order."""
    return {short_name(enum, value.number): value.number for value in enum.values if value.number}


def prefix(enum: EnumDescriptor) -> str:
    """The part that all names of an enum share."""
    return enum.values[0].name.removesuffix("UNSPECIFIED")
