"""What the contract's comments say of its services, RPCs, messages, fields and enum values, by full name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import Message

Path = tuple[int, ...]
Named = tuple[Path, str]

_AS = re.compile(r"As ([\w.]+)\.")
"""A comment that only refers to another one: "As Message.field." """


class Comments:
    """Texts of the leading comments; "" for what has none."""

    def __init__(self, files: FileDescriptorSet) -> None:
        self._texts = {name: text for file in files.file for name, text in _texts(file)}

    def of(self, full_name: str) -> str:
        """The comment; where it says "As X.y.", that of X.y in the same package."""
        text = self._texts.get(full_name, "")
        if (other := _AS.fullmatch(text)) is None:
            return text
        package = full_name.split(".")[: -len(other[1].split("."))]
        return self._texts.get(".".join([*package, other[1]]), text)


def _texts(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    comments = {
        tuple(location.path): " ".join(location.leading_comments.split())
        for location in file.source_code_info.location
        if location.leading_comments
    }
    for path, name in _names(file):
        if path in comments:
            yield name, comments[path]


def _names(file: FileDescriptorProto) -> Iterator[Named]:
    top = file.package
    for at, message in _children(file, "message_type"):
        yield from _of_message(message, at, top)
    for at, enum in _children(file, "enum_type"):
        yield from _of_enum(enum, at, top)
    for at, service in _children(file, "service"):
        yield at, f"{top}.{service.name}"
        for rpc_at, rpc in _children(service, "method"):
            yield at + rpc_at, f"{top}.{service.name}.{rpc.name}"


def _of_message(message: DescriptorProto, path: Path, above: str) -> Iterator[Named]:
    name = f"{above}.{message.name}"
    yield path, name
    for at, field in _children(message, "field"):
        yield path + at, f"{name}.{field.name}"
    for at, nested in _children(message, "nested_type"):
        yield from _of_message(nested, path + at, name)
    for at, enum in _children(message, "enum_type"):
        yield from _of_enum(enum, path + at, name)


def _of_enum(enum: EnumDescriptorProto, path: Path, above: str) -> Iterator[Named]:
    name = f"{above}.{enum.name}"
    yield path, name
    for at, value in _children(enum, "value"):
        yield path + at, f"{name}.{value.name}"


def _children(parent: Message, member: str) -> Iterator[tuple[Path, Any]]:
    """The members of a list with their places, as source info counts them: field number, then index."""
    number = parent.DESCRIPTOR.fields_by_name[member].number
    for index, child in enumerate(getattr(parent, member)):
        yield (number, index), child


def first_sentence(text: str) -> str:
    """Up to the first full stop that ends a sentence, without it."""
    return re.split(r"\.(?:\s|$)", text, maxsplit=1)[0]


def listed(described: Mapping[str, str]) -> str:
    """Words with what they mean, as a Markdown list."""
    return "\n".join(f"- `{word}`: {text}" if text else f"- `{word}`" for word, text in described.items())
