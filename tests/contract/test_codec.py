"""The codec beside protobuf's own JSON mapping, on messages and parameters that hypothesis makes up."""

from __future__ import annotations

import json
import string
from datetime import UTC, datetime
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from messenger_hub.v1 import rest_pb2
from messenger_hub_server.gateway import codec
from messenger_hub_server.parts import CONTRACT
from messenger_hub_server.rpc.method import Audience, compiled

from tests.contract.oracle import TIME, rest_json, word

METHODS = [m for m in compiled([module.DESCRIPTOR for module in CONTRACT]).values() if m.audience is Audience.PROGRAMS]
PRINTED = [m.response for m in METHODS if m.bindings]
READ = [m.request for m in METHODS if m.bindings]
MOST = {FieldDescriptor.TYPE_INT32: 2**31 - 1, FieldDescriptor.TYPE_INT64: 2**53 - 1}

texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
# Years that both protobuf and Python know.
moments = st.integers(-62_135_596_800_000, 253_402_300_799_999)


def scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return st.sampled_from(list(field.enum_type.values_by_number))
    if field.type in MOST:
        return st.integers(-MOST[field.type], MOST[field.type])
    if field.type == FieldDescriptor.TYPE_BOOL:
        return st.booleans()
    assert field.type == FieldDescriptor.TYPE_STRING
    return texts


@st.composite
def messages(draw: st.DrawFn, kind: type[Message]) -> Message:
    message = kind()
    fill(draw, message, message.DESCRIPTOR)
    return message


def fill(draw: st.DrawFn, message: Message, descriptor: Descriptor) -> None:
    for field in descriptor.fields:
        if not draw(st.booleans()):
            continue
        value = getattr(message, field.name)
        if field.message_type is not None and field.message_type.full_name == TIME:
            at = draw(moments)
            value.seconds, value.nanos = at // 1000, at % 1000 * 1_000_000 + draw(st.integers(0, 999_999))
        elif field.is_repeated and field.message_type is not None:
            for _ in range(draw(st.integers(0, 3))):
                fill(draw, value.add(), field.message_type)
        elif field.is_repeated:
            value.extend(draw(st.lists(scalars(field), max_size=3)))
        elif field.message_type is not None:
            value.SetInParent()
            fill(draw, value, field.message_type)
        else:
            setattr(message, field.name, draw(scalars(field)))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PRINTED).flatmap(messages))
def test_answers_are_printed_as_protobuf_would_but_for_what_the_contract_says(message: Message) -> None:
    shown = codec.printed(message)
    assert json.loads(codec.encode(shown)) == rest_json(message)
    order = [field.name for field in message.DESCRIPTOR.fields]
    assert list(shown) == [name for name in order if name in shown]


@st.composite
def parameters(draw: st.DrawFn) -> tuple[type[Message], dict[str, Any], dict[str, Any]]:
    """A request's type, parameters as REST takes them, and the same as protobuf's JSON takes them."""
    kind = draw(st.sampled_from(READ))
    given_, plain = {}, {}
    for field in kind.DESCRIPTOR.fields:
        if draw(st.booleans()):
            given_[field.name], plain[field.name] = draw(spellings(field))
    return kind, given_, plain


@st.composite
def spellings(draw: st.DrawFn, field: FieldDescriptor) -> tuple[Any, Any]:
    param = field.GetOptions().Extensions[rest_pb2.param]
    if field.message_type is not None:
        return draw(times())
    value = draw(scalars(field))
    if field.enum_type is not None:
        assume(value)
        name = field.enum_type.values_by_number[value].name
        return word(field.enum_type, name), name
    if field.type in MOST:
        return draw(st.sampled_from([value, str(value), f" {value}\n"])), value
    if param.accepts_integer and draw(st.booleans()):
        number = draw(st.integers(0, 10**20))
        return number, str(number)
    return value, value


@st.composite
def times(draw: st.DrawFn) -> tuple[str, str]:
    """RFC 3339 with any offset, as protobuf reads it too; REST takes one without an offset as UTC."""
    at = datetime.fromtimestamp(draw(st.integers(0, 4_000_000_000)), UTC)
    fraction = draw(st.sampled_from(["", ".5", ".123", ".000001"]))
    text = f"{at:%Y-%m-%dT%H:%M:%S}{fraction}"
    zone = draw(st.sampled_from(["Z", "+00:00", "-03:00", "+05:30", ""]))
    return draw(st.sampled_from(["", " "])) + text + zone, text + (zone or "Z")


@settings(max_examples=200, deadline=None)
@given(parameters())
def test_parameters_are_read_as_protobuf_would_but_for_what_the_contract_says(
    case: tuple[type[Message], dict[str, Any], dict[str, Any]],
) -> None:
    kind, given_, plain = case
    message, wrong = codec.read(kind, given_ | {"unknown": 1})
    assert wrong == {}
    assert message == json_format.ParseDict(plain, kind())


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(READ),
    st.dictionaries(
        st.sampled_from(sorted({f.name for k in READ for f in k.DESCRIPTOR.fields})),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False)
            | st.text(st.sampled_from(string.printable)),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=5,
        ),
    ),
)
def test_whatever_json_holds_is_read_or_gets_a_sentence(kind: type[Message], given_: dict[str, Any]) -> None:
    message, wrong = codec.read(kind, given_)
    assert set(wrong) <= set(given_)
    for field in kind.DESCRIPTOR.fields:
        name = field.name.replace("_", " ")
        assert all(f" {name} " in sentence for sentence in wrong.get(field.name, []))
        if field.name in wrong:
            assert not message.HasField(field.name) if field.has_presence else not getattr(message, field.name)
