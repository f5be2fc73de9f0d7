"""Errors as google.rpc.Status: code, sentence, and the details that programs read."""

from __future__ import annotations

from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from messenger_hub.v1 import errors_pb2

from messenger_hub_server.errors import DOMAIN, Conflict, HubError, ValidationFailed


def status_of_error(error: HubError) -> status_pb2.Status:
    """ErrorInfo always; BadRequest, PreconditionFailure and RetryInfo where they apply."""
    reason = errors_pb2.ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_")
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=dict(error.metadata))]
    if isinstance(error, ValidationFailed):
        entries = [
            error_details_pb2.BadRequest.FieldViolation(field=field, description=sentence)
            for field, sentences in error.violations.items()
            for sentence in sentences
        ]
        details.append(error_details_pb2.BadRequest(field_violations=entries))
    if isinstance(error, Conflict):
        violation = error_details_pb2.PreconditionFailure.Violation(type=reason, description=error.sentence)
        details.append(error_details_pb2.PreconditionFailure(violations=[violation]))
    if error.retry_after_seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.seconds = error.retry_after_seconds
        details.append(retry)
    return status_pb2.Status(code=error.grpc_code, message=error.sentence, details=[_packed(one) for one in details])


def _packed(message: Message) -> Any:
    packed = Any()
    packed.Pack(message)
    return packed
