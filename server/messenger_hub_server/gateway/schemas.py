"""JSON Schemas of what requests may hold and what answers do hold, compiled from the descriptors like the codec itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.timestamp_pb2 import Timestamp
from messenger_hub.v1 import rest_pb2

from messenger_hub_server.gateway.codec import INTEGERS, MOST_INT32, MOST_INTEGER, always_printed, words
from messenger_hub_server.gateway.comments import Comments, listed
from messenger_hub_server.rpc.method import ContractGap

Json = dict[str, Any]

REFERENCE = "#/components/schemas/"
_TIME = {"type": "string", "format": "date-time"}
_PREFIXES = (rest_pb2.DESCRIPTOR.package + ".", "google.protobuf.")


class Schemas:
    """Makes schemas; those of messages in answers are collected in `components`."""

    def __init__(self, comments: Comments) -> None:
        self._comments = comments
        self.components: dict[str, Json] = {}

    def parameter(self, field: FieldDescriptor) -> Json:
        """One parameter. Raises ContractGap for a type that parameters cannot have."""
        param = _param(field)
        schema = _scalar(field)
        if param.accepts_integer:
            schema["type"] = ["string", "integer"]
        if param.max_length:
            schema["maxLength"] = param.max_length
        if param.required and schema["type"] == "string" and field.enum_type is None:
            schema |= {"minLength": 1, "pattern": r"\S"}
        if param.format:
            schema["format"] = _format_word(param.format).replace("_", "-")
        if param.maximum:
            schema |= {"minimum": param.minimum, "maximum": param.maximum}
        if param.example:
            schema["examples"] = [_example(field, param.example)]
        return schema

    def parameter_text(self, field: FieldDescriptor) -> str:
        """What a parameter is for and must look like, in Markdown."""
        parts = [self._comments.of(field.full_name)]
        if number := _param(field).format:
            value = rest_pb2.Format.DESCRIPTOR.values_by_number[number]
            parts.append(self._comments.of(_value_name(rest_pb2.Format.DESCRIPTOR, value.name)))
        if field.enum_type is not None:
            parts.append(self._meanings(field.enum_type))
        return "\n\n".join(part for part in parts if part)

    def body(self, request: str, fields: Sequence[FieldDescriptor]) -> Json:
        """A reference to the schema of a body: these fields of the request with that full name."""
        name = _short(request)
        self.components[name] = self._parameters(fields)
        return {"$ref": REFERENCE + name}

    def _parameters(self, fields: Sequence[FieldDescriptor]) -> Json:
        schema: Json = {"type": "object", "properties": {}}
        for field in fields:
            schema["properties"][field.name] = {
                **self.parameter(field),
                "description": self.parameter_text(field),
            }
        if required := [f.name for f in fields if _param(f).required]:
            schema["required"] = required
        return schema | _choices(fields)

    def answer(self, descriptor: Descriptor) -> Json:
        """A reference to the schema of a message in an answer."""
        name = _short(descriptor.full_name)
        if name not in self.components:
            self.components[name] = {}  # before its members, which may hold it again
            self.components[name] = self._printed(descriptor)
        return {"$ref": REFERENCE + name}

    def _printed(self, descriptor: Descriptor) -> Json:
        fields = list(descriptor.fields)
        schema: Json = {
            "type": "object",
            "properties": {field.name: self._member(field) for field in fields},
            "required": [field.name for field in fields if always_printed(field)],
        }
        return {name: value for name, value in schema.items() if value}

    def _member(self, field: FieldDescriptor) -> Json:
        if field.message_type is not None and not _is_time(field):
            one = self.answer(field.message_type)
        else:
            one = _scalar(field)
        schema = {"type": "array", "items": one} if field.is_repeated else one
        text = [self._comments.of(field.full_name)]
        if field.enum_type is not None:
            text.append(self._meanings(field.enum_type))
        return {**schema, "description": "\n\n".join(part for part in text if part)}

    def _meanings(self, enum: EnumDescriptor) -> str:
        names = {number: value.name for number, value in enum.values_by_number.items()}
        meant = {word: self._comments.of(_value_name(enum, names[number])) for word, number in words(enum).items()}
        return listed(meant)


def request_example(fields: Sequence[FieldDescriptor]) -> Json:
    """The parameters that have an example, without those that another one rules out."""
    example: Json = {}
    for field in fields:
        param = _param(field)
        if param.example and param.prohibited_with not in example:
            example[field.name] = _example(field, param.example)
    return example


def answer_example(descriptor: Descriptor) -> Json:
    """An answer as it may look: what has an example, and what is always there."""
    example = {field.name: _member_example(field) for field in descriptor.fields}
    return {name: value for name, value in example.items() if value is not None}


def _member_example(field: FieldDescriptor) -> object:
    text = field.GetOptions().Extensions[rest_pb2.printed].example
    value: object = None
    if field.message_type is not None and not _is_time(field):
        value = answer_example(field.message_type) if field.is_repeated else None
    elif text:
        value = _example(field, text)
    elif field.enum_type is not None:
        value = next(iter(words(field.enum_type)))
    elif field.type == FieldDescriptor.TYPE_BOOL:
        value = True
    elif field.type in INTEGERS:
        value = 1
    return [value] if field.is_repeated and value is not None else value


def _choices(fields: Sequence[FieldDescriptor]) -> Json:
    """Either this one or that one, where the contract says so."""
    rules: list[Json] = []
    for field in fields:
        param = _param(field)
        if param.required_without:
            rules.append({"anyOf": [{"required": [name]} for name in (field.name, param.required_without)]})
        if param.prohibited_with and field.name < param.prohibited_with:
            rules.append({"not": {"required": [field.name, param.prohibited_with]}})
    return {"allOf": rules} if rules else {}


def _scalar(field: FieldDescriptor) -> Json:
    if field.enum_type is not None:
        return {"type": "string", "enum": list(words(field.enum_type))}
    if field.message_type is not None and _is_time(field):
        return dict(_TIME)
    if field.type in INTEGERS:
        most = MOST_INT32 if field.type == FieldDescriptor.TYPE_INT32 else MOST_INTEGER
        return {"type": "integer", "minimum": 0, "maximum": most}
    if field.type == FieldDescriptor.TYPE_BOOL:
        return {"type": "boolean"}
    if field.type == FieldDescriptor.TYPE_STRING:
        return {"type": "string"}
    raise ContractGap(f"{field.full_name} has a type that REST cannot carry")


def _example(field: FieldDescriptor, text: str) -> object:
    return int(text) if field.type in INTEGERS else text


def _param(field: FieldDescriptor) -> rest_pb2.Param:
    param: rest_pb2.Param = field.GetOptions().Extensions[rest_pb2.param]
    return param


def _format_word(number: int) -> str:
    return {value: word for word, value in words(rest_pb2.Format.DESCRIPTOR).items()}[number]


def _value_name(enum: EnumDescriptor, name: str) -> str:
    return f"{enum.full_name}.{name}"


def _is_time(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.full_name == Timestamp.DESCRIPTOR.full_name


def _short(full_name: str) -> str:
    for prefix in _PREFIXES:
        full_name = full_name.removeprefix(prefix)
    return full_name


def error_schema(members: Mapping[str, Json]) -> Json:
    """The one shape of errors, with its further members."""
    base: dict[str, Json] = {"success": {"const": False}, "message": {"type": "string"}}
    return {"type": "object", "properties": base | dict(members), "required": [*base, *members]}
