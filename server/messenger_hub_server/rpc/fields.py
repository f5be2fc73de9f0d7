"""Checks of request fields, compiled from the options of the contract: options → sentences. All violations come at once.

The sentences are the documented ones of the REST API, and gRPC callers get the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Protocol

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from messenger_hub.v1 import rest_pb2

from messenger_hub_server.errors import FUTURE
from messenger_hub_server.identity.callers import Caller

Violations = dict[str, list[str]]
Format = Callable[[str, Caller], bool]


class Context(Protocol):
    """What checks need to know of a call."""

    @property
    def caller(self) -> Caller:
        """Who calls."""
        ...

    @property
    def now_ms(self) -> int:
        """When the call came."""
        ...

    @property
    def formats(self) -> Mapping[int, Format]:
        """Number of rest_pb2.Format → check."""
        ...


Check = Callable[[Any, Message, Context], str | None]
"""Of a field's value, in its request: the sentence that says what is wrong."""


def violations(request: Message, context: Context, prior: Mapping[str, Sequence[str]] | None = None) -> Violations:
    """Field → sentences, in the order of the contract; of a message in the request as `settings.default_country`.

    Fields with a prior violation are not checked again.
    """
    found: Violations = {}
    for field, has_presence, checks, even_when_unset in _compiled(request.DESCRIPTOR):
        if prior and field in prior:
            found[field] = list(prior[field])
            continue
        if has_presence and not even_when_unset and not request.HasField(field):
            continue
        value = getattr(request, field)
        if not value and not even_when_unset and not has_presence:
            continue
        for check in checks:
            if sentence := check(value, request, context):
                found.setdefault(field, []).append(sentence)
                break
    for name in _inner(request.DESCRIPTOR):
        if request.HasField(name):
            inside = violations(getattr(request, name), context)
            found.update({f"{name}.{field}": sentences for field, sentences in inside.items()})
    return found


@cache
def _inner(descriptor: Descriptor) -> Sequence[str]:
    """Fields that are messages of the contract; what is repeated is checked item by item, by who answers for each."""
    own = f"{rest_pb2.DESCRIPTOR.package.partition('.')[0]}."
    return [
        f.name
        for f in descriptor.fields
        if f.message_type is not None and not f.is_repeated and f.message_type.full_name.startswith(own)
    ]


def trim(request: Message) -> None:
    """Takes surrounding white space off every string that is not verbatim, in repeated messages too."""
    texts, inner = _trimmed(request.DESCRIPTOR)
    for name in texts:
        value = getattr(request, name)
        if value and (bare := value.strip()) != value:
            setattr(request, name, bare)
    for name in inner:
        for one in getattr(request, name):
            trim(one)


@cache
def _trimmed(descriptor: Descriptor) -> tuple[Sequence[str], Sequence[str]]:
    single = [f for f in descriptor.fields if f.type == FieldDescriptor.TYPE_STRING and not f.is_repeated]
    texts = [f.name for f in single if not f.GetOptions().Extensions[rest_pb2.param].verbatim]
    return texts, [f.name for f in descriptor.fields if f.is_repeated and f.message_type is not None]


def spoken(field: str) -> str:
    """A field's name as sentences say it."""
    return field.replace("_", " ")


@cache
def _compiled(descriptor: Descriptor) -> Sequence[tuple[str, bool, Sequence[Check], bool]]:
    """Of each field its name, whether it knows unset from zero, its checks, and whether they mind that it is not set."""
    return [
        (field.name, field.has_presence, list(_checks(field)), _minds_absence(field)) for field in descriptor.fields
    ]


def _minds_absence(field: FieldDescriptor) -> bool:
    """Whether a field can be wrong by not being there, or by being the zero that says so."""
    param = field.GetOptions().Extensions[rest_pb2.param]
    bounded = bool(param.minimum or param.maximum) and not field.has_presence
    return bool(param.required or param.required_without) or (bounded and not param.minimum <= 0 <= param.maximum)


def _checks(field: FieldDescriptor) -> Sequence[Check]:
    param = field.GetOptions().Extensions[rest_pb2.param]
    checks: list[Check] = []
    if field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated:
        checks.append(_no_nul(field.name))
    if param.required or param.required_without:
        checks.append(_required(field, param))
    if param.prohibited_with:
        checks.append(_prohibited(field, param.prohibited_with))
    if param.max_length:
        checks.append(_max_length(field.name, param.max_length))
    if param.format:
        checks.append(_format(field.name, param.format))
    if param.minimum or param.maximum:
        checks.append(_between(field, param.minimum, param.maximum))
    if field.enum_type is not None and not field.is_repeated:
        checks.append(_choice(field))
    if field.message_type is not None and field.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
        checks += _times(field.name, param)
    return checks


