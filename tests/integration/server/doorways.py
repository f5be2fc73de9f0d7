"""The ways to one RPC: gRPC, a batch, and every HTTP rule with every kind of body. What comes back is brought into one form."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from messenger_hub.v1 import message_service_pb2
from messenger_hub_server import errors
from messenger_hub_server.rpc.method import Binding, Method

from tests.contract.oracle import rest_json
from tests.integration.server.hub import SECONDS, Hub

TABLE = {kind.word(): kind for kind in errors.table()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One call: fields as gRPC takes them, and those that REST spells in another way."""

    name: str
    fields: Mapping[str, Any]
    rest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, Any]:
        """As REST takes them."""
        return {**self.fields, **self.rest}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came back, whichever way."""

    code: str = ""
    sentence: str = ""
    violations: Mapping[str, Sequence[str]] = field(default_factory=dict)
    metadata_scope: bool = False
    waits: bool = False
    replayed: bool = False
    data: Any = None


class GrpcWay:
    """The RPC itself."""

    name = "grpc"

    def __init__(self, hub: Hub, method: Method) -> None:
        path, codec = f"/{method.service}/{method.name}", (method.request.SerializeToString, method.response.FromString)
        self._call = hub.programs.channel.unary_unary(path, *codec)
        self._method = method

    async def go(self, metadata: Sequence[tuple[str, str]], case: Case) -> Outcome:
        """One call."""
        call = self._call(self._method.request(**case.fields), metadata=metadata, timeout=SECONDS)
        try:
            response = await call
        except grpc.aio.AioRpcError as error:
            status = rpc_status.from_call(error)
            assert status is not None, error
            return refused(status)
        replayed = ("idempotent-replayed", "true") in list(await call.trailing_metadata())
        return Outcome(data=rest_json(response), replayed=replayed)


class BatchWay:
    """The same message as the only one of a batch; what it is told is the status that the call alone would have got."""

    name = "batch"

    def __init__(self, hub: Hub, method: Method) -> None:
        assert method.request is message_service_pb2.SendMessageRequest
        self._stub = hub.programs.messages

    async def go(self, metadata: Sequence[tuple[str, str]], case: Case) -> Outcome:
        """One batch."""
        message = message_service_pb2.SendMessageRequest(**case.fields)
        batch = message_service_pb2.BatchSendMessagesRequest(requests=[message])
        answer = await self._stub.BatchSendMessages(batch, metadata=metadata, timeout=SECONDS)
        (result,) = answer.results
        if result.HasField("error"):
            return refused(result.error)
        return Outcome(data=rest_json(result.response), replayed=result.replayed)


class HttpWay:
    """One HTTP rule; `kind` is how parameters travel: json, form, multipart or query. A field with a header travels in it."""

    def __init__(self, hub: Hub, method: Method, binding: Binding, kind: str, headers: Mapping[str, str]) -> None:
        self.name = f"{binding.verb} {binding.path} {kind}"
        self._hub, self._method, self._binding, self._kind = hub, method, binding, kind
        self._headers = headers if kind in ("form", "query") else {}

    async def go(self, metadata: Sequence[tuple[str, str]], case: Case) -> Outcome:
        """One request."""
        parameters, path = case.parameters, self._binding.path
        for name in [name for name in parameters if "{" + name + "}" in path]:
            path = path.replace("{" + name + "}", str(parameters.pop(name)))
        headers = dict(metadata)
        for name in [name for name in parameters if name in self._headers]:
            value = str(parameters.pop(name))
            # Header values cannot hold everything; those that can are sent as they are.
            if value.strip() == value and value.isascii() and value.isprintable():
                headers[self._headers[name]] = value
            else:
                parameters[name] = value
        async with self._hub.http.request(
            self._binding.verb, path, headers=headers, **self._carried(parameters)
        ) as http:
            body = json.loads(await http.read())
            assert body["success"] is (http.status < 400), body
            if http.status >= 400:
                return self._refused(http.status, body, http.headers)
            assert (http.status, body["message"]) == (self._method.status, self._method.sentence)
            data = body["data"]
            if self._binding.response_body:
                data = {self._binding.response_body: data}
            return Outcome(data=data, replayed=http.headers.get("Idempotent-Replayed") == "true")

    def _carried(self, parameters: dict[str, Any]) -> dict[str, Any]:
        if self._kind == "json":
            return {"json": parameters}
        texts = {name: str(value) for name, value in parameters.items()}
        if self._kind == "query":
            return {"params": texts}
        return {"data": texts if self._kind == "form" else aiohttp.FormData(texts, default_to_multipart=True)}

    def _refused(self, status: int, body: dict[str, Any], headers: Mapping[str, str]) -> Outcome:
        code = body.get("code") or {401: "invalid_api_key", 422: "validation_failed"}[status]
        assert TABLE[code].http_status == status
        return Outcome(
            code=code,
            sentence=body["message"],
            violations=body.get("errors", {}),
            metadata_scope=code == "scope_missing",
            waits=int(headers.get("Retry-After", "0")) > 0,
        )


def refused(status: status_pb2.Status) -> Outcome:
    """A rich status in the common form."""
    info, wrong, retry = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    for detail in status.details:
        for kind in (info, wrong, retry):
            if detail.Is(kind.DESCRIPTOR):
                detail.Unpack(kind)
    code = info.reason.lower()
    assert TABLE[code].grpc_code == status.code
    violations: dict[str, list[str]] = {}
    for violation in wrong.field_violations:
        violations.setdefault(violation.field, []).append(violation.description)
    return Outcome(
        code=code,
        sentence=status.message,
        violations=violations,
        metadata_scope="scope" in info.metadata,
        waits=retry.retry_delay.seconds > 0,
    )


def ways(hub: Hub, method: Method, headers: Mapping[str, str]) -> Sequence[GrpcWay | BatchWay | HttpWay]:
    """All ways to an RPC; gRPC is the first."""
    found: list[GrpcWay | BatchWay | HttpWay] = [GrpcWay(hub, method)]
    if method.request is message_service_pb2.SendMessageRequest:
        found.append(BatchWay(hub, method))
    for binding in method.bindings:
        kinds = ("json", "form", "multipart") if binding.body else ("query",)
        found += [HttpWay(hub, method, binding, kind, headers) for kind in kinds]
    return found


def comparable(outcome: Outcome, known: Mapping[int, str]) -> Outcome:
    """Without what differs between two calls that do the same: ids become what they name, times and cursors a word."""
    return replace(outcome, data=_plain(outcome.data, known))


def _plain(value: Any, known: Mapping[int, str], name: str = "") -> Any:
    match value:
        case dict():
            return {member: _plain(one, known, member) for member, one in value.items()}
        case list():
            return [_plain(one, known, name) for one in value]
        case int() if name in ("message_id", "operation_id"):
            return known.get(value, "a new one")
        case str() if name in ("at", "since", "agent_last_seen", "next_cursor", "whatsapp_message_id") and value:
            return f"some {name}"
        case str() if name == "reason":
            return re.sub(
                r"session API door \d+", "session API of this door", value
            )  # who decided; each door has a key of its own
        case int() if name == "queue_age_seconds":
            return "some seconds"
        case _:
            return value
