"""Sends cases: REST in pipelined batches on connections that stay, broken HTTP on its own connection, gRPC as bytes, noise to sockets."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import grpc

from tests.torture.hostile.case import GRPC, REST, Case
from tests.torture.hostile.oracle import Answer, Reply, judge, judge_reply

BATCH = 32  # requests that are on their way on one connection
CONNECTIONS = 6
CALLS = 8  # gRPC calls at a time
ANSWER_SECONDS = 20.0  # a batch waits behind others on a busy machine; what takes longer hangs
LINGER_SECONDS = 0.03  # how long a broken request may think about its answer before we hang up
CALL_SECONDS = 10.0
STREAM_SECONDS = 0.25  # a stream that the server does not end is ended by us
MOST_ANSWER = 8 * 1024 * 1024


class BadAnswer(Exception):
    """What came back is no HTTP; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One thing that is wrong, with what was asked and what came back."""

    number: int
    kind: str
    sentence: str
    asked: str
    answered: str


@dataclass(slots=True, kw_only=True)
class Tally:
    """What was sent and what came back, counted."""

    kinds: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    found: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Counts another one's too. Of each kind of violation the first few are kept."""
        self.kinds += other.kinds
        self.statuses += other.statuses
        for one in other.violations:
            self.report(one, other.found[one.sentence])
        self.found += other.found

    def report(self, violation: Violation, times: int = 1) -> None:
        """Keeps it, unless there are enough of it."""
        if sum(1 for one in self.violations if one.sentence == violation.sentence) < 5 and times:
            self.violations.append(violation)


async def send_all(cases: Sequence[Case], http: tuple[str, int], grpc_target: str) -> Tally:
    """Sends every case once; the answers are judged."""
    tally = Tally()
    tally.kinds.update(case.kind for case in cases)
    staying = [case for case in cases if case.door == REST and not case.ends]
    alone = iter([case for case in cases if case.door == REST and case.ends])
    calls = iter([case for case in cases if case.door == GRPC and case.kind != "gRPC stream"])
    # One at a time: a second stream of an agent ends its first.
    streams = iter([case for case in cases if case.kind == "gRPC stream"])
    noise = iter([case for case in cases if case.door not in (REST, GRPC)])
    batches = iter([staying[place : place + BATCH] for place in range(0, len(staying), BATCH)])
    port = int(grpc_target.rpartition(":")[2])
    async with _channel(grpc_target) as channel, asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(_pipelined(batches, http, tally))
            group.create_task(_one_by_one(alone, http, tally))
        group.create_task(_noise(noise, (http[0], port)))
        group.create_task(_calls(streams, channel, tally))
        for _ in range(CALLS):
            group.create_task(_calls(calls, channel, tally))
    return tally


def _tell(tally: Tally, case: Case, sentences: Sequence[str], answered: object) -> None:
    for sentence in sentences:
        asked = repr(case.raw[:1500] or (case.method, [frame[:400] for frame in case.frames][:14]))
        tally.report(
            Violation(number=case.number, kind=case.kind, sentence=sentence, asked=asked, answered=repr(answered)[:600])
        )
        tally.found[sentence] += 1


# ---- HTTP -----------------------------------------------------------------------------------------------------------------------


async def _pipelined(batches: Iterator[list[Case]], http: tuple[str, int], tally: Tally) -> None:
    """One connection after another; a new one only where the server has said that it ends the one before."""
    reader, writer = await asyncio.open_connection(*http)
    for batch in batches:
        rest = batch
        while rest:
            done, closed = await _exchange(rest, reader, writer, tally)
            rest = rest[done:]
            if closed or rest:
                writer.close()
                reader, writer = await asyncio.open_connection(*http)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _exchange(
    batch: Sequence[Case], reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tally: Tally
) -> tuple[int, bool]:
    """Sends a batch; how many cases are done, and whether the connection is over. One without an answer is a violation, and done."""
    writer.write(b"".join(case.raw for case in batch))
    for done, case in enumerate(batch):
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await read_answer(reader, bodiless=case.bodiless)
        except TimeoutError:
            _tell(tally, case, ["no answer came in time"], None)
            return done + 1, True
        except (BadAnswer, OSError) as error:
            _tell(tally, case, [f"no answer: {error}"], None)
            return done + 1, True
        if answer is None:
            _tell(tally, case, ["the connection was ended without an answer"], None)
            return done + 1, True
        tally.statuses[str(answer.status)] += 1
        _tell(tally, case, judge(case, answer), answer)
        if answer.closes:
            return done + 1, True
    return len(batch), False


