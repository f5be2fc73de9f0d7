"""A request's parameters, read back from its bytes with the standard library alone: the second opinion on what was accepted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from email import policy
from email.parser import BytesParser
from email.utils import collapse_rfc2231_value
from typing import Any
from urllib.parse import parse_qsl, unquote

from tests.torture.hostile.contract import Rule, rules


class Unreadable(ValueError):
    """The bytes are not what the contract calls a request; the message says why."""


def rule_of(raw: bytes) -> Rule | None:
    """The rule that the request line means; None when it means none."""
    verb, _, rest = raw.partition(b"\r\n")[0].partition(b" ")
    path = rest.rpartition(b" ")[0].partition(b"?")[0].partition(b"#")[0].decode("latin-1")
    path = unquote(re.sub(r"^http://[^/]*", "", path))
    return next(
        (
            rule
            for rule in rules()
            if rule.verb.encode() == verb and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", rule.path), path)
        ),
        None,
    )


def parameters(raw: bytes) -> Mapping[str, Any]:
    """What query, body and headers say, the later ones winning. Raises Unreadable."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    target = lines[0].partition(b" ")[2].rpartition(b" ")[0]
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
    if b"chunked" in headers.get(b"transfer-encoding", b"").lower():
        body = _joined(body)
    else:
        body = body[: int(headers.get(b"content-length", b"0"))]
    try:
        given = {
            **_pairs(target.partition(b"?")[2].partition(b"#")[0]),
            **_filled(_body(headers.get(b"content-type", b""), body)),
        }
    except (ValueError, LookupError) as error:
        raise Unreadable(f"its body or query cannot be read: {type(error).__name__}") from error
    if key := headers.get(b"idempotency-key"):
        given["idempotency_key"] = key.decode("latin-1")
    return given


def _filled(given: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in given.items() if value is not None and value != ""}


def _body(kind: bytes, body: bytes) -> Mapping[str, Any]:
    media = kind.split(b";")[0].strip().lower()
    if not body:
        return {}
    if media == b"application/json" or (media.startswith(b"application/") and media.endswith(b"+json")):
        value = json.loads(body.decode("utf-8"), parse_constant=_no_number)
        if not isinstance(value, dict):
            raise Unreadable("its JSON is no object")
        return value
    if media == b"application/x-www-form-urlencoded":
        return _pairs(body)
    if media == b"multipart/form-data":
        return _multipart(kind, body)
    raise Unreadable("it has a body of an unknown content type")


def _no_number(text: str) -> float:
    raise Unreadable(f"its JSON holds {text}")


def _pairs(text: bytes) -> dict[str, Any]:
    return dict(parse_qsl(text.decode("utf-8"), keep_blank_values=True, errors="strict"))


def _multipart(kind: bytes, body: bytes) -> Mapping[str, Any]:
    given = re.search(rb'boundary(?:=(?:"([^"]*)"|([^;]*))|$)', kind)
    if given is None:
        raise Unreadable("it has no boundary")
    line = b"--" + (given[1] or given[2] or b"").strip()
    found: dict[str, Any] = {}
    for piece in re.split(rb"\r\n" + re.escape(line), b"\r\n" + body)[1:]:
        if piece.startswith(b"--"):
            break
        head, _, content = piece.partition(b"\n")[2].partition(b"\r\n\r\n")
        part = BytesParser(policy=policy.compat32).parsebytes(head + b"\r\n\r\n" + content)
        name, text = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if name and isinstance(text, bytes) and (plain := collapse_rfc2231_value(name)):
            found[plain] = text.decode("utf-8")
    return found


def _joined(body: bytes) -> bytes:
    found = b""
    while True:
        line, _, rest = body.partition(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        if size == 0:
            return found
        found, body = found + rest[:size], rest[size + 2 :]
