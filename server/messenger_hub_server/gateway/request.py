"""What a request says: its parameters from body and query, its key, in the documented order of sources."""

from __future__ import annotations

import asyncio
import re
import warnings
from collections.abc import AsyncIterator, Iterable, Mapping
from urllib.parse import parse_qsl

import msgspec
from aiohttp import BadContentDispositionHeader, BadContentDispositionParam, StreamReader, multipart, web

from messenger_hub_server.errors import BodyTooLarge, MalformedRequest, UnsupportedMediaType

MOST_BODY = 256 * 1024
MOST_NESTING = 32
KEY_NAMES = ("key", "api_key")
KEY_HEADERS = ("X-API-Key", "Authorization")
JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"

BAD_DISPOSITIONS = (BadContentDispositionHeader, BadContentDispositionParam)
"""aiohttp prints these warnings with the header, which may hold anything: here they are errors."""

_decode = msgspec.json.Decoder().decode
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')


def header_key(request: web.BaseRequest) -> str:
    """X-API-Key, else Authorization: Bearer; "" when neither is there."""
    headers = request.headers
    if "X-API-Key" in headers and (key := _last(headers.getall("X-API-Key"))):
        return key
    bearer = _last(headers.getall("Authorization", ()))
    return bearer[7:].strip() if bearer.lower().startswith("bearer ") else ""


def named_key(parameters: Mapping[str, object]) -> str:
    """The parameter key, else api_key."""
    for name in KEY_NAMES:
        value = parameters.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return ""


def _last(values: Iterable[str]) -> str:
    given = [value.strip() for value in values]
    return given[-1] if given else ""


def query(request: web.BaseRequest) -> dict[str, object]:
    """Of a repeated name the last counts. Raises MalformedRequest for what is no UTF-8."""
    text = request.rel_url.raw_query_string
    return dict(_pairs(text)) if text else {}


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=1_000)
    except (ValueError, UnicodeDecodeError) as error:
        raise MalformedRequest("The parameters cannot be read: they must be UTF-8, percent-encoded.") from error
    for name, value in pairs:
        _no_nul(name)
        _no_nul(value)
    return pairs


async def raw_body(request: web.BaseRequest) -> bytes:
    """Raises BodyTooLarge or MalformedRequest."""
    if (request.content_length or 0) > MOST_BODY:
        raise BodyTooLarge
    content = request.content
    if content.is_eof():  # it came with the headers, as small bodies do
        whole = content.read_nowait()
        if len(whole) > MOST_BODY:
            raise BodyTooLarge
        return whole
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > MOST_BODY:
            raise BodyTooLarge
    return bytes(body)


async def parameters(request: web.BaseRequest, body: bytes) -> dict[str, object]:
    """The body's parameters. Raises UnsupportedMediaType or MalformedRequest."""
    if not body:
        return {}
    kind = request.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if kind == JSON or (kind.startswith("application/") and kind.endswith("+json")):
        return json_object(body)
    if kind == FORM:
        return _form(body)
    if kind == MULTIPART:
        return await _multipart(request, body)
    raise UnsupportedMediaType


def json_object(body: bytes) -> dict[str, object]:
    """A JSON object, read strictly. Raises MalformedRequest."""
    if body.count(b"{") + body.count(b"[") > MOST_NESTING and _depth(_STRINGS.sub(b'""', body)) > MOST_NESTING:
        raise MalformedRequest(f"The body is nested more than {MOST_NESTING} levels deep.")
    try:
        value = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise MalformedRequest("The body is not valid JSON.") from error
    if not isinstance(value, dict):
        raise MalformedRequest("The body must be a JSON object.")
    if b"\\u" in body:  # only an escape can bring what JSON's own bytes cannot hold
        _check_text(value)
    return value


def _depth(body: bytes) -> int:
    depth = deepest = 0
    for byte in body:
        if byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest


def _check_text(value: object) -> None:
    match value:
        case str():
            _no_nul(value)
        case dict():
            for name, member in value.items():
                _no_nul(name)
                _check_text(member)
        case list():
            for member in value:
                _check_text(member)


def _no_nul(text: str) -> None:
    if "\0" in text:
        raise MalformedRequest("NUL characters are not allowed.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise MalformedRequest("Lone surrogates are not allowed.") from error


def _form(body: bytes) -> dict[str, object]:
    if body.lstrip()[:1] in (b"{", b"["):
        raise UnsupportedMediaType(
            "The body is JSON but its content type says form: send Content-Type: application/json."
        )
    try:
        return dict(_pairs(body.decode("ascii")))
    except UnicodeDecodeError:
        try:
            return dict(_pairs(body.decode()))
        except UnicodeDecodeError as error:
            raise MalformedRequest("The body is not valid UTF-8.") from error


async def _multipart(request: web.BaseRequest, body: bytes) -> dict[str, object]:
    found: dict[str, object] = {}
    try:
        stream = StreamReader(request.protocol, 2 * MOST_BODY, loop=asyncio.get_running_loop())
        stream.feed_data(body)
        stream.feed_eof()
        # Nothing below waits, as the body is there: the filter is in force here alone.
        with warnings.catch_warnings():
            for kind in BAD_DISPOSITIONS:
                warnings.simplefilter("error", kind)
            async for name, text in _parts(multipart.MultipartReader(request.headers, stream)):
                _no_nul(text)
                found[name] = text
    except (ValueError, AssertionError, RuntimeError, UnicodeDecodeError, KeyError, *BAD_DISPOSITIONS) as error:
        raise MalformedRequest("The multipart body cannot be read.") from error
    return found


async def _parts(reader: multipart.MultipartReader) -> AsyncIterator[tuple[str, str]]:
    while (part := await reader.next()) is not None:
        if isinstance(part, multipart.MultipartReader):
            raise MalformedRequest("The multipart body is nested.")
        if part.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise MalformedRequest("A part of the multipart body is compressed: send it as it is.")
        if part.name:
            yield part.name, bytes(await part.read(decode=True)).decode()
