"""The documented bytes of the REST API, through a real HTTP door, with the real chain and services on a memory store."""

import asyncio
import json
import socket
import time
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from messenger_hub.runtime.clock import SystemClock
from messenger_hub.runtime.folder import PrivateFolder
from messenger_hub.v1 import contact_service_pb2, message_service_pb2, rest_pb2
from messenger_hub_server.gateway.door import Console, HttpDoor
from messenger_hub_server.highwater import HighWater
from messenger_hub_server.identity.callers import Callers
from messenger_hub_server.identity.keys import Keys
from messenger_hub_server.identity.limits import Limits
from messenger_hub_server.lines import Lines
from messenger_hub_server.model import ChannelId, Pace, SessionApi, SessionApiId
from messenger_hub_server.queue import Queue
from messenger_hub_server.registry import Registry
from messenger_hub_server.registry_ids import RegistryIds
from messenger_hub_server.rpc.chain import Chain, Vouched
from messenger_hub_server.rpc.method import compiled
from messenger_hub_server.services import recipients
from messenger_hub_server.services.contacts import ContactHandlers
from messenger_hub_server.services.intake import Intake
from messenger_hub_server.services.messages import MessageHandlers
from messenger_hub_server.store.memory.store import MemoryStore
from messenger_hub_server.watch import News

BASE = "/api/whatsapp-session"
UNAUTHORIZED = b'{"success":false,"message":"Invalid or inactive API key"}'


class Calls:
    """Counts nothing."""

    def called(self, rpc: str, code: str, seconds: float) -> None:
        """A call has ended."""


