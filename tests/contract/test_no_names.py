"""The gateway knows the contract by its descriptors alone: no RPC and no field is named in it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import messenger_hub_server.gateway
from messenger_hub_server.parts import CONTRACT
from messenger_hub_server.rpc.method import Audience, compiled

FOLDER = Path(messenger_hub_server.gateway.__file__).parent
METHODS = [m for m in compiled([module.DESCRIPTOR for module in CONTRACT]).values() if m.audience is Audience.PROGRAMS]
# Words of the envelope, of JSON Schema, of OpenAPI and of Python that happen to be fields' names too.
WORDS = {"code", "data", "error", "errors", "message", "name", "number", "requests", "response", "status", "type"}


def fields_below(descriptor: object, seen: set[str]) -> set[str]:
    if descriptor.full_name in seen:
        return set()
    seen.add(descriptor.full_name)
    names = set()
    for field in descriptor.fields:
        names.add(field.name)
        if field.message_type is not None and field.message_type.full_name.startswith("messenger_hub."):
            names |= fields_below(field.message_type, seen)
    return names


def names_of_the_contract() -> set[str]:
    seen: set[str] = set()
    fields = {n for m in METHODS for d in (m.request.DESCRIPTOR, m.response.DESCRIPTOR) for n in fields_below(d, seen)}
    rpcs = {name for m in METHODS for name in (m.name, m.handler, m.full_name, m.service, m.service.split(".")[-1])}
    return (fields | rpcs) - WORDS


def said(source: str) -> Iterator[str]:
    """Every string that a program uses (docstrings aside) and every name in it."""
    tree = ast.parse(source)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in docs:
                yield text
            case ast.Attribute(attr=name) if "_" in name:
                yield name
            case ast.keyword(arg=str(name)) if "_" in name:
                yield name


def found(source: str) -> set[str]:
    names = names_of_the_contract()
    # A sentence may hold a word such as "name"; a program that means the field writes it alone, or with an underscore.
    return {
        word
        for text in said(source)
        for word in (text, *re.findall(r"\w+_\w+", text), *re.findall(r"\b[A-Z]\w+[A-Z]\w+", text))
        if word in names
    }


def test_no_rpc_and_no_field_is_named_in_the_gateway() -> None:
    sources = sorted(FOLDER.glob("*.py"))
    assert len(sources) > 5
    assert {path.name: found(path.read_text()) for path in sources} == {path.name: set() for path in sources}


def test_the_search_finds_what_it_is_for() -> None:
    for source in ('x["mobile"]', "m.group_id", 'f"see SendMessage"', 'path == "operation_id"', "f(idempotency_key=1)"):
        assert found(source), source
