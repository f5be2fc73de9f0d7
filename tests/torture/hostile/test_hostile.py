"""A small run against a real server is sound; a server that answers wrongly is found out; a number is enough to repeat a request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing import resource_tracker
from pathlib import Path

import psutil
import pytest

from tests.torture.hostile.__main__ import summary
from tests.torture.hostile.case import REST, Case, Secrets
from tests.torture.hostile.cases import case
from tests.torture.hostile.contract import PHONE, TEXT
from tests.torture.hostile.estate import Target, target
from tests.torture.hostile.oracle import Answer, Reply, judge, judge_log, judge_reply
from tests.torture.hostile.play import MOST_GROWTH, Run, play
from tests.torture.hostile.rest import JSON, request
from tests.torture.hostile.sending import send_all
from tests.torture.ledger import Code

SECRETS = Secrets(keys=["mh_a_b_c"], credentials=["credential"])
SEND = b'{"mobile": "%s", "message": "%s"}' % (PHONE.encode(), TEXT.encode())
ID = {"x-request-id": "1", "content-type": "application/json; charset=utf-8"}


async def test_three_thousand_hostile_requests_are_answered_as_the_contract_says(tmp_path: Path) -> None:
    run = Run(seed="ci", requests=3_000, jobs=1)
    async with target(tmp_path) as server:
        await play(run, server)
    resource_tracker._resource_tracker._stop()  # the one process of multiprocessing that would stay as long as this one
    told = json.dumps(summary(run, Code(commit="", dirty=False, judged="")), indent=1)
    assert run.sound, told
    assert len(run.tally.kinds) >= 20, told
    assert {"201", "400", "401", "404", "405", "415", "422", "INVALID_ARGUMENT", "UNAUTHENTICATED"} <= {
        *run.tally.statuses
    }, told


def test_a_seed_and_a_number_repeat_a_request() -> None:
    first, again, other = (case(seed, number, SECRETS) for seed, number in (("a", 7), ("a", 7), ("b", 7)))
    assert first == again
    assert first != other


# ---- the oracle can fail ----------------------------------------------------------------------------------------------------------


def asked(body: bytes = SEND) -> Case:
    raw = request(b"POST", b"/api/whatsapp-session/send", [(b"X-API-Key", b"k"), (b"Content-Type", JSON)], body)
    return Case(number=0, kind="valid", door=REST, raw=raw)


def accepted(recipient: str = PHONE) -> bytes:
    data = {"message_id": 1, "recipient": recipient, "status": "pending"}
    return json.dumps({"success": True, "message": "Message queued successfully", "data": data}).encode()


def test_an_answer_as_documented_is_right() -> None:
    assert judge(asked(), Answer(status=201, headers=ID, body=accepted())) == []


WRONG = {
    "a fault": (SEND, 500, b'{"success": false, "message": "x", "code": "internal"}', "status 500"),
    "a page instead of JSON": (SEND, 400, b"<html>", "no JSON"),
    "a code of nobody": (SEND, 400, b'{"success": false, "message": "x", "code": "made_up"}', "unknown code"),
    "no code": (SEND, 400, b'{"success": false, "message": "x"}', "members are not"),
    "no sentence": (SEND, 404, b'{"success": false, "message": "", "code": "not_found"}', "without a sentence"),
    "errors without sentences": (
        SEND,
        422,
        b'{"success": false, "message": "x", "errors": {"a": []}}',
        "no sentences by field",
    ),
    "a 401 that says more": (
        SEND,
        401,
        b'{"success": false, "message": "x", "code": "invalid_api_key"}',
        "members are not",
    ),
    "a refusal that nobody documented": (
        SEND,
        418,
        b'{"success": false, "message": "x", "code": "not_found"}',
        "status 418",
    ),
    "200 for what is 201": (SEND, 200, accepted(), "instead of 201"),
    "somebody else's recipient": (SEND, 201, accepted("4930123456"), "not the one that was asked for"),
    "an empty message": (b'{"mobile": "12025550147", "message": ""}', 201, accepted(), "message is no text"),
    "a message that is too long": (
        b'{"mobile": "12025550147", "message": "%s"}' % (b"x" * 4097),
        201,
        accepted(),
        "message is no text",
    ),
    "both recipients": (SEND[:-1] + b', "group_id": "1@g.us"}', 201, accepted(), "not exactly one"),
    "a time that is none": (SEND[:-1] + b', "send_at": "soon"}', 201, accepted(), "no date"),
    "a past": (SEND[:-1] + b', "expires_at": "2001-01-01T00:00:00Z"}', 201, accepted(), "in the past"),
    "JSON that is none": (SEND[:-1], 201, accepted(), "cannot be read"),
    "NUL": (SEND[:-1] + b', "reference": "a\\u0000"}', 201, accepted(), "NUL"),
}


@pytest.mark.parametrize(("body", "status", "answer", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_answer_is_found(body: bytes, status: int, answer: bytes, sentence: str) -> None:
    told = judge(asked(body), Answer(status=status, headers=ID, body=answer))
    assert any(sentence in one for one in told), told


def test_wrong_statuses_of_grpc_are_found() -> None:
    call = Case(number=0, kind="gRPC message", door="grpc", method="/a/b", frames=[b""])
    assert judge_reply(call, Reply(code="UNKNOWN", sentence="x"))
    assert judge_reply(call, Reply(code="INTERNAL", sentence="x"))
    assert judge_reply(call, Reply(code="NOT_FOUND", sentence=""))
    assert not judge_reply(call, Reply(code="NOT_FOUND", sentence="x"))
    sent = Case(number=0, kind="x", door="grpc", method="/messenger_hub.v1.MessageService/SendMessage", frames=[b""])
    assert judge_reply(sent, Reply(code="OK", sentence="", messages=[b""]))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"event": "call failed", "level": "error"}', "error"),
        ('{"event": "a", "level": "warning", "failure": "ValueError at x.py:1"}', "traceback"),
        ("Traceback (most recent call last):", "no JSON"),
        ('{"event": "sent to 12025550147", "level": "info"}', "phone number"),
        (f'{{"event": "{TEXT}", "level": "info"}}', "a text"),
        ('{"event": "mh_a_b_c", "level": "info"}', "a key"),
    ],
)
def test_what_may_not_stand_in_a_log_is_found(line: str, sentence: str) -> None:
    good = '{"event": "hub ready", "level": "info"}'
    assert any(sentence in one for one in judge_log(f"{good}\n{line}\n{good}", SECRETS.keys))
    assert judge_log(good, SECRETS.keys) == []


def test_memory_that_grows_is_found() -> None:
    run = Run(seed="", requests=100_000, jobs=1)
    run.rss = [(n * 1_000, 100_000_000 + n * 1_000_000) for n in range(100)]
    assert run.growth is not None
    assert run.growth > MOST_GROWTH
    run.rss = [(n * 1_000, 100_000_000) for n in range(100)]
    assert run.growth == 0


@asynccontextmanager
async def double(answer: bytes, tmp_path: Path) -> AsyncIterator[Target]:
    """A server that gives this answer to everything, and then ends the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        http = server.sockets[0].getsockname()
        yield Target(http=http, grpc="127.0.0.1:1", secrets=SECRETS, log=tmp_path, process=psutil.Process())


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"", "without an answer"),
        (b"nonsense\r\n\r\n", "status line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "half a body"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "content length"),
        (
            b"HTTP/1.1 500 x\r\nX-Request-Id: 1\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
            "status 500",
        ),
    ],
)
async def test_a_broken_server_is_found(tmp_path: Path, answer: bytes, sentence: str) -> None:
    async with double(answer, tmp_path) as server:
        tally = await send_all([asked(), asked()], server.http, server.grpc)
    assert tally.violations
    assert any(sentence in violation.sentence for violation in tally.violations), tally.violations