class Api:
    """An HTTP client with the address and the key."""

    def __init__(self, client: aiohttp.ClientSession, key: str, port: int) -> None:
        self.client, self.key, self.port = client, key, port

    async def ask(self, verb: str, path: str, **more: object) -> tuple[int, bytes]:
        async with self.client.request(verb, BASE + path, **more) as answer:  # type: ignore[arg-type]
            assert answer.headers["X-Request-Id"]
            assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
            assert answer.headers["Cache-Control"] == "no-store"
            return answer.status, await answer.read()

    async def send(self, **parameters: object) -> tuple[int, bytes]:
        return await self.ask("POST", "/send", json=parameters, headers={"X-API-Key": self.key})

    async def raw(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        return answer


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    clock, folder, store, news = SystemClock(), PrivateFolder(tmp_path), MemoryStore(), News()
    queue = Queue(store, HighWater(folder), Lines(), news, clock)
    keys = Keys(bytes(32))
    registry = Registry(queue, keys, RegistryIds(folder), clock)
    intake = Intake(queue, clock)
    handlers = {
        "messenger_hub.v1.MessageService": MessageHandlers(queue, intake),
        "messenger_hub.v1.ContactService": ContactHandlers(intake),
    }
    formats = {
        rest_pb2.FORMAT_MOBILE: lambda text, caller: (
            recipients.mobile(text, caller.session_api.default_country) is not None
        ),
        rest_pb2.FORMAT_GROUP_ID: lambda text, _: recipients.group(text) is not None,
        rest_pb2.FORMAT_CONTACT_ID: lambda text, _: recipients.contact(text) is not None,
        rest_pb2.FORMAT_IDEMPOTENCY_KEY: lambda text, _: text.isascii() and text.isprintable(),
    }
    methods = compiled([message_service_pb2.DESCRIPTOR, contact_service_pb2.DESCRIPTOR])
    callers = Callers(registry, keys, "operator", clock)
    chain = Chain(
        methods,
        handlers,
        callers=callers,
        limits=Limits(),
        formats=formats,
        observer=Calls(),
        clock=clock,
        vouching=Vouched(),
    )
    nothing = Console(runner=web.AppRunner(web.Application()), owns=lambda _: False)
    door = HttpDoor(chain, {}, registry.lists_origin, nothing)
    bound = socket.create_server(("127.0.0.1", 0))
    port = bound.getsockname()[1]
    async with asyncio.TaskGroup() as group:
        group.create_task(queue.run())
        channel = await registry.create_channel("shop", Pace.OFF)
        wanted = SessionApi(
            id=SessionApiId(0), name="CRM", channel_id=ChannelId(channel.id), scopes=frozenset({1, 2, 3})
        )
        _, key = await registry.create_session_api(wanted, None)
        await door.start([(bound, None)])
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            yield Api(client, key, port)
        await door.close()
        queue.close()


async def test_a_message_is_queued_with_the_documented_bytes(api: Api) -> None:
    status, body = await api.send(mobile="+1 (234) 567-890", message="Olá")
    number = json.loads(body)["data"]["message_id"]
    expected = (
        '{"success":true,"message":"Message queued successfully",'
        f'"data":{{"message_id":{number},"recipient":"1234567890","status":"pending"}}}}'
    )
    assert (status, body.decode()) == (201, expected)


async def test_a_contact_is_saved_and_removed_with_the_documented_bytes(api: Api) -> None:
    for path, sentence in (("save", "Contact save operation queued"), ("remove", "Contact remove operation queued")):
        parameters = {"contact_id": 1234567890, "name": "Ana"}
        status, body = await api.ask("POST", f"/{path}-contact", json=parameters, headers={"X-API-Key": api.key})
        number = json.loads(body)["data"]["operation_id"]
        data = f'{{"operation_id":{number},"contact_id":"1234567890@c.us","status":"pending"}}'
        assert (status, body.decode()) == (201, f'{{"success":true,"message":"{sentence}","data":{data}}}')


async def test_an_empty_request_lists_all_problems_and_not_the_group(api: Api) -> None:
    status, body = await api.send()
    assert (status, body) == (
        422,
        b'{"success":false,"message":"Validation failed","errors":{"mobile":["The mobile field is required when group id is '
        b'not present."],"message":["The message field is required."]}}',
    )


@pytest.mark.parametrize(
    ("parameters", "errors"),
    [
        (
            {"mobile": "1234567890", "group_id": "123456", "message": "x"},
            {
                "mobile": ["The mobile field is prohibited when group id is present."],
                "group_id": ["The group id field is prohibited when mobile is present."],
            },
        ),
        ({"mobile": "0123456", "message": "x"}, {"mobile": ["The mobile field format is invalid."]}),
        ({"mobile": True, "message": "x"}, {"mobile": ["The mobile field must be a string."]}),
        ({"mobile": "1234567890", "message": 5}, {"message": ["The message field must be a string."]}),
        ({"mobile": "1234567890", "message": " \n"}, {"message": ["The message field is required."]}),
        (
            {"mobile": "1234567890", "message": "x" * 4097},
            {"message": ["The message field must not be greater than 4096 characters."]},
        ),
        (
            {"mobile": "1234567890", "message": "x", "send_at": "soon"},
            {"send_at": ["The send at field must be a valid date."]},
        ),
        (
            {"mobile": "1234567890", "message": "x", "expires_at": "2001-01-01T00:00:00Z"},
            {"expires_at": ["The expires at field must be a date in the future."]},
        ),
        (
            {"mobile": "1234567890", "message": "x", "priority": "urgent"},
            {"priority": ["The selected priority is invalid."]},
        ),
        (
            {"mobile": "1234567890", "message": "x", "wait": 31},
            {"wait": ["The wait field must be between 0 and 30."]},
        ),
    ],
)
async def test_a_wrong_parameter_gets_its_documented_sentence(
    api: Api, parameters: dict[str, object], errors: dict[str, list[str]]
) -> None:
    status, body = await api.send(**parameters)
    assert (status, json.loads(body)) == (422, {"success": False, "message": "Validation failed", "errors": errors})


async def test_the_first_key_decides_and_every_bad_one_gets_the_same_bytes(api: Api) -> None:
    good, bad = api.key, "mh_x_y_z"
    message = {"mobile": "1234567890", "message": "x"}
    for headers, query, body in (
        ({}, "", {}),
        ({"X-API-Key": bad}, f"?key={good}", {}),
        ({"Authorization": f"Bearer {bad}"}, "", {"key": good}),
        ({}, f"?key={bad}&api_key={good}", {}),
        ({}, f"?api_key={bad}", {"key": good}),
        ({}, "", {"key": bad, "api_key": good}),
    ):
        assert await api.ask("POST", f"/send{query}", json=message | body, headers=headers) == (401, UNAUTHORIZED)
    for headers, query, body in (
        ({"X-API-Key": good, "Authorization": f"Bearer {bad}"}, "", {}),
        ({"Authorization": f"bearer {good}"}, f"?key={bad}", {}),
        ({}, f"?key={bad}&key={good}", {}),
        ({}, "", {"api_key": good}),
    ):
        assert (await api.ask("POST", f"/send{query}", json=message | body, headers=headers))[0] == 201


async def test_the_link_queues_and_a_prefetch_of_it_does_not(api: Api) -> None:
    path = f"/send?mobile=1234567890&message=Hi+there&key={api.key}"
    assert (await api.ask("GET", path))[0] == 201
    async with api.client.get(BASE + path, headers={"Sec-Purpose": "prefetch;prerender"}) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")


async def test_forms_and_multipart_bodies_are_read(api: Api) -> None:
    form = {"mobile": "1234567890", "message": "a+b & c"}
    multipart = aiohttp.FormData(form, default_to_multipart=True)
    for body in (form, multipart):
        assert (await api.ask("POST", "/send", data=body, headers={"X-API-Key": api.key}))[0] == 201


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"x"',
        b"\xff\xfe",
        b'{"message": NaN}',
        b'{"message": "\\u0000"}',
        b'{"message": "\\ud800"}',
        b'{"x":' * 33 + b"1" + b"}" * 33,
    ],
)
async def test_a_body_that_cannot_be_read_is_a_400_with_a_key_and_a_401_without(api: Api, body: bytes) -> None:
    kind = {"Content-Type": "application/json"}
    assert (await api.ask("POST", "/send", data=body, headers=kind | {"X-API-Key": api.key}))[0] == 400
    assert await api.ask("POST", "/send", data=body, headers=kind) == (401, UNAUTHORIZED)


