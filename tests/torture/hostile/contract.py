"""What the contract says of requests and answers, for the fuzzer: read from the descriptors, and judged without the server's own code."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from google.api import annotations_pb2
from google.protobuf.descriptor import FieldDescriptor, FileDescriptor, MethodDescriptor
from messenger_hub.agent.v1 import agent_service_pb2
from messenger_hub.v1 import (
    channel_service_pb2,
    contact_service_pb2,
    errors_pb2,
    message_service_pb2,
    operation_service_pb2,
    rest_pb2,
)

BASE = "/api/whatsapp-session"
FILES: Sequence[FileDescriptor] = tuple(
    module.DESCRIPTOR
    for module in (message_service_pb2, contact_service_pb2, operation_service_pb2, channel_service_pb2)
)
PUBLIC: Sequence[FileDescriptor] = (*FILES, agent_service_pb2.DESCRIPTOR)
TEXT = "fuzzed-text"
"""Stands in every valid text, so that a log line that quotes one is found."""
PHONE = "12025550147"

STATUSES = frozenset({400, 403, 404, 405, 409, 413, 414, 415, 422, 429, 431})
"""Refusals with a code, but for 401 (nothing) and 422 (errors)."""
CODES = frozenset(
    name.removeprefix("ERROR_REASON_").lower()
    for name in errors_pb2.ErrorReason.DESCRIPTOR.values_by_name
    if not name.endswith("UNSPECIFIED")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One HTTP rule of the contract. `fields` are those that a body or a query may set."""

    rpc: str
    verb: str
    path: str
    body: bool
    status: int
    fields: Sequence[FieldDescriptor]


@cache
def rules() -> Sequence[Rule]:
    """Every HTTP rule, in the order of the files."""
    return [
        rule for file in FILES for service in file.services_by_name.values() for m in service.methods for rule in _of(m)
    ]


def _of(method: MethodDescriptor) -> Sequence[Rule]:
    options = method.GetOptions()
    if not options.HasExtension(annotations_pb2.http):
        return []
    first = options.Extensions[annotations_pb2.http]
    found = []
    for one in (first, *first.additional_bindings):
        verb = one.WhichOneof("pattern")
        path = getattr(one, verb)
        fields = [field for field in method.input_type.fields if "{" + field.name + "}" not in path]
        status = options.Extensions[rest_pb2.success].status or 200
        found.append(
            Rule(rpc=method.name, verb=verb.upper(), path=path, body=one.body == "*", status=status, fields=fields)
        )
    return found


@cache
def methods() -> Sequence[tuple[str, MethodDescriptor]]:
    """Every public RPC with the path that gRPC calls it by."""
    services = [service for file in PUBLIC for service in file.services_by_name.values()]
    return [(f"/{service.full_name}/{m.name}", m) for service in services for m in service.methods]


def param(field: FieldDescriptor) -> rest_pb2.Param:
    """What the contract says of a request field."""
    return field.GetOptions().Extensions[rest_pb2.param]


# ---- what may be accepted -------------------------------------------------------------------------------------------------------


def broken_promises(rpc: str, given: Mapping[str, Any], answer: Mapping[str, Any]) -> Sequence[str]:
    """Why a request with these parameters should not have been accepted, or was answered for somebody else; empty when all is right."""
    found = _contact_promises(given, answer) if rpc.endswith("Contact") else _message_promises(given, answer)
    for name, most in (("reference", 128), ("idempotency_key", 255)):
        if len(_text(given.get(name)).strip()) > most:
            found.append(f"{name} is longer than {most}")
    if not re.fullmatch(r"[ -~]*", _text(given.get("idempotency_key"))):
        found.append("idempotency_key is not printable ASCII")
    wait = given.get("wait")
    if wait not in (None, "") and not 0 <= int(_text(wait)) <= 30:
        found.append("wait is not from 0 to 30")
    if any("\0" in value for value in given.values() if isinstance(value, str)):
        found.append("a parameter holds NUL")
    return found


def _message_promises(given: Mapping[str, Any], answer: Mapping[str, Any]) -> list[str]:
    found = []
    mobile, group, message = (
        _text(given.get("mobile")).strip(),
        _text(given.get("group_id")).strip(),
        given.get("message"),
    )
    if bool(mobile) == bool(group):
        found.append("not exactly one of mobile and group_id is there")
    if not isinstance(message, str) or not message.strip() or len(message) > 4096:
        found.append("message is no text of 1 to 4096 characters")
    if given.get("priority") not in (None, "") and _text(given["priority"]).strip() not in ("high", "normal", "low"):
        found.append("priority is none of the contract's")
    found += _times(given)
    recipient = _text(answer.get("recipient"))
    wanted = group.removesuffix("@g.us") if group else re.sub(r"\D", "", _ascii_digits(mobile))
    if not group and not 5 <= len(wanted) <= 16:
        found.append("mobile has not 5 to 16 digits")
    if not recipient or recipient.removesuffix("@g.us") not in (
        wanted,
        wanted.removeprefix("00"),
        wanted.replace("0", "", 1),
    ):
        found.append("the recipient is not the one that was asked for")
    return found


def _contact_promises(given: Mapping[str, Any], answer: Mapping[str, Any]) -> list[str]:
    found = []
    contact = _text(given.get("contact_id")).strip()
    if not contact or len(contact) > 50:
        found.append("contact_id has not 1 to 50 characters")
    if "name" in given and len(_text(given["name"]).strip()) > 255:
        found.append("name is longer than 255")
    shown = re.sub(r"\D", "", _text(answer.get("contact_id")).split("@")[0])
    wanted = re.sub(r"\D", "", _ascii_digits(contact.split("@")[0]))
    if not shown or shown not in (wanted, wanted.removeprefix("00"), wanted.replace("0", "", 1)):
        found.append("the contact is not the one that was asked for")
    return found


def _times(given: Mapping[str, Any]) -> list[str]:
    try:
        moments = {name: _moment(given[name]) for name in ("send_at", "expires_at") if _text(given.get(name)).strip()}
    except (ValueError, OverflowError):
        return ["a time is no date"]
    expires = moments.get("expires_at")
    if expires is not None and expires <= datetime.now(UTC).timestamp() - 60:
        return ["expires_at is in the past"]
    if expires is not None and expires <= moments.get("send_at", float("-inf")):
        return ["expires_at is not after send_at"]
    return []


def _moment(value: Any) -> float:
    if not isinstance(value, str):
        raise ValueError(value)  # noqa: TRY004 the caller asks whether it is a date
    moment = datetime.fromisoformat(value.strip())
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _ascii_digits(text: str) -> str:
    return "".join(str(int(c)) if c.isdecimal() else c for c in text)
