"""Programs that call REST and gRPC as careful ones do, and write down what they were told.

With an idempotency key a call is repeated after a time-out, a lost connection and any 5xx, until it is answered. Without one an
unknown outcome is never repeated.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from messenger_hub.v1 import (
    contact_service_pb2,
    contact_service_pb2_grpc,
    message_service_pb2_grpc,
    operation_pb2,
    operation_service_pb2,
    operation_service_pb2_grpc,
)
from messenger_hub.v1 import message_service_pb2 as pb

from tests.torture.answers import ACCEPTED, NO_ANSWER, SETTLED, status_name, told
from tests.torture.nemesis.estate import CALL_SECONDS, Estate
from tests.torture.nemesis.record import (
    MESSAGE,
    REMOVE,
    SAVE,
    Attempt,
    Cancelling,
    Change,
    Look,
    Wish,
)

AGAIN_SECONDS = (0.05, 0.4)  # between two attempts
UNSETTLED_MOST = 8  # a client's own; then it looks until some are settled
LIMIT = 100  # of a listing
KEYED = 0.7
ABOUT_CONTACTS = 0.07
LATER, LATER_SECONDS = 0.04, (0.2, 3.0)  # with a send_at
EXPIRING, KEPT_SECONDS = 0.06, (0.4, 4.0)  # with an expires_at
ASKED_AGAIN = 12  # messages, after a restore
PRIORITIES = {
    "high": operation_pb2.PRIORITY_HIGH,
    "normal": operation_pb2.PRIORITY_UNSPECIFIED,
    "low": operation_pb2.PRIORITY_LOW,
}


class Door(Protocol):
    """One way into the hub."""

    name: str

    async def send(self, wish: Wish) -> Attempt:
        """One attempt; never raises for what the hub or the network does."""
        ...

    async def look(self, channel: str, operation_id: int) -> Look | None:
        """None without an answer."""
        ...

    async def cancel(self, channel: str, operation_id: int) -> Cancelling:
        """One attempt."""
        ...


def recipient(chat: str) -> Mapping[str, str]:
    """The parameter that names a chat."""
    return {"group_id": chat} if chat.endswith("@g.us") else {"mobile": chat.removesuffix("@c.us")}


def _posted(wish: Wish) -> tuple[str, Mapping[str, str]]:
    """Path and body of the call that asks for it by REST."""
    if wish.kind == SAVE:
        return "/save-contact", {"contact_id": wish.chat, "name": wish.text, "reference": wish.text}
    if wish.kind == REMOVE:
        return "/remove-contact", {"contact_id": wish.chat, "reference": wish.text}
    body = {**recipient(wish.chat), "message": wish.text, "reference": wish.text, "priority": wish.priority}
    times = {"send_at": wish.send_at, "expires_at": wish.expires_at}
    return "/send", body | {name: datetime.fromtimestamp(at, UTC).isoformat() for name, at in times.items() if at}


def _stamp(at: float) -> Timestamp | None:
    stamp = Timestamp()
    stamp.FromMilliseconds(round(at * 1000))
    return stamp if at else None


class Rest:
    """The HTTP API."""

    name = "rest"

    def __init__(self, estate: Estate) -> None:
        self._estate = estate

    async def send(self, wish: Wish) -> Attempt:
        """POST /send, /save-contact or /remove-contact."""
        headers = {"Idempotency-Key": wish.key} if wish.key else {}
        path, body = _posted(wish)
        begun = time.time()
        self._estate.calling()
        status, answer = await self._estate.call(wish.channel, "POST", path, body, **headers)
        data = answer["data"] if status == ACCEPTED else {}
        return Attempt(
            begun=begun,
            ended=time.time(),
            status=status,
            code=_code(answer),
            operation_id=data.get("message_id") or data.get("operation_id", 0),
            recipient=data.get("recipient") or data.get("contact_id", ""),
        )

    async def look(self, channel: str, operation_id: int) -> Look | None:
        """GET /operations/ID."""
        begun = time.time()
        status, answer = await self._estate.call(channel, "GET", f"/operations/{operation_id}")
        if status == 404:
            return Look(begun=begun, ended=time.time(), operation_id=operation_id, found=False)
        if status != 200:
            return None
        data = answer["data"]
        return Look(
            begun=begun,
            ended=time.time(),
            operation_id=operation_id,
            status=data["status"],
            timeline=[_change(one) for one in data["timeline"]],
            whatsapp_id=data.get("whatsapp_message_id") or "",
            code=(data.get("error") or {}).get("code", ""),
            reference=data.get("reference") or "",
        )

    async def cancel(self, channel: str, operation_id: int) -> Cancelling:
        """POST /operations/ID/cancel."""
        begun = time.time()
        status, _ = await self._estate.call(channel, "POST", f"/operations/{operation_id}/cancel")
        done = {200: True, 409: False}.get(status)
        return Cancelling(begun=begun, ended=time.time(), operation_id=operation_id, done=done)

    async def listed(self, channel: str) -> Sequence[int] | None:
        """The ids of all operations of a channel's program; None when an answer is missing."""
        found: list[int] = []
        path = f"/operations?limit={LIMIT}"
        while True:
            status, answer = await self._estate.call(channel, "GET", path)
            if status != 200:
                return None
            found += [one["operation_id"] for one in answer["data"]["operations"]]
            cursor = answer["data"].get("next_cursor")
            if not cursor:
                return found
            path = f"/operations?limit={LIMIT}&cursor={cursor}"

    async def waiting(self, channel: str) -> int | None:
        """How many operations are not settled, a hundred of each state at most; None without an answer."""
        count = 0
        for state in ("pending", "processing"):
            status, answer = await self._estate.call(channel, "GET", f"/operations?status={state}&limit={LIMIT}")
            if status != 200:
                return None
            count += len(answer["data"]["operations"])
        return count