DISPOSITIONS = (
    "form-data; name*=nonsense''%zzmessage",
    'form-data; name="message',
    'form-data; name="message"; name="mobile"',
    "message",
)


@pytest.mark.parametrize(
    "header",
    [
        *(f"Content-Disposition: {disposition}" for disposition in DISPOSITIONS),
        'Content-Disposition: form-data; name="message"\r\nContent-Encoding: deflate',
        'Content-Disposition: form-data; name="message"\r\nContent-Encoding: gzip',
        'Content-Disposition: form-data; name="message"\r\nContent-Transfer-Encoding: base64',
        'Content-Disposition: form-data; name="message"\r\nContent-Type: multipart/mixed; boundary=inner',
    ],
)
async def test_a_broken_part_of_a_multipart_body_is_refused_and_quoted_nowhere(
    api: Api, capfd: pytest.CaptureFixture[str], header: str
) -> None:
    good = '--x\r\nContent-Disposition: form-data; name="mobile"\r\n\r\n1234567890\r\n'
    body = f"{good}--x\r\n{header}\r\n\r\nno base64\r\n--x--\r\n"
    headers = {"X-API-Key": api.key, "Content-Type": "multipart/form-data; boundary=x"}
    status, answer = await api.ask("POST", "/send", data=body.encode(), headers=headers)
    assert (status, json.loads(answer)["success"]) in ((400, False), (422, False))
    assert "message" not in capfd.readouterr().err


async def test_a_compressed_part_is_never_unpacked(api: Api) -> None:
    bomb = zlib.compress(bytes(50_000_000))
    head = b'--x\r\nContent-Disposition: form-data; name="message"\r\nContent-Encoding: deflate\r\n\r\n'
    headers = {"X-API-Key": api.key, "Content-Type": "multipart/form-data; boundary=x"}
    status, answer = await api.ask("POST", "/send", data=head + bomb + b"\r\n--x--\r\n", headers=headers)
    assert (status, json.loads(answer)["message"]) == (
        400,
        "A part of the multipart body is compressed: send it as it is.",
    )


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_a_time_whose_zone_leads_out_of_the_calendar_is_no_date(api: Api, moment: str) -> None:
    status, body = await api.send(mobile="1234567890", message="x", send_at=moment)
    assert (status, json.loads(body)["errors"]) == (422, {"send_at": ["The send at field must be a valid date."]})