async def _one_by_one(cases: Iterator[Case], http: tuple[str, int], tally: Tally) -> None:
    for case in cases:
        reader, writer = await asyncio.open_connection(*http)
        try:
            await _alone(case, reader, writer, tally)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def _alone(case: Case, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tally: Tally) -> None:
    """Any number of answers may come, each as the contract says; then the connection must end, because we end our half."""
    first, hung_up = True, False
    try:
        writer.write(case.raw)
        while True:
            try:
                async with asyncio.timeout(ANSWER_SECONDS if hung_up else LINGER_SECONDS):
                    answer = await read_answer(reader, bodiless=case.bodiless)
            except TimeoutError:
                if hung_up:
                    _tell(tally, case, ["the connection stays although its client has hung up"], None)
                    return
                writer.write_eof()
                hung_up = True
                continue
            if answer is None:
                tally.statuses["ended"] += first
                return
            tally.statuses[str(answer.status)] += 1
            _tell(tally, case, judge(case, answer, first=first), answer)
            first = False
    except OSError:
        tally.statuses["reset"] += first  # what we still sent when the server had said its last word
    except BadAnswer as error:
        _tell(tally, case, [f"no answer: {error}"], None)


async def read_answer(reader: asyncio.StreamReader, *, bodiless: bool = False) -> Answer | None:
    """The next answer; None at the end of the connection. Raises BadAnswer, OSError."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise BadAnswer(f"half a head: {error.partial[:100]!r}") from error
        return None
    except asyncio.LimitOverrunError as error:
        raise BadAnswer("a head without an end") from error
    lines = head[:-4].decode("latin-1").split("\r\n")
    version, _, rest = lines[0].partition(" ")
    if version not in ("HTTP/1.1", "HTTP/1.0", "HTTP/0.9") or not rest[:3].isdigit():
        raise BadAnswer(f"a status line that is none: {lines[0][:100]}")
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name.isascii() or "\n" in line or "\r" in line:
            raise BadAnswer(f"a header that is none: {line[:100]}")
        headers[name.lower()] = value.strip()
    length = headers.get("content-length", "0" if rest[:3] == "204" else "")
    if not length.isdigit() or int(length) > MOST_ANSWER:
        raise BadAnswer(f"a content length of {length!r}")
    try:
        # What the parser refuses is answered before it is known to be a HEAD.
        body = b"" if bodiless and version == "HTTP/1.1" else await reader.readexactly(int(length))
    except asyncio.IncompleteReadError as error:
        raise BadAnswer("half a body") from error
    return Answer(status=int(rest[:3]), headers=headers, body=body, version=version)


async def _noise(cases: Iterator[Case], target: tuple[str, int]) -> None:
    """To the gRPC port, one after another; what comes back is HTTP/2, and judged by the server's health alone."""
    for case in cases:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_connection(*target)
                writer.write(case.raw)
                with suppress(TimeoutError):
                    async with asyncio.timeout(LINGER_SECONDS):
                        while await reader.read(65_536):
                            pass
                writer.close()


# ---- gRPC -----------------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _channel(target: str) -> AsyncIterator[grpc.aio.Channel]:
    options = [
        ("grpc.enable_http_proxy", 0),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_receive_message_length", MOST_ANSWER),
        ("grpc.enable_retries", 0),
    ]
    async with grpc.aio.insecure_channel(target, options=options) as channel:
        yield channel


async def _calls(cases: Iterator[Case], channel: grpc.aio.Channel, tally: Tally) -> None:
    for case in cases:
        reply = await _stream(case, channel) if case.kind == "gRPC stream" else await _call(case, channel)
        tally.statuses[reply.code] += 1
        _tell(tally, case, judge_reply(case, reply), reply)


async def _call(case: Case, channel: grpc.aio.Channel) -> Reply:
    """A call with one message; WatchOperations goes on for ever, so its first messages are enough."""
    watches = case.method.endswith("WatchOperations")
    seconds = STREAM_SECONDS if watches else CALL_SECONDS
    call = channel.unary_stream(case.method)(case.frames[0], metadata=case.metadata, timeout=seconds)
    messages: list[bytes] = []
    try:
        async for message in call:
            messages.append(message)
            if len(messages) == 3:
                call.cancel()
                break
    except grpc.aio.AioRpcError as error:
        return Reply(code=error.code().name, sentence=error.details() or "")
    except asyncio.CancelledError:
        if not call.cancelled():
            raise
    return Reply(code=(await call.code()).name, sentence=await call.details() or "", messages=messages)


async def _stream(case: Case, channel: grpc.aio.Channel) -> Reply:
    """Writes all frames without reading, then reads until the server ends it or our patience does."""
    call = channel.stream_stream(case.method)(metadata=case.metadata, timeout=CALL_SECONDS)
    try:
        for frame in case.frames:
            await call.write(frame)
        with suppress(TimeoutError):
            async with asyncio.timeout(STREAM_SECONDS):
                while await call.read() is not grpc.aio.EOF:
                    pass
                return Reply(code=(await call.code()).name, sentence=await call.details() or "")
        call.cancel()
        return Reply(code="CANCELLED", sentence="")
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        sentence = await call.details() or ""
        # What gRPC says on this side when the stream ended while a frame was being written.
        return Reply(
            code="ENDED" if sentence == "Internal error from Core" else (await call.code()).name, sentence=sentence
        )
