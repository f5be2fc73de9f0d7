"""JSON and parameters ↔ messages, compiled from the descriptors.

Differs from protobuf's own JSON where the documented API does: names and order of the contract, integers as numbers, enums in lower
case without prefix, times with milliseconds, unset members left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from messenger_hub.v1 import rest_pb2

from messenger_hub_server.rpc.fields import spoken

INTEGERS = frozenset(
    {
        FieldDescriptor.TYPE_INT32,
        FieldDescriptor.TYPE_INT64,
        FieldDescriptor.TYPE_UINT32,
        FieldDescriptor.TYPE_UINT64,
    }
)
MOST_INTEGER = 2**53 - 1
MOST_INT32 = 2**31 - 1

encode = msgspec.json.Encoder().encode
Getter = Callable[[Any], object]
Setter = Callable[[Any, object], None]


class Wrong(ValueError):
    """A parameter has the wrong type; the message is the sentence."""


# ---- messages to JSON -----------------------------------------------------------------------------------------------------------


def printed(message: Message) -> dict[str, object]:
    """The message as REST prints it."""
    shown: dict[str, object] = {}
    for name, is_set, value in _printers(message.DESCRIPTOR):
        if is_set(message):
            shown[name] = value(getattr(message, name))
    return shown


@cache
def _printers(descriptor: Descriptor) -> Sequence[tuple[str, Callable[[Message], bool], Getter]]:
    return [(field.name, _is_set(field), _printer(field)) for field in descriptor.fields]


def always_printed(field: FieldDescriptor) -> bool:
    """Is the field printed even when it is empty, zero or false?"""
    if field.is_repeated:
        return not field.GetOptions().Extensions[rest_pb2.printed].omit_empty
    return not field.has_presence and field.type not in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_ENUM)


def _is_set(field: FieldDescriptor) -> Callable[[Message], bool]:
    name = field.name
    if always_printed(field):
        return lambda _: True
    if field.has_presence:
        return lambda message: message.HasField(name)
    return lambda message: bool(getattr(message, name))


def _printer(field: FieldDescriptor) -> Getter:
    one = _single(field)
    return (lambda values: [one(value) for value in values]) if field.is_repeated else one


def _single(field: FieldDescriptor) -> Getter:
    if field.enum_type is not None:
        names = {number: word for word, number in words(field.enum_type).items()}
        return lambda value: names.get(value, "unspecified")
    if field.message_type is None:
        return lambda value: value
    if field.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
        return _time
    return printed


def _time(moment: Timestamp) -> str:
    return moment.ToDatetime(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def words(enum: EnumDescriptor) -> Mapping[str, int]:
    """An enum's values as REST writes them: lower case, without the prefix; the unspecified one has no word."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {value.name.removeprefix(prefix).lower(): value.number for value in enum.values if value.number}


# ---- parameters to messages -----------------------------------------------------------------------------------------------------


def read(kind: type[Message], parameters: Mapping[str, object]) -> tuple[Message, dict[str, list[str]]]:
    """A request from parameters, and the violations found on the way. Unknown parameters are ignored."""
    message = kind()
    wrong: dict[str, list[str]] = {}
    setters = _setters(kind.DESCRIPTOR)
    for name, value in parameters.items():
        if value is None or value == "" or name not in setters:
            continue
        try:
            setters[name](message, value)
        except Wrong as error:
            wrong[name] = [str(error)]
    return message, wrong


@cache
def _setters(descriptor: Descriptor) -> Mapping[str, Setter]:
    found = {field.name: _setter(field) for field in descriptor.fields}
    return {name: setter for name, setter in found.items() if setter is not None}


def _setter(field: FieldDescriptor) -> Setter | None:
    """None for what REST cannot set."""
    name, enum = field.name, field.enum_type
    if field.message_type is not None:
        return lambda message, value: _set_time(message, name, value)
    if enum is not None:
        return lambda message, value: setattr(message, name, _read_word(name, enum, value))
    param = field.GetOptions().Extensions[rest_pb2.param]
    if field.type in INTEGERS:
        return lambda message, value: setattr(message, name, _read_integer(field, param, value))
    if field.type == FieldDescriptor.TYPE_STRING:
        accepts_integer = param.accepts_integer
        return lambda message, value: setattr(message, name, _read_string(name, accepts_integer, value))
    return None


def _set_time(message: Message, name: str, value: object) -> None:
    if (moment := _read_time(name, value)) is not None:
        getattr(message, name).FromDatetime(moment)


def _read_string(name: str, accepts_integer: bool, value: object) -> str:
    if isinstance(value, str):
        return value
    if accepts_integer and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Wrong(f"The {spoken(name)} field must be a string.")


def _read_integer(field: FieldDescriptor, param: rest_pb2.Param, value: object) -> int:
    most = MOST_INT32 if field.type == FieldDescriptor.TYPE_INT32 else MOST_INTEGER
    if (
        isinstance(value, str)
        and (text := value.strip()).isascii()
        and text.removeprefix("-").isdigit()
        and len(text) < 20
    ):
        value = int(text)
    if isinstance(value, int) and not isinstance(value, bool) and -most <= value <= most:
        return value
    if param.maximum:
        raise Wrong(f"The {spoken(field.name)} field must be between {param.minimum} and {param.maximum}.")
    raise Wrong(f"The {spoken(field.name)} field must be an integer.")


def _read_word(name: str, enum: EnumDescriptor, value: object) -> int:
    number = words(enum).get(value.strip()) if isinstance(value, str) else None
    if number is None:
        raise Wrong(f"The selected {spoken(name)} is invalid.")
    return number


def _read_time(name: str, value: object) -> datetime | None:
    """RFC 3339; a time without a zone is UTC."""
    text = value.strip() if isinstance(value, str) else None
    if text == "":
        return None
    try:
        moment = datetime.fromisoformat(text or "no date")
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as error:  # the zone may lead out of the years that there are
        raise Wrong(f"The {spoken(name)} field must be a valid date.") from error
    if "T" not in (text or "").upper() and " " not in (text or ""):
        raise Wrong(f"The {spoken(name)} field must be a valid date.")
    return moment
