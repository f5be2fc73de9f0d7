"""One RPC, compiled from its descriptor. A gap in the contract refuses to start."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.message import Message
from messenger_hub.v1 import rest_pb2


class Audience(Enum):
    """Who may call: the package decides."""

    PROGRAMS = "messenger_hub.v1"
    AGENTS = "messenger_hub.agent.v1"
    OPERATORS = "messenger_hub.admin.v1"


class ContractGap(Exception):
    """The contract lacks something that the server needs; the message names the RPC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One HTTP rule. `body` is "" or "*", `response_body` a member of the response or ""."""

    verb: str
    path: str
    body: str
    response_body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """An RPC as the chain and the doors use it. `full_name`: for example messenger_hub.v1.MessageService.SendMessage."""

    name: str
    full_name: str
    service: str
    handler: str
    audience: Audience
    request: type[Message]
    response: type[Message]
    streams_requests: bool
    streams_responses: bool
    reads: bool
    scope: int
    status: int
    sentence: str
    bindings: Sequence[Binding]


def compiled(files: Sequence[FileDescriptor]) -> Mapping[str, Method]:
    """Every RPC of the files, by full name. Raises ContractGap."""
    found = [_method(m) for file in files for service in file.services_by_name.values() for m in service.methods]
    return {method.full_name: method for method in found}


def _method(descriptor: MethodDescriptor) -> Method:
    options = descriptor.GetOptions()
    service = descriptor.containing_service
    rule = options.Extensions[annotations_pb2.http] if options.HasExtension(annotations_pb2.http) else None
    success = options.Extensions[rest_pb2.success]
    if rule is not None and not success.sentence:
        raise ContractGap(f"{descriptor.full_name} has an HTTP rule and no (success).sentence")
    return Method(
        name=descriptor.name,
        full_name=descriptor.full_name,
        service=service.full_name,
        handler=re.sub(r"(?<!^)(?=[A-Z])", "_", descriptor.name).lower(),
        audience=Audience(service.file.package),
        request=message_factory.GetMessageClass(descriptor.input_type),
        response=message_factory.GetMessageClass(descriptor.output_type),
        streams_requests=descriptor.client_streaming,
        streams_responses=descriptor.server_streaming,
        reads=options.idempotency_level == descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS,
        scope=options.Extensions[rest_pb2.scope],
        status=success.status or 200,
        sentence=success.sentence,
        bindings=[_binding(one) for one in (rule, *rule.additional_bindings)] if rule is not None else [],
    )


def _binding(rule: http_pb2.HttpRule) -> Binding:
    verb = rule.WhichOneof("pattern")
    return Binding(verb=verb.upper(), path=getattr(rule, verb), body=rule.body, response_body=rule.response_body)
