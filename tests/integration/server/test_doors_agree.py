"""Every public RPC through every door, with right and wrong parameters made from the contract: all doors say the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.timestamp_pb2 import Timestamp
from messenger_hub.v1 import operation_pb2, rest_pb2
from messenger_hub.v1 import operation_service_pb2 as pb
from messenger_hub_server.parts import CONTRACT
from messenger_hub_server.rpc.method import Audience, Method, compiled

from tests.contract.oracle import word
from tests.integration.server.agent import connected, enrolled
from tests.integration.server.doorways import Case, Outcome, comparable, ways
from tests.integration.server.hub import SECONDS, Hub, SessionApi
from tests.integration.server.test_operations import find, send

METHODS = [m for m in compiled([module.DESCRIPTOR for module in CONTRACT]).values() if m.audience is Audience.PROGRAMS]
BOTH = [m for m in METHODS if m.bindings]
STATES = ("pending", "cancelled", "sent", "uncertain", "second uncertain", "third uncertain")
UNKNOWN = 999_999_999

# What strings are tried in every string field: each format has some that are right and some that are wrong in it.
TEXTS = (
    "",
    " ",
    "\u00a0",
    "x",
    "  padded\t",
    "Olá 👍",
    "line\nbreak",
    "1234567890",
    " 1234567890 ",
    "+1 (234) 567-890",
    "0123456789",
    "1234",
    "1" * 16,
    "٣٤٥٦٧٨٩",
    "120363041234567890@g.us",
    "123456-7890",
    "1234567890@c.us",
    "1234567890@lid",
    "1234567890@s.whatsapp.net",
    "someone@else.example",
    "!" * 300,
    "bWgxOjk5OTk5OTk5OQ",
    "bWgxOng",
)
PAST, SOON, LATER = "2001-01-01T00:00:00Z", "2090-01-01T00:00:00Z", "2091-01-01T00:00:00.500Z"
RIGHT: Mapping[str, Any] = {
    "mobile": "4930123456",
    "message": "hello",
    "contact_id": "4930123456",
    "name": "Ada",
    "reference": "order-17",
    "operation_id": "pending",
    "decision": operation_pb2.DECISION_SENT,
}
"""A right value for whatever is required, and for some that are not."""


def at(text: str) -> Timestamp:
    moment = Timestamp()
    moment.FromJsonString(text)
    return moment


def tried(field: FieldDescriptor) -> Iterator[tuple[str, Any, Any]]:
    """Label, value for gRPC, value for REST."""
    param = field.GetOptions().Extensions[rest_pb2.param]
    if field.enum_type is not None:
        for number, value in field.enum_type.values_by_number.items():
            yield value.name, number, word(field.enum_type, value.name)
        yield "no such word", 99, "no such word"
    elif field.message_type is not None:
        for text in (PAST, SOON, LATER):
            yield text, at(text), text
        yield "a time beyond all years", Timestamp(seconds=2**40), "a time beyond all years"
    elif field.type == FieldDescriptor.TYPE_STRING:
        for text in (*TEXTS, *(("é" * n) for n in (param.max_length, param.max_length + 1) if param.max_length)):
            yield repr(text[:20]), text, text
    else:
        yield from ((str(number), number, number) for number in numbers(field, param))


def numbers(field: FieldDescriptor, param: rest_pb2.Param) -> Sequence[int | str]:
    """For ids the names of operations too, which each door has its own of."""
    if field.name.endswith("_id"):
        return (*STATES, UNKNOWN, -1, 2**53)
    # The greatest wait is right, and takes its time.
    most = () if param.incidental else (param.maximum,)
    return (param.minimum, param.minimum - 1, *most, param.maximum + 1, 2**31 - 1, -(2**31))


def cases(method: Method) -> Iterator[Case]:
    fields = list(method.request.DESCRIPTOR.fields)
    required = {f.name: RIGHT[f.name] for f in fields if (f.name in RIGHT and f.name != "reference") or needed(f)}
    spelled = {
        f.name: word(f.enum_type, f.enum_type.values_by_number[required[f.name]].name)
        for f in fields
        if f.name in required and f.enum_type is not None
    }
    in_path = {f.name for f in fields if any("{" + f.name + "}" in b.path for b in method.bindings)}
    yield Case(name="nothing", fields={n: v for n, v in required.items() if n in in_path})
    yield Case(name="what is required", fields=required, rest=spelled)
    for left_out in required.keys() - in_path:
        less = {n: v for n, v in required.items() if n != left_out}
        yield Case(name=f"no {left_out}", fields=less, rest={n: v for n, v in spelled.items() if n in less})
    for field in fields:
        for label, grpc_value, rest_value in tried(field):
            name = f"{field.name}={label}"
            yield Case(name=name, fields={**required, field.name: grpc_value}, rest={**spelled, field.name: rest_value})
    if "expires_at" in method.request.DESCRIPTOR.fields_by_name:
        for label, first, second in (("in order", SOON, LATER), ("turned round", LATER, SOON), ("alike", SOON, SOON)):
            times = {"send_at": first, "expires_at": second}
            yield Case(name=f"times {label}", fields={**required, **{n: at(t) for n, t in times.items()}}, rest=times)
    if {"mobile", "group_id"} <= {f.name for f in fields}:
        group = {"group_id": "120363041234567890"}
        yield Case(name="both", fields={**required, **group})
        yield Case(name="the group alone", fields={**group, "message": "hello"})
        yield Case(
            name="everything wrong",
            fields={"mobile": "x", **group, "priority": 99, "reference": "é" * 129, "wait": 31},
            rest={"priority": "x"},
        )
    if headers_of(method):
        for name, more in (("first", {}), ("again", {}), ("otherwise", {"reference": "else"})):
            yield Case(name=f"one key, {name}", fields={**required, "idempotency_key": "k", **more})


def needed(field: FieldDescriptor) -> bool:
    param = field.GetOptions().Extensions[rest_pb2.param]
    return bool(param.required or param.required_without)


def headers_of(method: Method) -> Mapping[str, str]:
    options = {f.name: f.GetOptions().Extensions[rest_pb2.param].header for f in method.request.DESCRIPTOR.fields}
    return {name: header for name, header in options.items() if header}


async def prepared(hub: Hub, name: str, scopes: Sequence[int] = (1, 2, 3, 4)) -> tuple[SessionApi, dict[str, int]]:
    """A channel of its own with a session API, and operations in each state on it."""
    channel = await hub.channel(name)
    api = await hub.session_api(name, name, scopes=scopes)
    ids: dict[str, int] = {}
    async with connected(hub, channel, await enrolled(hub, name, name)) as agent:
        for state in STATES[2:]:
            ids[state] = await send(hub, api)
            await agent.carry_out(state.split()[-1].upper(), "" if state == "sent" else "whatsapp_error")
    for state in STATES[:2]:
        ids[state] = await send(hub, api, mobile="4930777777")
    request = pb.CancelOperationRequest(operation_id=ids["cancelled"])
    await hub.programs.operations.CancelOperation(request, metadata=api.metadata, timeout=SECONDS)
    return api, ids


def of_this_door(case: Case, ids: Mapping[str, int]) -> Case:
    """With the door's own ids instead of their names."""
    own = {n: ids.get(v, v) for n, v in case.fields.items() if n == "operation_id"}
    return Case(name=case.name, fields={**case.fields, **own}, rest={**case.rest, **own})


