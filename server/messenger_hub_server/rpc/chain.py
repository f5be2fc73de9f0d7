"""What every call passes, whichever door it came through: authenticate → limit → validate → handle.

Two steps, because REST's order needs them: a key in a header is judged before the body is read. The doors translate, nothing else.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from messenger_hub.runtime.clock import Clock
from messenger_hub.runtime.log import logger
from messenger_hub.v1 import rest_pb2

from messenger_hub_server.errors import (
    HubError,
    Internal,
    InvalidApiKey,
    InvalidCredential,
    QuotaExceeded,
    RateLimited,
    ScopeMissing,
    StoreUnavailable,
    ValidationFailed,
)
from messenger_hub_server.identity.callers import Caller, Callers
from messenger_hub_server.identity.limits import Limits
from messenger_hub_server.model import SessionApi
from messenger_hub_server.rpc.fields import Format, trim, violations
from messenger_hub_server.rpc.method import Audience, ContractGap, Method
from messenger_hub_server.store.base import StoreError

log = logger(__name__)
_level = logging.getLogger(__name__)

OPEN = frozenset({"messenger_hub.agent.v1.AgentService.Enrol"})  # the token in the request is its credential


@dataclass(slots=True, kw_only=True)
class CallContext:
    """One call, for its handler. The handler sets `replayed` when it answers an earlier call again."""

    caller: Caller
    request_id: str
    now_ms: int
    formats: Mapping[int, Format] = field(repr=False)
    replayed: bool = False

    @property
    def session_api(self) -> SessionApi:
        """The caller's session API. Raises InvalidApiKey when the caller is no program."""
        if self.caller.session_api is None:
            raise InvalidApiKey
        return self.caller.session_api


class Observer(Protocol):
    """Who counts calls."""

    def called(self, rpc: str, code: str, seconds: float) -> None:
        """A call has ended."""
        ...


class Vouching(Protocol):
    """Whether what is in memory of keys and agents is what the hub's nodes have made of them."""

    def vouches(self) -> bool:
        """It was, within the last second."""
        ...

    async def look(self) -> None:
        """It is. Raises StoreUnavailable when that cannot be told."""
        ...

    async def catch_up(self) -> None:
        """It is what they had made of them when this was called. Raises StoreUnavailable when that cannot be told."""
        ...


class Vouched:
    """Of a hub without other nodes: nobody else changes anything."""

    def vouches(self) -> bool:
        """See Vouching."""
        return True

    async def look(self) -> None:
        """See Vouching."""

    async def catch_up(self) -> None:
        """See Vouching."""


