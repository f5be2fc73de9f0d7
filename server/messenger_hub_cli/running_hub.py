"""A running hub, found through its data folder and called on its operators' listener."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import grpc
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from messenger_hub.admin.v1 import (
    agent_admin_service_pb2_grpc,
    channel_admin_service_pb2_grpc,
    hub_admin_service_pb2_grpc,
    operation_admin_service_pb2_grpc,
    person_admin_service_pb2_grpc,
    session_api_admin_service_pb2_grpc,
)

from messenger_hub_cli.failures import CliError, Conflict, Failed, HubUnreachable, Misused, NotFound, Unauthorised

ADDRESS_FILE = "admin-address"
TOKEN_FILE = "admin-token"  # noqa: S105 a file name
# An operator's call reads memory or does one commit; a disk that is busy gets this long.
CALL_SECONDS = 30.0

Q = TypeVar("Q")
R = TypeVar("R")


class RunningHub:
    """The operators' services of one hub, with their credential."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channels = channel_admin_service_pb2_grpc.ChannelAdminServiceStub(channel)
        self.session_apis = session_api_admin_service_pb2_grpc.SessionApiAdminServiceStub(channel)
        self.agents = agent_admin_service_pb2_grpc.AgentAdminServiceStub(channel)
        self.operations = operation_admin_service_pb2_grpc.OperationAdminServiceStub(channel)
        self.persons = person_admin_service_pb2_grpc.PersonAdminServiceStub(channel)
        self.hub = hub_admin_service_pb2_grpc.HubAdminServiceStub(channel)


@asynccontextmanager
async def running_hub(data_dir: Path) -> AsyncIterator[RunningHub]:
    """Connects to the hub of a data folder. Raises CliError for everything that the hub or the way to it refuses."""
    address, token = admin_door(data_dir)
    interceptors: Sequence[grpc.aio.ClientInterceptor] = [UnaryToken(token), StreamToken(token)]
    # A proxy of the environment must not see calls to this machine.
    options = [("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(address, options=options, interceptors=interceptors) as channel:
        try:
            yield RunningHub(channel)
        except grpc.aio.AioRpcError as error:
            raise translated(error, data_dir) from error


def admin_door(data_dir: Path) -> tuple[str, str]:
    """Address and token of the operators' listener, as the hub wrote them."""
    try:
        address = (data_dir / ADDRESS_FILE).read_text().strip()
        token = (data_dir / TOKEN_FILE).read_text().strip()
    except FileNotFoundError as error:
        raise not_running(data_dir) from error
    except PermissionError as error:
        raise HubUnreachable(f"The data folder {data_dir} belongs to another user: run this as that user.") from error
    return address, token


def not_running(data_dir: Path) -> HubUnreachable:
    """No hub has the folder open."""
    return HubUnreachable(f"The hub is not running (data folder {data_dir}): start it with messenger-hub up.")


def translated(error: grpc.aio.AioRpcError, data_dir: Path) -> CliError:
    """The hub's refusal as a sentence and an exit code."""
    status = rpc_status.from_call(error)
    reason = reason_of(status)
    if error.code() is grpc.StatusCode.UNAVAILABLE and not reason:
        return not_running(data_dir)
    sentence = sentence_of(error.details() or "The hub refused without saying why; its log has more.", status)
    return failure_for(error.code())(sentence, code=reason or error.code().name.lower())


def failure_for(code: grpc.StatusCode) -> type[CliError]:
    """Which kind of failure a gRPC status is."""
    match code:
        case grpc.StatusCode.NOT_FOUND:
            return NotFound
        case grpc.StatusCode.ALREADY_EXISTS | grpc.StatusCode.FAILED_PRECONDITION | grpc.StatusCode.ABORTED:
            return Conflict
        case grpc.StatusCode.INVALID_ARGUMENT | grpc.StatusCode.OUT_OF_RANGE:
            return Misused
        case grpc.StatusCode.UNAUTHENTICATED | grpc.StatusCode.PERMISSION_DENIED:
            return Unauthorised
        case grpc.StatusCode.UNAVAILABLE:
            return HubUnreachable
        case _:
            return Failed


def reason_of(status: Status | None) -> str:
    """ErrorInfo's reason as programs read it; empty when the answer did not come from a hub."""
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason).removeprefix("ERROR_REASON_").lower()
    return ""


def sentence_of(sentence: str, status: Status | None) -> str:
    """The hub's sentence, or the sentences on each wrong field."""
    for detail in status.details if status else ():
        wrong = error_details_pb2.BadRequest()
        if detail.Unpack(wrong) and wrong.field_violations:
            return " ".join(dict.fromkeys(violation.description for violation in wrong.field_violations))
    return sentence


class UnaryToken(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc]  # grpc has no types
    """Adds the operator's token and a deadline to calls with one answer."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Q], grpc.aio.UnaryUnaryCall[Q, R]],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Q,
    ) -> grpc.aio.UnaryUnaryCall[Q, R] | R:
        """See the class."""
        return await continuation(with_token(client_call_details, self._token, CALL_SECONDS), request)


class StreamToken(grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc]  # grpc has no types
    """Adds the operator's token to calls with a stream of answers."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def intercept_unary_stream(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Q], grpc.aio.UnaryStreamCall[Q, R]],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Q,
    ) -> grpc.aio.UnaryStreamCall[Q, R] | AsyncIterator[R]:
        """See the class."""
        return await continuation(with_token(client_call_details, self._token, None), request)


def with_token(details: grpc.aio.ClientCallDetails, token: str, seconds: float | None) -> grpc.aio.ClientCallDetails:
    """The call's details with the credential; a deadline that the caller set stays."""
    metadata = grpc.aio.Metadata(*(details.metadata or ()), ("authorization", f"Bearer {token}"))
    return grpc.aio.ClientCallDetails(
        details.method, details.timeout or seconds, metadata, details.credentials, details.wait_for_ready
    )