@pytest.mark.parametrize("method", BOTH, ids=lambda m: m.name)
async def test_all_doors_answer_alike(hub: Hub, method: Method) -> None:
    doors = ways(hub, method, headers_of(method))
    assert len(doors) >= 2
    rooms = [await prepared(hub, f"door {number}") for number in range(len(doors))]
    differences, codes = [], set()
    for case in cases(method):
        answers: list[Outcome] = []
        for door, (api, ids) in zip(doors, rooms, strict=True):
            outcome = await door.go(tuple((k.lower(), v) for k, v in api.metadata), of_this_door(case, ids))
            answers.append(comparable(outcome, {number: state for state, number in ids.items()}))
        codes.add(answers[0].code)
        differences += [
            f"{case.name}: {door.name} says {answer}, gRPC {answers[0]}"
            for door, answer in zip(doors, answers, strict=True)
            if answer != answers[0]
        ]
    assert not differences, f"{len(differences)} differences:\n" + "\n".join(differences[:20])
    assert "" in codes, "no case went through"
    if method.request.DESCRIPTOR.fields:
        assert codes > {""}, "no case was refused"


@pytest.mark.parametrize("method", BOTH, ids=lambda m: m.name)
async def test_all_doors_refuse_alike(hub: Hub, method: Method) -> None:
    doors = ways(hub, method, headers_of(method))
    if method.name == "SendMessage":
        doors = [door for door in doors if door.name != "batch"]
    right = {f.name: RIGHT[f.name] for f in method.request.DESCRIPTOR.fields if needed(f)}
    case = Case(
        name="right",
        fields={**right, **({"operation_id": UNKNOWN} if "operation_id" in right else {})},
        rest={"decision": "sent"} if "decision" in right else {},
    )
    seen = {}
    for number, door in enumerate(doors):
        await hub.channel(f"door {number}")
        without = [s for s in (1, 2, 3, 4) if s != method.scope]
        slow = await hub.session_api(
            f"slow {number}", f"door {number}", scopes=[1, 2, 3, 4], settings={"rate_per_minute": 1}
        )
        little = await hub.session_api(f"little {number}", f"door {number}", settings={"quota_per_day": 1})
        powerless = await hub.session_api(f"powerless {number}", f"door {number}", scopes=without)
        keys = {
            "no key": [()],
            "a wrong key": [(("x-api-key", "x"),)],
            "no scope": [powerless.metadata],
            "too fast": [slow.metadata] * 2,
            "too many": [little.metadata] * 2,
        }
        seen[door.name] = {
            label: comparable([await door.go(one, case) for one in given][-1], {}) for label, given in keys.items()
        }
    first = seen["grpc"]
    assert [first[label].code for label in ("no key", "a wrong key", "no scope", "too fast")] == [
        "invalid_api_key",
        "invalid_api_key",
        "scope_missing",
        "rate_limited",
    ]
    if headers_of(method):
        assert first["too many"].code == "quota_exceeded"
    for name, outcomes in seen.items():
        assert outcomes == first, name


@pytest.mark.parametrize("way", range(6))
async def test_strings_are_trimmed_and_the_text_is_not_whichever_door(hub: Hub, way: int) -> None:
    method = next(m for m in BOTH if m.name == "SendMessage")
    doors = ways(hub, method, headers_of(method))
    assert len(doors) == 6
    api = await hub.session_api()
    fields = {"mobile": "4930123456", "group_id": " \t", "message": " hello\n", "reference": "\u00a0order-17 "}
    outcome = await doors[way].go((("x-api-key", api.key),), Case(name="padded", fields=fields))
    found = await find(hub, api, outcome.data["message_id"])
    assert found.reference == "order-17"
    async with connected(hub, 1, await enrolled(hub)) as agent:
        assert (await agent.lease()).send_text.text == " hello\n"


def test_what_has_no_http_rule_is_what_rest_cannot_carry() -> None:
    assert {m.name for m in METHODS if not m.bindings} == {"BatchSendMessages", "WatchOperations"}