class Chain:
    """Binds methods to handlers by name; a method without a handler refuses to start (ContractGap)."""

    def __init__(
        self,
        methods: Mapping[str, Method],
        handlers: Mapping[str, object],
        *,
        callers: Callers,
        limits: Limits,
        formats: Mapping[int, Format],
        observer: Observer,
        clock: Clock,
        vouching: Vouching,
    ) -> None:
        self.methods = methods
        self._callers = callers
        self._limits = limits
        self._formats = formats
        self._observer = observer
        self._clock = clock
        self._vouching = vouching
        self._handlers = {name: _bound(method, handlers) for name, method in methods.items()}
        self._counts = {name: _operations(method) for name, method in methods.items()}

    def authenticate(self, method: Method, credential: str) -> Caller:
        """Who calls. Raises InvalidApiKey or InvalidCredential."""
        if method.full_name in OPEN:
            return Caller()
        match method.audience:
            case Audience.PROGRAMS:
                return self._callers.program(credential)
            case Audience.AGENTS:
                return self._callers.agent(credential)
            case Audience.OPERATORS:
                return self._callers.operator(credential)

    async def caller(self, method: Method, credential: str) -> Caller:
        """The same. A credential that another node has just made is known by now. Raises StoreUnavailable too."""
        try:
            return self.authenticate(method, credential)
        except (InvalidApiKey, InvalidCredential):
            if not credential or method.audience is Audience.OPERATORS:
                raise
        await self._vouching.catch_up()
        return self.authenticate(method, credential)

    def context(self, caller: Caller, request_id: str = "") -> CallContext:
        """A new call."""
        return CallContext(
            caller=caller,
            request_id=request_id or secrets.token_hex(8),
            now_ms=self._clock.now_ms(),
            formats=self._formats,
        )

    async def call(
        self,
        method: Method,
        context: CallContext,
        request: Message,
        prior: Mapping[str, Sequence[str]] | None = None,
    ) -> Message:
        """A unary call's response. `prior`: violations that the door has found while reading. Raises HubError."""
        with _Observed(self, method, context) as observed:
            if self._is_to_look(context):
                await self._look(context)
            self._admit(method, context, request, prior)
            response: Message = await self._handlers[method.full_name](request, context)
            self._spend(method, context, request)
            observed.code = "OK"
            return response

    async def stream(self, method: Method, context: CallContext, request: Message) -> AsyncGenerator[Message, None]:
        """A server-streaming call's responses; close it when nobody wants more. Raises HubError."""
        with _Observed(self, method, context) as observed:
            if self._is_to_look(context):
                await self._look(context)
            self._admit(method, context, request, None)
            async with aclosing(self._handlers[method.full_name](request, context)) as responses:
                async for response in responses:
                    yield response
            observed.code = "OK"

    async def converse(
        self,
        method: Method,
        context: CallContext,
        frames: AsyncIterator[Message],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """A bidirectional call until it ends. Raises HubError."""
        with _Observed(self, method, context) as observed:
            if self._is_to_look(context):
                await self._look(context)
            await self._handlers[method.full_name](frames, send, context)
            observed.code = "OK"

    def _is_to_look(self, context: CallContext) -> bool:
        """Nearly never for programs and agents: a coroutine less for each of their calls."""
        return context.caller.operator or not self._vouching.vouches()

    async def _look(self, context: CallContext) -> None:
        """Looks whether another node has taken the caller's rights away. The operators' are nobody's to take, but their next call may come
        to another node than the last, and must find what that one did."""
        if context.caller.operator:
            with suppress(StoreUnavailable):  # they are shown what is known here; what they change needs the database
                await self._vouching.catch_up()
        elif context.caller.session_api is not None or context.caller.agent is not None:
            await self._vouching.look()
            self._callers.confirm(context.caller)

    def _admit(
        self,
        method: Method,
        context: CallContext,
        request: Message,
        prior: Mapping[str, Sequence[str]] | None,
    ) -> None:
        if (session_api := context.caller.session_api) is not None:
            self._limit(session_api)
            if method.scope and method.scope not in session_api.scopes:
                raise ScopeMissing(
                    rest_pb2.Scope.Name(rest_pb2.Scope.ValueType(method.scope)).removeprefix("SCOPE_").lower()
                )
            trim(request)
        if found := violations(request, context, prior):
            raise ValidationFailed(found)
        if session_api is not None and session_api.quota_per_day is not None and not method.reads:
            self._quota(session_api, self._counts[method.full_name](request))

    def _limit(self, session_api: SessionApi) -> None:
        wait = self._limits.take(session_api.id, session_api.rate_per_minute, self._clock.monotonic())
        if wait is not None:
            raise RateLimited(wait)

    def _quota(self, session_api: SessionApi, count: int) -> None:
        wait = self._limits.room(session_api.id, session_api.quota_per_day, count, self._clock.monotonic())
        if wait is not None and count:
            raise QuotaExceeded(wait)

    def _spend(self, method: Method, context: CallContext, request: Message) -> None:
        session_api = context.caller.session_api
        if session_api is None or session_api.quota_per_day is None:
            return
        if not method.reads and not context.replayed:
            count = self._counts[method.full_name](request)
            self._limits.spend(session_api.id, session_api.quota_per_day, count, self._clock.monotonic())

    def ended(self, method: Method, context: CallContext, code: str, seconds: float) -> None:
        """Counts a call."""
        self._observer.called(method.full_name, code, seconds)
        if _level.isEnabledFor(logging.DEBUG):
            log.debug("call", rpc=method.full_name, code=code, request=context.request_id)

    def seconds(self) -> float:
        """The clock that calls are measured with."""
        return self._clock.monotonic()


class _Observed:
    """Counts a call and turns what is no HubError into Internal, with its traceback in the log."""

    def __init__(self, chain: Chain, method: Method, context: CallContext) -> None:
        self._chain = chain
        self._method = method
        self._context = context
        self._since = chain.seconds()
        self.code = "CANCELLED"

    def __enter__(self) -> _Observed:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            self._failed(error)
        self._chain.ended(self._method, self._context, self.code, self._chain.seconds() - self._since)
        if isinstance(error, StoreError):
            raise StoreUnavailable from error
        if isinstance(error, Exception) and not isinstance(error, HubError):
            raise Internal from error

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, StoreError):
            self.code = StoreUnavailable().code
            log.warning(
                "store not readable", rpc=self._method.full_name, request=self._context.request_id, exc_info=error
            )
        elif isinstance(error, HubError):
            self.code = error.code
        elif isinstance(error, Exception):
            self.code = Internal().code
            log.error("call failed", rpc=self._method.full_name, request=self._context.request_id, exc_info=error)


def _operations(method: Method) -> Callable[[Message], int]:
    """Tells of a request how many operations it may accept: what costs quota."""
    if not any(f.GetOptions().Extensions[rest_pb2.param].header for f in _queueing(method)):
        return lambda _: 0
    repeated = [f.name for f in method.request.DESCRIPTOR.fields if f.is_repeated and f.message_type is not None]
    return (lambda request: len(getattr(request, repeated[0]))) if repeated else (lambda _: 1)


def _queueing(method: Method) -> Sequence[FieldDescriptor]:
    """The fields that say whether a call queues: its own, or those of what it repeats."""
    # The stubs know two kinds of FieldDescriptor.
    fields: list[FieldDescriptor] = list(method.request.DESCRIPTOR.fields)  # type: ignore[arg-type]
    inner = [f.message_type for f in fields if f.is_repeated and f.message_type is not None]
    return list(inner[0].fields) if inner else fields


def _bound(method: Method, handlers: Mapping[str, object]) -> Callable[..., Any]:
    handler = getattr(handlers.get(method.service), method.handler, None)
    if handler is None:
        raise ContractGap(f"{method.full_name} has no handler {method.handler}")
    bound: Callable[..., Any] = handler
    return bound
