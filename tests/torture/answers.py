"""What a call was told, by REST or by gRPC, in one way of saying it."""

from __future__ import annotations

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from messenger_hub.v1 import operation_pb2

NO_ANSWER = 0
ACCEPTED = 201
HTTP = {
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.INVALID_ARGUMENT: 422,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}


def status_name(number: operation_pb2.OperationStatus.ValueType) -> str:
    """As REST writes it."""
    return operation_pb2.OperationStatus.Name(number).removeprefix("OPERATION_STATUS_").lower()


SETTLED = frozenset(map(status_name, operation_pb2.OperationStatus.values())) - {"unspecified", "pending", "processing"}
"""What an operation may be when nothing is left to do for it."""


def told(error: grpc.aio.AioRpcError) -> tuple[int, str]:
    """As HTTP says it. What does not come from the hub itself, which gives a reason with each error, is no answer."""
    status = rpc_status.from_call(error)
    for detail in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return HTTP.get(error.code(), 500), info.reason.lower()
    return NO_ANSWER, ""