def _presence(sibling: FieldDescriptor, name: str) -> Callable[[Message], bool]:
    """Tells of a request whether a field of the sibling's message is there; a string of white space is not."""
    field = sibling.containing_type.fields_by_name[name]  # type: ignore[union-attr]  # only extensions have none
    if field.is_repeated:
        return lambda request: bool(getattr(request, name))
    if field.message_type is not None or field.has_presence:
        return lambda request: request.HasField(name)
    if field.type == FieldDescriptor.TYPE_STRING:
        return lambda request: bool(getattr(request, name).strip())
    return lambda request: bool(getattr(request, name))


def _required(field: FieldDescriptor, param: rest_pb2.Param) -> Check:
    name, other = field.name, param.required_without
    when = f" when {spoken(other)} is not present" if other else ""
    here = _presence(field, name)
    there = _presence(field, other) if other else lambda _: False

    def check(_: Any, request: Message, __: Context) -> str | None:
        return None if here(request) or there(request) else f"The {spoken(name)} field is required{when}."

    return check


def _prohibited(field: FieldDescriptor, other: str) -> Check:
    name = field.name
    here, there = _presence(field, name), _presence(field, other)

    def check(_: Any, request: Message, __: Context) -> str | None:
        both = here(request) and there(request)
        return f"The {spoken(name)} field is prohibited when {spoken(other)} is present." if both else None

    return check


def _no_nul(name: str) -> Check:
    def check(value: Any, _: Message, __: Context) -> str | None:
        return f"The {spoken(name)} field must not hold NUL." if "\0" in value else None

    return check


def _max_length(name: str, most: int) -> Check:
    def check(value: Any, _: Message, __: Context) -> str | None:
        return f"The {spoken(name)} field must not be greater than {most} characters." if len(value) > most else None

    return check


def _format(name: str, number: int) -> Check:
    def check(value: Any, _: Message, context: Context) -> str | None:
        good = not value or context.formats[number](value, context.caller)
        return None if good else f"The {spoken(name)} field format is invalid."

    return check


def _between(field: FieldDescriptor, least: int, most: int) -> Check:
    name = field.name

    def check(value: Any, request: Message, _: Context) -> str | None:
        if field.has_presence and not request.HasField(name):
            return None
        good = least <= value <= most
        return None if good else f"The {spoken(name)} field must be between {least} and {most}."

    return check


def _choice(field: FieldDescriptor) -> Check:
    name = field.name
    known = frozenset(field.enum_type.values_by_number) if field.enum_type else frozenset()

    def check(value: Any, _: Message, __: Context) -> str | None:
        return None if value in known else f"The selected {spoken(name)} is invalid."

    return check


def _times(name: str, param: rest_pb2.Param) -> Sequence[Check]:
    def valid(moment: Timestamp, request: Message, _: Context) -> str | None:
        if not request.HasField(name):
            return None
        try:
            moment.ToDatetime()
        except (ValueError, OverflowError):
            return f"The {spoken(name)} field must be a valid date."
        return None

    def later(moment: Timestamp, request: Message, _: Context) -> str | None:
        if not (request.HasField(name) and request.HasField(param.after)):
            return None
        good = _ms(moment) > _ms(getattr(request, param.after))
        return None if good else f"The {spoken(name)} field must be a date after {spoken(param.after)}."

    def future(moment: Timestamp, request: Message, context: Context) -> str | None:
        # A repeat gets its first answer also later than that, and only the store knows whether its key is new: acceptance.answer.
        repeat = bool(getattr(request, "idempotency_key", ""))
        good = repeat or not request.HasField(name) or _ms(moment) > context.now_ms
        return None if good else FUTURE.format(spoken(name))

    return [valid, *([later] if param.after else []), *([future] if param.future else [])]


def _ms(moment: Timestamp) -> int:
    return moment.seconds * 1000 + moment.nanos // 1_000_000


def fingerprint(request: Message) -> bytes:
    """SHA-256 over every field that counts when a repeated idempotency key is compared."""
    counted = type(request)()
    counted.CopyFrom(request)
    for field in request.DESCRIPTOR.fields:
        if field.GetOptions().Extensions[rest_pb2.param].incidental:
            counted.ClearField(field.name)
    return hashlib.sha256(counted.SerializeToString(deterministic=True)).digest()
