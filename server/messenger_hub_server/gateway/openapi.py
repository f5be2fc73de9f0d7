"""The OpenAPI document, compiled from what the routes, the checks, the printing and the errors are compiled from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from messenger_hub.v1 import rest_pb2

from messenger_hub_server import errors
from messenger_hub_server.gateway import envelope
from messenger_hub_server.gateway.codec import words
from messenger_hub_server.gateway.comments import Comments, first_sentence
from messenger_hub_server.gateway.request import FORM, JSON, KEY_HEADERS, KEY_NAMES, MULTIPART
from messenger_hub_server.gateway.routes import Route
from messenger_hub_server.gateway.schemas import Json, Schemas, answer_example, error_schema, request_example
from messenger_hub_server.rpc.fields import spoken

OPENAPI = "3.1.1"
ABOUT = """\
Queues WhatsApp messages and contact changes, and tells what became of them.

Parameters come from a JSON body, a form or the query string; of a parameter in both, the body's counts. Unknown parameters are
ignored, an empty string or null counts as absent. The key may also stand in the body, as `key` or `api_key`.

Every answer has one shape: `success`, `message` (a sentence) and `data`, or for what went wrong `code`. All problems of a request
come in one answer, with a list of sentences for each parameter in `errors`.

The same calls can be made over gRPC: `/descriptor.pb` holds their descriptors.
"""
PREFETCH = (
    "Browsers and proxies may repeat a GET: give it an idempotency key, so that a repeat gets the first answer and does nothing. "
    "A GET that says that it is a prefetch is answered with 503 and does nothing."
)
ANY_KEY = "Any key of a session API."
_SCHEMES: Mapping[str, Json] = {
    "Header": {"type": "apiKey", "in": "header", "name": KEY_HEADERS[0], "description": ANY_KEY},
    "Bearer": {"type": "http", "scheme": "bearer", "description": ANY_KEY},
    **{
        f"Query_{name}": {"type": "apiKey", "in": "query", "name": name, "description": f"{ANY_KEY} For links."}
        for name in KEY_NAMES
    },
}
_REQUEST_ID: Json = {
    "description": "Names the request in the hub's log.",
    "required": True,
    "schema": {"type": "string"},
}
_RETRY: Json = {
    "description": "Seconds to wait before trying again.",
    "required": True,
    "schema": {"type": "integer", "minimum": 1},
}
_REPLAYED: Json = {
    "description": "There when this is the first answer to a repeated idempotency key.",
    "schema": {"const": "true"},
}


def document(routes: Sequence[Route], published: FileDescriptorSet, version: str) -> Json:
    """The whole document."""
    return _Document(routes, Comments(published)).built(version)


class _Document:
    def __init__(self, routes: Sequence[Route], comments: Comments) -> None:
        self._routes = routes
        self._comments = comments
        self._schemas = Schemas(comments)
        self._errors = _errors_by_status()

    def built(self, version: str) -> Json:
        paths: dict[str, Json] = {}
        for route, operation_id in _named(self._routes):
            paths.setdefault(route.binding.path, {})[route.binding.verb.lower()] = self._operation(route, operation_id)
        services = dict.fromkeys(route.method.service for route in self._routes)
        return {
            "openapi": OPENAPI,
            "info": {
                "title": "Messenger Hub",
                "version": version,
                "description": ABOUT,
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": "/"}],
            "tags": [{"name": _tag(s), "description": self._comments.of(s)} for s in services],
            "security": [{name: []} for name in _SCHEMES],
            "paths": paths,
            "components": {
                "securitySchemes": dict(_SCHEMES),
                "headers": {"X-Request-Id": _REQUEST_ID, "Retry-After": _RETRY, "Idempotent-Replayed": _REPLAYED},
                "responses": {f"Error{s}": self._error_response(s, kinds) for s, kinds in self._errors.items()},
                "schemas": self._schemas.components,
            },
        }

    def _operation(self, route: Route, operation_id: str) -> Json:
        method, body = route.method, self._body(route)
        operation = {
            "operationId": operation_id,
            "tags": [_tag(method.service)],
            "summary": first_sentence(self._comments.of(method.full_name)),
            "description": self._text(route),
            "parameters": self._parameters(route),
            "responses": {str(method.status): self._success(route)}
            | {str(s): {"$ref": f"#/components/responses/Error{s}"} for s in self._errors if _may_answer(s, route)},
        }
        return operation | ({"requestBody": body} if body else {})

    def _text(self, route: Route) -> str:
        parts = [self._comments.of(route.method.full_name)]
        if route.binding.verb == "GET" and not route.method.reads:
            parts.append(PREFETCH)
        if route.method.scope:
            parts.append(f"Needs the scope `{_scope(route.method.scope)}`.")
        return "\n\n".join(parts)

    def _parameters(self, route: Route) -> Sequence[Json]:
        given = [self._parameter(f, "path", f.name) for f in _in_path(route)]
        if not route.binding.body:
            given += [self._parameter(f, "query", f.name) for f in _beside_path(route)]
        for field, header in route.headers:
            given.append(self._parameter(_fields(route)[field], "header", header))
        return given

    def _parameter(self, field: FieldDescriptor, place: str, name: str) -> Json:
        return {
            "name": name,
            "in": place,
            "required": place == "path"
            or (place == "query" and field.GetOptions().Extensions[rest_pb2.param].required),
            "description": self._schemas.parameter_text(field),
            "schema": self._schemas.parameter(field),
        }

    def _body(self, route: Route) -> Json | None:
        if not route.binding.body:
            return None
        fields = _beside_path(route)
        schema = self._schemas.body(route.method.request.DESCRIPTOR.full_name, fields)
        media = {"schema": schema, "example": request_example(fields)}
        needed = any(f.GetOptions().Extensions[rest_pb2.param].required for f in fields)
        return {"required": needed, "content": dict.fromkeys((JSON, FORM, MULTIPART), media)}

    def _success(self, route: Route) -> Json:
        method, member = route.method, route.binding.response_body
        whole: Any = method.response.DESCRIPTOR  # the stubs know two kinds of Descriptor
        descriptor: Descriptor = whole.fields_by_name[member].message_type if member else whole
        properties = {
            "success": {"const": True},
            "message": {"const": method.sentence},
            "data": self._schemas.answer(descriptor),
        }
        schema = {"type": "object", "properties": properties, "required": list(properties)}
        example = {"success": True, "message": method.sentence, "data": answer_example(descriptor)}
        replayed = {"Idempotent-Replayed": {"$ref": "#/components/headers/Idempotent-Replayed"}}
        return {
            "description": method.sentence,
            "headers": _request_id() | (replayed if route.headers else {}),
            "content": {JSON: {"schema": schema, "example": example}},
        }

    def _error_response(self, status: int, kinds: Sequence[type[errors.HubError]]) -> Json:
        retry = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
        waits = all(issubclass(kind, errors.Limited | errors.Unavailable) for kind in kinds)
        examples = {
            kind.word(): {"summary": kind.sentence, "value": envelope.example(kind, self._violations())}
            for kind in kinds
        }
        return {
            "description": f"{HTTPStatus(status).phrase}: " + " ".join(kind.sentence for kind in kinds),
            "headers": _request_id() | (retry if waits else {}),
            "content": {JSON: {"schema": _error_schema(kinds), "examples": examples}},
        }

    def _violations(self) -> Mapping[str, Sequence[str]]:
        """What is told of a call without any parameter."""
        required = [
            f.name for f in _fields(self._routes[0]).values() if f.GetOptions().Extensions[rest_pb2.param].required
        ]
        return {name: [f"The {spoken(name)} field is required."] for name in required}


def _errors_by_status() -> Mapping[int, Sequence[type[errors.HubError]]]:
    found: dict[int, list[type[errors.HubError]]] = {}
    for kind in errors.table():
        if kind.programs and not issubclass(kind, errors.MethodNotAllowed):
            found.setdefault(kind.http_status, []).append(kind)
    return dict(sorted(found.items()))


def _may_answer(status: int, route: Route) -> bool:
    """Can a call of this route be answered so? What is not told here can always happen."""
    match status:
        case HTTPStatus.FORBIDDEN:
            return bool(route.method.scope)
        case HTTPStatus.NOT_FOUND:
            return bool(_in_path(route))
        case HTTPStatus.CONFLICT:
            return not route.method.reads
        case HTTPStatus.UNPROCESSABLE_ENTITY:
            return bool(_beside_path(route))
        case _:
            return True


def _error_schema(kinds: Sequence[type[errors.HubError]]) -> Json:
    member = envelope.further_member(kinds[0])
    if member == "errors":
        sentences = {"type": "array", "items": {"type": "string"}, "minItems": 1}
        return error_schema({member: {"type": "object", "additionalProperties": sentences}})
    return error_schema({member: {"enum": [kind.word() for kind in kinds]}} if member else {})


def _request_id() -> Json:
    return {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}


def _named(routes: Sequence[Route]) -> Iterator[tuple[Route, str]]:
    """Routes with ids: the RPC's name, numbered from its second route on; in the order of the contract."""
    bindings = {id(binding): (m, n) for m in (r.method for r in routes) for n, binding in enumerate(m.bindings, 1)}
    for route in routes:
        method, number = bindings[id(route.binding)]
        yield route, method.name + (str(number) if number > 1 else "")


def _fields(route: Route) -> Mapping[str, FieldDescriptor]:
    # The stubs know two kinds of FieldDescriptor.
    return {field.name: field for field in route.method.request.DESCRIPTOR.fields}  # type: ignore[misc]


def _in_path(route: Route) -> Sequence[FieldDescriptor]:
    return [field for name, field in _fields(route).items() if name in route.pattern.groupindex]


def _beside_path(route: Route) -> Sequence[FieldDescriptor]:
    return [field for name, field in _fields(route).items() if name not in route.pattern.groupindex]


def _tag(service: str) -> str:
    return service.rpartition(".")[2].removesuffix("Service")


def _scope(number: int) -> str:
    return next(word for word, value in words(rest_pb2.Scope.DESCRIPTOR).items() if value == number)
