"""The OpenAPI document: valid, complete, and true of what a real hub answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from messenger_hub_server.gateway.comments import Comments
from messenger_hub_server.gateway.routes import Routes
from messenger_hub_server.gateway.schemas import Schemas
from messenger_hub_server.parts import CONTRACT
from messenger_hub_server.reflected import published
from messenger_hub_server.rpc.method import ContractGap, compiled
from openapi_spec_validator import validate

from tests.integration.server.hub import Hub, SessionApi
from tests.integration.server.test_operations import send

METHODS = compiled([module.DESCRIPTOR for module in CONTRACT])
ROUTES = Routes(METHODS.values()).all
Json = dict[str, Any]


async def described(hub: Hub) -> Json:
    async with hub.http.get("/openapi.json") as http:
        assert (http.status, http.content_type) == (200, "application/json")
        document: Json = json.loads(await http.read())
        return document


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            yield path, verb.upper(), operation


def resolved(document: Json, node: Json) -> Json:
    while "$ref" in node:
        found: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def check(document: Json, schema: Json, value: object) -> None:
    """Raises ValidationError when the value does not match."""
    jsonschema_rs.validate({**schema, "components": document["components"]}, value)


def check_answer(document: Json, operation: Json, status: int, headers: Any, body: bytes) -> None:
    """The answer is documented and matches, headers included."""
    response = resolved(document, operation["responses"][str(status)])
    for name, header in response.get("headers", {}).items():
        if resolved(document, header).get("required"):
            assert headers.get(name), name
    check(document, response["content"]["application/json"]["schema"], json.loads(body))


async def test_it_is_a_valid_document_of_version_3_1(hub: Hub) -> None:
    document = await described(hub)
    validate(document)
    assert document["openapi"].startswith("3.1.")
    assert document["servers"] == [{"url": "/"}]
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    assert "SendMessage" in ids


async def test_it_describes_every_route_and_no_other_with_every_parameter(hub: Hub) -> None:
    document = await described(hub)
    found = {(path, verb): operation for path, verb, operation in operations(document)}
    assert set(found) == {(route.binding.path, route.binding.verb) for route in ROUTES}
    for route in ROUTES:
        operation = found[route.binding.path, route.binding.verb]
        named = {(p["in"], p["name"]) for p in operation["parameters"]}
        body = operation.get("requestBody", {}).get("content", {})
        assert set(body) in (
            set(),
            {"application/json", "application/x-www-form-urlencoded", "multipart/form-data"},
        )
        if body:
            properties = resolved(document, body["application/json"]["schema"])["properties"]
            named |= {("body", name) for name in properties}
        for field in route.method.request.DESCRIPTOR.fields:
            place = "path" if "{" + field.name + "}" in route.binding.path else "body" if body else "query"
            assert (place, field.name) in named
        assert [header for place, header in named if place == "header"] == [header for _, header in route.headers]


async def test_everything_in_it_is_told_in_words(hub: Hub) -> None:
    document = await described(hub)
    for path, verb, operation in operations(document):
        assert operation["summary"], (path, verb)
        for parameter in operation["parameters"]:
            assert parameter["description"], parameter["name"]
    for name, schema in document["components"]["schemas"].items():
        for member, of_member in schema["properties"].items():
            assert of_member["description"], (name, member)
            assert not of_member["description"].startswith("As "), "a reference that leads nowhere"
    contact = document["components"]["schemas"]["SaveContactRequest"]["properties"]["wait"]
    assert contact["description"].startswith("Optional, 0 to 30 seconds"), "the comment that it refers to"


async def test_its_examples_match_their_own_schemas(hub: Hub) -> None:
    document = await described(hub)
    seen = 0
    for _, _, operation in operations(document):
        media = [*operation.get("requestBody", {}).get("content", {}).values()]
        for response in operation["responses"].values():
            media += resolved(document, response)["content"].values()
        for one in media:
            for example in [one["example"]] if "example" in one else [e["value"] for e in one["examples"].values()]:
                check(document, one["schema"], example)
                seen += 1
    assert seen > 50


async def test_its_request_examples_do_what_they_say(hub: Hub) -> None:
    document, api = await described(hub), await hub.session_api(scopes=[1, 2, 3, 4])
    statuses = {}
    for path, verb, operation in operations(document):
        url = path.replace("{operation_id}", str(await send(hub, api)))
        for kind, media in operation.get("requestBody", {"content": {"": {}}})["content"].items():
            body = {"json" if kind == "application/json" else "data": media["example"]} if kind else {}
            query = {
                p["name"]: p["schema"]["examples"][0]
                for p in operation["parameters"]
                if p["in"] == "query" and "examples" in p["schema"] and p["name"] != "group_id"
            }
            async with hub.http.request(verb, url, params=query, headers=api.headers, **body) as http:
                check_answer(document, operation, http.status, http.headers, await http.read())
                statuses[operation["operationId"]] = http.status
    # Nothing is uncertain here, so there is nothing to decide.
    assert {name for name, status in statuses.items() if status >= 400} == {"ResolveOperation"}


async def answers(hub: Hub, api: SessionApi, path: str, verb: str) -> list[tuple[int, Any, bytes]]:
    url = path.replace("{operation_id}", "999999999")
    attempts: list[Json] = [
        {"headers": api.headers},
        {"headers": {}},
        {"headers": api.headers, "data": b"{", "content": True},
        {"headers": api.headers | {"Content-Type": "text/plain"}, "data": b"x"},
        {"headers": api.headers, "data": b"x" * 300_000, "content": True},
    ]
    found = []
    for attempt in attempts:
        if attempt.pop("content", False):
            attempt["headers"] = {**attempt["headers"], "Content-Type": "application/json"}
        async with hub.http.request(verb, url, **attempt) as http:
            found.append((http.status, http.headers, await http.read()))
    return found


async def test_what_goes_wrong_is_documented_too(hub: Hub) -> None:
    document = await described(hub)
    api, limited = await hub.session_api(), await hub.session_api("limited", settings={"rate_per_minute": 1})
    seen = set()
    for path, verb, operation in operations(document):
        for key in (api, limited, limited):
            for status, headers, body in await answers(hub, key, path, verb):
                check_answer(document, operation, status, headers, body)
                seen.add(status)
    assert {400, 401, 403, 404, 413, 415, 422, 429} <= seen


async def test_a_literal_path_is_not_taken_for_an_id(hub: Hub) -> None:
    api = await hub.session_api()
    for verb in ("GET", "PUT", "OPTIONS"):
        async with hub.http.request(verb, "/api/whatsapp-session/operations/cancel", headers=api.headers) as http:
            assert (http.status, http.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["0", "-1", "x", "9" * 30, "%00", "1.0"])
async def test_a_path_without_an_id_names_nothing(hub: Hub, path: str) -> None:
    api = await hub.session_api()
    async with hub.http.get(f"/api/whatsapp-session/operations/{path}", headers=api.headers) as http:
        assert http.status == 404
        assert (await http.json())["code"] == "not_found"


def test_a_parameter_that_rest_cannot_carry_refuses_to_start() -> None:
    batch = METHODS["messenger_hub.v1.MessageService.BatchSendMessages"].request.DESCRIPTOR
    with pytest.raises(ContractGap, match="requests"):
        Schemas(Comments(published())).body(batch.full_name, list(batch.fields))
