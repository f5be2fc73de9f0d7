"""The hub's RPCs, called in this process as an operator or with a program's key, through the chain that guards all calls."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TypeVar, cast

from google.protobuf.message import Message
from messenger_hub.v1 import message_service_pb2

from messenger_hub_server.identity.callers import Caller
from messenger_hub_server.rpc.chain import Chain
from messenger_hub_server.rpc.method import Audience

R = TypeVar("R", bound=Message)

OPERATOR = Caller(operator=True)


class Calls:
    """An RPC is named by its request's type."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        served = (Audience.OPERATORS, Audience.PROGRAMS)
        self._methods = {method.request: method for method in chain.methods.values() if method.audience in served}

    async def call(self, request: Message, response: type[R]) -> R:
        """A unary operators' call. Raises HubError, and TypeError for a response that is another RPC's."""
        method = self._methods[type(request)]
        if method.response is not response:
            raise TypeError(f"{method.full_name} does not answer with {response.__name__}")
        return cast(R, await self._chain.call(method, self._chain.context(OPERATOR), request))

    def stream(self, request: Message, _: type[R]) -> AsyncGenerator[R, None]:
        """A server-streaming operators' call; close it when nobody wants more. Raises HubError."""
        method = self._methods[type(request)]
        return cast(AsyncGenerator[R, None], self._chain.stream(method, self._chain.context(OPERATOR), request))

    async def send(
        self, key: str, request: message_service_pb2.SendMessageRequest
    ) -> message_service_pb2.SendMessageResponse:
        """Queues a message as the program would whose key that is. Raises HubError."""
        method = self._methods[message_service_pb2.SendMessageRequest]
        caller = self._chain.authenticate(method, key)
        answer = await self._chain.call(method, self._chain.context(caller), request)
        return cast(message_service_pb2.SendMessageResponse, answer)