async def test_of_a_repeated_idempotency_header_the_last_counts(api: Api) -> None:
    message = {"mobile": "1234567890", "message": "x"}
    answers = []
    for first in ("one", "two", ""):
        headers = [("X-API-Key", api.key), ("Idempotency-Key", first), ("Idempotency-Key", "order-18")]
        answers.append(await api.ask("POST", "/send", json=message, headers=headers))
    assert len(set(answers)) == 1
    bad = [("X-API-Key", api.key), ("Idempotency-Key", "one"), ("Idempotency-Key", "\xff")]
    assert (await api.ask("POST", "/send", json=message, headers=bad))[0] == 422


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (b"Idempotency-Key: \xff", b"422"),
        (b"X-API-Key: mh_\xff_b_c", b"401"),
        (b"Authorization: Bearer mh_a_\xff_c", b"401"),
        (b"Origin: \xff", b"201"),
    ],
)
async def test_header_bytes_that_are_no_utf_8_are_told_as_what_they_are(api: Api, header: bytes, status: bytes) -> None:
    line = f"GET {BASE}/send?mobile=1234567890&message=x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n".encode()
    key = b"" if status == b"401" else b"X-API-Key: " + api.key.encode() + b"\r\n"
    answer = await api.raw(line + key + header + b"\r\n\r\n")
    assert answer.split(b" ")[1] == status


async def test_a_request_without_a_version_is_refused_before_it_sends(api: Api) -> None:
    answer = await api.raw(f"GET {BASE}/send?mobile=1234567890&message=x&key={api.key}\r\n\r\n".encode())
    assert answer.split(b" ")[1] == b"400"


async def test_json_that_claims_to_be_a_form_is_told_so(api: Api) -> None:
    headers = {"X-API-Key": api.key, "Content-Type": "application/x-www-form-urlencoded"}
    status, body = await api.ask("POST", "/send", data=b'{"mobile": "1"}', headers=headers)
    sentence = "The body is JSON but its content type says form: send Content-Type: application/json."
    assert (status, json.loads(body)["message"]) == (415, sentence)


async def test_a_repeated_idempotency_key_gets_the_first_answer_and_other_parameters_a_conflict(api: Api) -> None:
    headers = {"X-API-Key": api.key, "Idempotency-Key": "order-17"}
    first = {"mobile": "1234567890", "message": "x"}
    answers = await asyncio.gather(*(api.ask("POST", "/send", json=first, headers=headers) for _ in range(4)))
    assert len(set(answers)) == 1
    assert answers[0][0] == 201
    async with api.client.post(BASE + "/send", json=first, headers=headers) as answer:
        assert answer.headers["Idempotent-Replayed"] == "true"
    status, body = await api.ask("POST", "/send", json=first | {"message": "y"}, headers=headers)
    assert (status, json.loads(body)["code"]) == (409, "idempotency_key_reused")


async def test_a_repeat_gets_the_first_answer_also_when_its_expiry_has_passed(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"X-API-Key": api.key, "Idempotency-Key": "order-19"}
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    request = {"mobile": "1234567890", "message": "x", "expires_at": expires_at.isoformat()}
    first = await api.ask("POST", "/send", json=request, headers=headers)
    two_hours_on = time.time_ns() + 2 * 3600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: two_hours_on)
    assert await api.ask("POST", "/send", json=request, headers=headers) == first
    assert first[0] == 201
    status, body = await api.ask("POST", "/send", json=request, headers=headers | {"Idempotency-Key": "order-20"})
    sentence = "The expires at field must be a date in the future."
    assert (status, json.loads(body)["errors"]) == (422, {"expires_at": [sentence]})


async def test_unknown_paths_methods_and_sizes_are_told_in_the_envelope(api: Api) -> None:
    assert (await api.ask("GET", "/nothing"))[0] == 404
    async with api.client.delete(BASE + "/send") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST")
    big = b"x" * (256 * 1024 + 1)
    assert (await api.ask("POST", "/send", data=big, headers={"Content-Type": "application/json"}))[0] == 413


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 70_000 + b"\r\n\r\n", b"431"),
        (b"POST /send HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n", b"400"),
    ],
)
async def test_what_the_parser_refuses_is_answered_in_the_envelope_and_echoes_nothing(
    api: Api, request_bytes: bytes, status: bytes
) -> None:
    answer = await api.raw(request_bytes)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == status
    assert json.loads(body)["success"] is False
    assert b"nonsense" not in answer
    assert b"aaaa" not in answer
