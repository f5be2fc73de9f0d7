"""What REST's JSON should be, worked out from protobuf's own JSON mapping instead of the gateway's codec."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from messenger_hub.v1 import rest_pb2

TIME = "google.protobuf.Timestamp"


def rest_json(message: Message) -> dict[str, Any]:
    """A message as REST should print it."""
    plain = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return _members(message.DESCRIPTOR, plain)


def word(enum: EnumDescriptor, name: str) -> str:
    """OPERATION_STATUS_SENT of OperationStatus is sent; the unspecified one is ""."""
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper() + "_"
    assert name.startswith(prefix)
    return "" if name == f"{prefix}UNSPECIFIED" else name.removeprefix(prefix).lower()


def _members(descriptor: Descriptor, plain: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in plain.items():
        field = descriptor.fields_by_name[name]
        if field.is_repeated:
            if value or not field.GetOptions().Extensions[rest_pb2.printed].omit_empty:
                found[name] = [_one(field, item) for item in value]
        elif (one := _one(field, value)) != "":
            found[name] = one
    return found


def _one(field: FieldDescriptor, value: Any) -> Any:
    if field.enum_type is not None:
        return word(field.enum_type, value)
    if field.message_type is not None:
        return _time(value) if field.message_type.full_name == TIME else _members(field.message_type, value)
    if field.type in (FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64):
        return int(value)
    return value


def _time(text: str) -> str:
    whole, _, fraction = text.removesuffix("Z").partition(".")
    datetime.fromisoformat(whole).replace(tzinfo=UTC)
    return f"{whole}.{fraction[:3]:0<3}Z"