class Grpc:
    """The gRPC API."""

    name = "grpc"

    def __init__(self, estate: Estate, channel: grpc.aio.Channel) -> None:
        self._estate = estate
        self._messages = message_service_pb2_grpc.MessageServiceStub(channel)
        self._contacts = contact_service_pb2_grpc.ContactServiceStub(channel)
        self._operations = operation_service_pb2_grpc.OperationServiceStub(channel)

    async def send(self, wish: Wish) -> Attempt:
        """SendMessage, SaveContact or RemoveContact."""
        begun = time.time()
        self._estate.calling()
        try:
            operation_id, named = await self._asked(wish)
        except grpc.aio.AioRpcError as error:
            status, code = told(error)
            return Attempt(begun=begun, ended=time.time(), status=status, code=code)
        return Attempt(begun=begun, ended=time.time(), status=ACCEPTED, operation_id=operation_id, recipient=named)

    async def _asked(self, wish: Wish) -> tuple[int, str]:
        """The operation's id, and whom the hub names."""
        given: dict[str, Any] = {"reference": wish.text, "idempotency_key": wish.key}
        key = self._key(wish.channel)
        if wish.kind == SAVE:
            save = contact_service_pb2.SaveContactRequest(contact_id=wish.chat, name=wish.text, **given)
            saved = await self._contacts.SaveContact(save, metadata=key, timeout=CALL_SECONDS)
            return saved.operation_id, saved.contact_id
        if wish.kind == REMOVE:
            remove = contact_service_pb2.RemoveContactRequest(contact_id=wish.chat, **given)
            removed = await self._contacts.RemoveContact(remove, metadata=key, timeout=CALL_SECONDS)
            return removed.operation_id, removed.contact_id
        request = pb.SendMessageRequest(
            message=wish.text,
            priority=PRIORITIES[wish.priority],
            send_at=_stamp(wish.send_at),
            expires_at=_stamp(wish.expires_at),
            **given,
            **recipient(wish.chat),  # type: ignore[arg-type]
        )
        answer = await self._messages.SendMessage(request, metadata=key, timeout=CALL_SECONDS)
        return answer.message_id, answer.recipient

    async def look(self, channel: str, operation_id: int) -> Look | None:
        """GetOperation."""
        request = operation_service_pb2.GetOperationRequest(operation_id=operation_id)
        begun = time.time()
        try:
            answer = await self._operations.GetOperation(request, metadata=self._key(channel), timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            missing = told(error)[0] == 404
            return Look(begun=begun, ended=time.time(), operation_id=operation_id, found=False) if missing else None
        one = answer.operation
        return Look(
            begun=begun,
            ended=time.time(),
            operation_id=operation_id,
            status=status_name(one.status),
            timeline=[Change(status=status_name(c.status), at=seconds_of(c.at), reason=c.reason) for c in one.timeline],
            whatsapp_id=one.whatsapp_message_id,
            code=one.error.code,
            reference=one.reference,
        )

    async def cancel(self, channel: str, operation_id: int) -> Cancelling:
        """CancelOperation."""
        request = operation_service_pb2.CancelOperationRequest(operation_id=operation_id)
        begun = time.time()
        done: bool | None = True
        try:
            await self._operations.CancelOperation(request, metadata=self._key(channel), timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            done = False if told(error)[0] == 409 else None
        return Cancelling(begun=begun, ended=time.time(), operation_id=operation_id, done=done)

    def _key(self, channel: str) -> Sequence[tuple[str, str]]:
        return (("x-api-key", self._estate.keys[channel]),)


def _code(answer: Any) -> str:
    return str(answer.get("code", "")) if isinstance(answer, dict) else ""


def _change(told: Mapping[str, Any]) -> Change:
    at = datetime.fromisoformat(told["at"]).astimezone(UTC).timestamp()
    return Change(status=told["status"], at=at, reason=told["reason"])


def seconds_of(at: Timestamp) -> float:
    """Unix seconds, to the millisecond."""
    return at.ToMilliseconds() / 1000


class Client:
    """One program: it wants messages sent in chats of its own, one call at a time, so that it knows their order."""

    def __init__(
        self,
        name: str,
        channel: str,
        chats: Sequence[str],
        contacts: Sequence[str],
        door: Door,
        chance: random.Random,
        texts: Iterator[str],
        restores: Callable[[], int] = lambda: 0,
    ) -> None:
        self.name = name
        self.channel = channel
        self.wishes: list[Wish] = []
        self.looks: list[Look] = []
        self.cancellings: list[Cancelling] = []
        self.settled = 0
        self._chats = chats
        self._door = door
        self._chance = chance
        self._texts = texts
        self._contacts = contacts
        self._restores = restores
        self._restores_seen = 0
        self._unsettled: list[int] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        while not stop.is_set():
            if self._restores_seen != self._restores():
                await self._ask_again(stop)
            if len(self._unsettled) >= UNSETTLED_MOST:
                await self._look(stop)
                continue
            await self._want(stop)
            if self._unsettled and self._chance.random() < 0.3:
                await self._look(stop)
            if self._unsettled and self._chance.random() < 0.05:
                await self._cancel()

    async def _want(self, stop: asyncio.Event) -> None:
        wish = self._drawn(f"{next(self._texts)} of {self.name}")
        self.wishes.append(wish)
        await self.ask(wish, stop)
        # A program in doubt about its first answer asks again later, and gets it again.
        if wish.accepted and wish.key and self._chance.random() < 0.1:
            wish.attempts.append(await self._door.send(wish))
        if wish.accepted:
            self._unsettled.append(wish.operation_id)

    def _drawn(self, text: str) -> Wish:
        key = f"key {text}" if self._chance.random() < KEYED else ""
        if self._contacts and self._chance.random() < ABOUT_CONTACTS:
            kind = self._chance.choices((SAVE, REMOVE), (0.7, 0.3))[0]
            contact = self._chance.choice(self._contacts)
            return Wish(text=text, channel=self.channel, chat=contact, door=self._door.name, key=key, kind=kind)
        now = time.time()
        # Milliseconds, as the hub keeps them.
        send_at = round(now + self._chance.uniform(*LATER_SECONDS), 3) if self._chance.random() < LATER else 0.0
        keeps = self._chance.random() < EXPIRING
        return Wish(
            text=text,
            channel=self.channel,
            chat=self._chance.choice(self._chats),
            door=self._door.name,
            key=key,
            priority=self._chance.choices(("normal", "high", "low"), (0.9, 0.05, 0.05))[0],
            kind=MESSAGE,
            send_at=send_at,
            expires_at=round((send_at or now) + self._chance.uniform(*KEPT_SECONDS), 3) if keeps else 0.0,
        )

    async def _ask_again(self, stop: asyncio.Event) -> None:
        """An older database is there: what was accepted lately may be gone, and has to be asked for again. A key makes that safe."""
        self._restores_seen = self._restores()
        for wish in self.wishes[-ASKED_AGAIN:]:
            if wish.key and wish.accepted and not stop.is_set():
                await self.ask(wish, stop)
                if wish.numbers[-1] not in self._unsettled:
                    self._unsettled.append(wish.numbers[-1])

    async def ask(self, wish: Wish, stop: asyncio.Event) -> None:
        """One call, repeated as a careful program repeats it. At `stop` one that is in doubt is given up; `wish` shows it."""
        while True:
            attempt = await self._door.send(wish)
            wish.attempts.append(attempt)
            again = attempt.status == NO_ANSWER or attempt.status >= 500
            if not (wish.key and again) or stop.is_set():
                return
            await pause(stop, self._chance.uniform(*AGAIN_SECONDS))

    async def finish(self, stop: asyncio.Event, lapses: Sequence[tuple[float, float]] = ()) -> None:
        """When all is up again: what is in doubt and has a key is asked again until it is answered, and so is what was last asked in
        one of these times, which an older database may have forgotten."""
        for wish in self.wishes:
            last = wish.attempts[-1] if wish.attempts else None
            in_doubt = wish.accepted is None and (last is None or last.status in (NO_ANSWER, 500, 503))
            if wish.key and (in_doubt or _lapsed(last, lapses)):
                await self.ask(wish, stop)

    async def _look(self, stop: asyncio.Event) -> None:
        if not self._unsettled:
            await pause(stop, AGAIN_SECONDS[1])
            return
        operation_id = self._unsettled[self._chance.randrange(len(self._unsettled))]
        look = await self._door.look(self.channel, operation_id)
        if look is None:
            await pause(stop, self._chance.uniform(*AGAIN_SECONDS))
            return
        self.looks.append(look)
        if look.status in SETTLED or not look.found:
            self._unsettled.remove(operation_id)
            self.settled += 1
        else:
            await pause(stop, AGAIN_SECONDS[0])

    async def _cancel(self) -> None:
        self.cancellings.append(await self._door.cancel(self.channel, self._unsettled[-1]))


def _lapsed(last: Attempt | None, lapses: Sequence[tuple[float, float]]) -> bool:
    return last is not None and any(begun <= last.ended and last.begun < ended for begun, ended in lapses)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """So long, or until `stop`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
