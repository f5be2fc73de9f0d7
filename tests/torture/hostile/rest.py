"""REST requests that are HTTP, but not what the contract asks for: parameters, bodies, queries, headers, paths and methods."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from google.protobuf.descriptor import FieldDescriptor

from tests.torture.hostile.case import REST, Case, Dice, Secrets, mangled
from tests.torture.hostile.contract import PHONE, TEXT, Rule, param, rules

JSON, FORM = b"application/json", b"application/x-www-form-urlencoded"


class Raw(bytes):
    """A JSON token as it is."""


# ---- values ---------------------------------------------------------------------------------------------------------------------

LENGTHS = (1, 49, 50, 51, 127, 128, 129, 254, 255, 256, 499, 500, 501, 4095, 4096, 4097)
LETTERS = (
    "a",
    "é",
    "😀",
    "漢",
    "\u202e",
    "e\u0301",
    "\u200b",
    "\ufeff",
    "\x01",
    "\x7f",
    "\x85",
    "\u2028",
    "\ufffe",
    "\U0010ffff",
)
TEXTS = (
    "", " ", "\t\n", "\0", "a\0b", "null", "true", "0", "-1", "1e5", "NaN", "Infinity", "0x10", "1_000", "١٢٠٢٥٥٥٠١٤٧", "１２０２５５５０１４７", "²",
    "+1 (202) 555-0147", "0012025550147", "12025550147@c.us", "12025550147@g.us", "@c.us", "120363041234567890@lid", "a@b@c.us", "+", "++1", "1" * 16,
    "9" * 19, "9" * 20, "9" * 5000, "../../etc/passwd", "'; DROP TABLE operation; --", "{{7*7}}", "%s%n%x", "\r\nSet-Cookie: a=b", "<script>", "high ",
    "HIGH", "unspecified", "sent", "pending", "high\0", "AAAA", "MQ", "////", "-_-_", "\u0660", "12025550147;ext=5", "tel:+12025550147",
)  # fmt: skip
TOKENS = tuple(
    Raw(token)
    for token in (
        b"null", b"true", b"false", b"[]", b"{}", b"[[]]", b'["a"]', b'{"a":1}', b"0", b"-0", b"-1", b"1", b"1.5", b"1e2", b"1E400", b"-1e999", b"1e-999",
        b"2147483647", b"2147483648", b"-2147483649", b"9007199254740991", b"9007199254740992", b"9223372036854775807", b"9223372036854775808",
        b"18446744073709551616", b"9" * 400, b"9" * 5000, b"-" + b"9" * 5000, b"1." + b"0" * 400, b"01", b"+1", b"1.", b".5", b"0x10", b"NaN",
        b"Infinity", b"'a'", b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\u0000"', b'"\\x"', b'"\\', b'"\xff"', b'"\xed\xa0\x80"', b'"\n"', b"undefined", b"",
        b'"' + b"a" * 20000 + b'"', b"[" * 10000 + b"]" * 10000, b"[" * 10000, b'{"a":' * 10000 + b"1" + b"}" * 10000, b"[" * 33 + b"]" * 33,
    )
)  # fmt: skip
TIMES = (
    "2031-01-01T00:00:00Z", "2031-01-01 00:00:00", "2031-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2031-13-01T00:00:00Z", "2031-02-30T00:00",
    "2031-W01-1T00:00", "20310101T000000Z", "2031-01-01", "2031-01-01T24:00:00Z", "2031-01-01T00:00:60Z", "2031-01-01T00:00:00+24:00",
    "2031-01-01T00:00:00+23:59:59.999999", "2031-01-01T00:00:00.123456789Z", "2031-001T00:00", "T", "Z", "now", "1893456000", "1970-01-01T00:00:00Z",
    "2031-01-01t00:00:00z", "２０３１-01-01T00:00:00Z", "2031-01-01T00:00:00Z\0",
)  # fmt: skip


def valid_value(draw: Dice, field: FieldDescriptor) -> str | None:
    """A value that the contract allows; None leaves the field out."""
    if field.name in ALWAYS:
        return ALWAYS[field.name](draw)
    if field.name not in SOMETIMES or (draw.random() < 0.7 and not param(field).required):
        return None
    return SOMETIMES[field.name](draw)


def _text_of(draw: Dice) -> str:
    return f"{TEXT} {draw.randrange(1000)}"


ALWAYS: Mapping[str, Callable[[Dice], str]] = {
    "mobile": lambda _: PHONE,
    "contact_id": lambda _: PHONE,
    "message": _text_of,
    "name": _text_of,
    "reason": _text_of,
    "decision": lambda draw: draw.choice(("sent", "not_sent", "send_again")),
}
SOMETIMES: Mapping[str, Callable[[Dice], str]] = {
    "reference": lambda draw: f"order-{draw.randrange(100)}",
    "idempotency_key": lambda draw: f"key-{draw.randrange(300)}",
    "send_at": lambda _: "2031-01-01T00:00:00Z",
    "expires_at": lambda _: "2032-01-01T00:00:00Z",
    "priority": lambda draw: draw.choice(("high", "normal", "low")),
    "wait": lambda _: "0",
    "limit": lambda draw: str(draw.randint(1, 5)),
    "status": lambda draw: draw.choice(("pending", "cancelled", "sent")),
    "type": lambda draw: draw.choice(("send_message", "save_contact")),
}


def valid(draw: Dice, rule: Rule) -> dict[str, Any]:
    """Parameters that the contract allows."""
    found = {field.name: valid_value(draw, field) for field in rule.fields}
    return {name: value for name, value in found.items() if value is not None}


def wrong_text(draw: Dice, name: str) -> str:
    """Some text, seldom a right one."""
    if name.endswith("_at") and draw.random() < 0.8:
        return draw.choice(TIMES)
    if draw.random() < 0.25:
        return draw.choice(LETTERS) * draw.choice(LENGTHS)
    text = draw.choice(TEXTS)
    # A wait that the contract allows would keep the connection for so long.
    return "31" if name == "wait" and text.strip().isdigit() and len(text) < 3 else text


def wrong_value(draw: Dice, name: str) -> Any:
    """A JSON value of any type."""
    if draw.random() < 0.5:
        return wrong_text(draw, name)
    token = draw.choice(TOKENS)
    return Raw(b"31") if name == "wait" and token in (b"1", b"1e2") else token


def spoilt(draw: Dice, rule: Rule, value: Any) -> dict[str, Any]:
    """Valid parameters of which some have another value, are gone, or are new. `value(draw, name)` draws one."""
    given: dict[str, Any] = valid(draw, rule)
    names = [field.name for field in rule.fields] + ["key", "api_key", "unknown", "", "__proto__", "mobile"]
    for _ in range(draw.randint(1, 3)):
        name = draw.choice(names)
        if draw.random() < 0.15:
            given.pop(name, None)
        else:
            given[name] = value(draw, name)
    return given


def json_body(draw: Dice, given: Mapping[str, Any]) -> bytes:
    """A JSON object; Raw values stand as they are, some names twice."""
    members = [(name, value) for name, value in given.items()]
    if members and draw.random() < 0.1:
        name, value = draw.choice(members)
        members.insert(draw.randrange(len(members) + 1), (name, draw.choice(TOKENS[:20]) if name != "wait" else value))
    ascii_only = draw.random() < 0.5
    parts = [
        json.dumps(name).encode()
        + b":"
        + (
            value
            if isinstance(value, Raw)
            else json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
        )
        for name, value in members
    ]
    return b"{" + b",".join(parts) + b"}"


# ---- requests -------------------------------------------------------------------------------------------------------------------


def request(
    verb: bytes, target: bytes, headers: Sequence[tuple[bytes, bytes]], body: bytes = b"", *, length: bool = True
) -> bytes:
    """An HTTP/1.1 request with a right Content-Length, if it has a body."""
    lines = [
        verb + b" " + target + b" HTTP/1.1",
        b"Host: 127.0.0.1",
        *(name + b": " + value for name, value in headers),
    ]
    if length and (body or verb in (b"POST", b"PUT", b"PATCH")):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def key_header(draw: Dice, secrets: Secrets) -> list[tuple[bytes, bytes]]:
    """A right key, in one of its headers, nearly always."""
    key = draw.choice(secrets.keys).encode()
    chance = draw.random()
    if chance < 0.85:
        return [(b"X-API-Key", key)]
    if chance < 0.93:
        return [(b"Authorization", b"Bearer " + key)]
    return [draw.choice(BAD_KEYS)] if chance < 0.98 else []


BAD_KEYS = (
    (b"X-API-Key", b""), (b"X-API-Key", b"\xff\xfe"), (b"X-API-Key", b"mh_a_b_c"), (b"X-API-Key", b"mh_" + b"a" * 4000), (b"X-API-Key", "ключ".encode()),
    (b"Authorization", b"Bearer"), (b"Authorization", b"Bearer \xff"), (b"Authorization", b"Basic YTpi"), (b"Authorization", b"Bearer " + b"x" * 9000),
    (b"X-API-Key", b"mh_00000000000_" + b"0" * 43 + b"_000000"),
)  # fmt: skip


def path_of(draw: Dice, rule: Rule) -> bytes:
    """The rule's path, with some id."""
    return rule.path.replace("{operation_id}", str(draw.randint(1, 2000))).encode()


def a_rule(draw: Dice, *, body: bool | None = None) -> Rule:
    """Any rule; sending is drawn more often, as it has most to get wrong."""
    fitting = [rule for rule in rules() if body in (None, rule.body)]
    sending = [rule for rule in fitting if rule.rpc == "SendMessage"]
    return draw.choice(sending if sending and draw.random() < 0.4 else fitting)


def asked(draw: Dice, number: int, secrets: Secrets) -> Case:
    """A request as it should be: what is refused without reason would be seen here."""
    rule = a_rule(draw)
    given = valid(draw, rule)
    headers, target, body = key_header(draw, secrets), path_of(draw, rule), b""
    if rule.body:
        form = draw.random() < 0.3
        headers.append((b"Content-Type", FORM if form else JSON))
        body = urlencode(given).encode() if form else json_body(draw, given)
    elif given:
        target += b"?" + urlencode(given).encode()
    return _case(number, "valid", request(rule.verb.encode(), target, headers, body))


def json_values(draw: Dice, number: int, secrets: Secrets) -> Case:
    """JSON whose members have wrong types, lengths and ranges."""
    rule = a_rule(draw, body=True)
    body = json_body(draw, spoilt(draw, rule, wrong_value))
    headers = [*key_header(draw, secrets), (b"Content-Type", JSON)]
    return _case(number, "json values", request(b"POST", path_of(draw, rule), headers, body))


def json_bytes(draw: Dice, number: int, secrets: Secrets) -> Case:
    """JSON that is none: bytes changed, other encodings, depth, scalars."""
    rule = a_rule(draw, body=True)
    given = valid(draw, rule)
    given.pop("wait", None)
    body = json_body(draw, given)
    chance = draw.random()
    if chance < 0.7:
        body = mangled(draw, body)
    elif chance < 0.8:
        body = body.decode().encode(draw.choice(("utf-16", "utf-16-be", "utf-32", "utf-8-sig", "cp037")))
    else:
        body = draw.choice(
            (*TOKENS, body + body, body + b"x", body[:-1], b" " * 1000 + body, b"\x00" + body, b"[" + body + b"]")
        )
    headers = [*key_header(draw, secrets), (b"Content-Type", JSON)]
    return _case(number, "json bytes", request(b"POST", path_of(draw, rule), headers, body))


def forms(draw: Dice, number: int, secrets: Secrets) -> Case:
    """Forms with wrong values and broken percent-encoding."""
    rule = a_rule(draw, body=True)
    body = encoded(draw, spoilt(draw, rule, wrong_text))
    headers = [*key_header(draw, secrets), (b"Content-Type", FORM)]
    return _case(number, "form", request(b"POST", path_of(draw, rule), headers, body))


def queries(draw: Dice, number: int, secrets: Secrets) -> Case:
    """Queries with wrong values, broken percent-encoding and the key among the parameters."""
    rule = a_rule(draw, body=False) if draw.random() < 0.9 else a_rule(draw)
    given = spoilt(draw, rule, wrong_text)
    headers = key_header(draw, secrets)
    if draw.random() < 0.1:
        given[draw.choice(("key", "api_key"))] = draw.choice(secrets.keys)
        headers = []
    text = encoded(draw, given)[:3000]
    # What cannot stand in a request line is another kind's business.
    text = b"".join(bytes([b]) if 0x21 <= b < 0x7F else b"%%%02X" % b for b in text)
    return _case(number, "query", request(rule.verb.encode(), path_of(draw, rule) + b"?" + text, headers))


def encoded(draw: Dice, given: Mapping[str, Any]) -> bytes:
    """Percent-encoded, sometimes badly."""
    pairs = [
        quote(name).encode() + b"=" + quote(str(value).encode("utf-8", "surrogatepass")).encode()
        for name, value in given.items()
    ]
    if draw.random() < 0.1 and pairs:
        pairs += [draw.choice(pairs)] * draw.choice((1, 5, 1100))
    text = draw.choice((b"&", b"&", b"&", b"&", b";", b"&&", b"\r\n")).join(pairs)
    return mangled(draw, text, 3) if draw.random() < 0.4 else text


def multiparts(draw: Dice, number: int, secrets: Secrets) -> Case:
    """Multipart bodies, broken in their boundaries, headers, encodings and bytes."""
    rule = a_rule(draw, body=True)
    given = spoilt(draw, rule, wrong_text) if draw.random() < 0.5 else valid(draw, rule)
    if draw.random() < 0.5:
        given.pop("wait", None)
    boundary = draw.choice((b"xyz", b"xyz", b"xyz", b"a" * 70, b"a" * 71, b"", b'"q"', b"a b", b"--", b"\xff", b"x;y"))
    body = b"".join(
        _part(draw, boundary, name, str(value).encode("utf-8", "surrogatepass")) for name, value in given.items()
    )
    body += (
        b"--"
        + boundary
        + draw.choice((b"--\r\n", b"--\r\n", b"--\r\n", b"--", b"\r\n", b"", b"--\r\nepilogue", b"-\r\n"))
    )
    if draw.random() < 0.4:
        body = mangled(draw, body)
    kind = b"multipart/form-data; boundary=" + boundary
    if draw.random() < 0.1:
        kind = draw.choice(
            (
                b"multipart/form-data",
                b"multipart/form-data; boundary",
                b"multipart/form-data;boundary=other",
                b"multipart/form-data; boundary=xyz; boundary=b",
            )
        )
    headers = [*key_header(draw, secrets), (b"Content-Type", kind)]
    return _case(number, "multipart", request(b"POST", path_of(draw, rule), headers, body))


PART_HEADERS = (
    b"Content-Type: text/plain; charset=utf-16", b"Content-Type: text/plain; charset=nonsense", b"Content-Transfer-Encoding: base64",
    b"Content-Transfer-Encoding: quoted-printable", b"Content-Transfer-Encoding: nonsense", b"Content-Encoding: gzip", b"Content-Encoding: deflate",
    b"Content-Encoding: br", b"Content-Encoding: zstd", b"Content-Encoding: nonsense", b"Content-Encoding: identity", b"Content-Length: 3", b"Content-Length: -1",
    b"Content-Length: 999999999999", b"Content-Length: x", b"Content-Type: multipart/mixed; boundary=inner", b"Content-Type: multipart/mixed", b": no name",
    b"no colon", b" folded", b"X: " + b"a" * 9000, b"\xff: \xff", b"Content-Disposition: form-data; name=\"second\"", b"Content-Type: application/x-www-form-urlencoded",
    b"Content-Type: application/json", b"\0: \0",
)  # fmt: skip
DISPOSITIONS = (
    b'form-data; name="%s"', b"form-data; name=%s", b'form-data; name="%s"; filename="a.txt"', b"form-data; name*=utf-8''%s", b"form-data; name*=nonsense''%%zz%s",
    b"form-data; name*0=%s; name*1=x", b'form-data; name="%s', b"%s", b"attachment", b"form-data; name=_charset_", b'form-data; name="%s"; name="b"', b"form-data",
)  # fmt: skip


def _part(draw: Dice, boundary: bytes, name: str, value: bytes) -> bytes:
    plain = draw.random() < 0.7
    shape = DISPOSITIONS[0] if plain else draw.choice(DISPOSITIONS)
    named = shape % name.encode() if b"%s" in shape else shape
    lines = [b"--" + boundary, b"Content-Disposition: " + named]
    if not plain:
        lines += draw.choices(PART_HEADERS, k=draw.randint(0, 2))
    return b"\r\n".join([*lines, b"", value, b""])


TYPES = (
    b"", b"text/plain", b"application/json; charset=utf-16", b"application/json;", b"APPLICATION/JSON", b"application/vnd.api+json", b"application/+json",
    b"application/xml", b"application/x-www-form-urlencoded; charset=latin-1", b"multipart/form-data", b"multipart/mixed; boundary=xyz", b"*/*", b"a", b";",
    b"application/json, text/plain", b"\xff", b"application/octet-stream", b"application/grpc", b"text/json", b"application/json\x80", b"a" * 5000, b"a/b/c",
)  # fmt: skip


def content_types(draw: Dice, number: int, secrets: Secrets) -> Case:
    """A body of another type than its header says."""
    rule = a_rule(draw, body=True)
    given = valid(draw, rule)
    given.pop("wait", None)
    body = draw.choice((json_body(draw, given), urlencode(given).encode(), b"x", b"\x1f\x8b\x08" + bytes(20)))
    headers = key_header(draw, secrets)
    if draw.random() < 0.9:
        headers.append((b"Content-Type", draw.choice(TYPES)))
    if draw.random() < 0.1:
        headers.append((b"Content-Type", JSON))
    if draw.random() < 0.2:
        headers.append((b"Content-Encoding", draw.choice((b"gzip", b"deflate", b"br", b"identity", b"nonsense"))))
    return _case(number, "content type", request(b"POST", path_of(draw, rule), headers, body))


IDS = (
    "0", "-1", "1.0", "1e3", "9223372036854775807", "9223372036854775808", "9007199254740993", "9" * 30, "9" * 5000, "abc", "%00", "%31", "1%20", "%2e%2e",
    "%ff", "%u0031", "١", "１", "+1", "1;x", "1?", "null", "{operation_id}", "*", "%2f", "1%2fcancel", " 1".replace(" ", "%20"), "0x1", "1_0", "²", "''",
)  # fmt: skip
PLACES = (
    "/", "/api", "/api/", "/api/whatsapp-session", "/api/whatsapp-session/", "//api/whatsapp-session/status", "/api//whatsapp-session/status", "/API/whatsapp-session/send",
    "/api/whatsapp-session/../whatsapp-session/status", "/api/whatsapp-session/./status", "/api/whatsapp-session/%2e%2e/status", "/api/whatsapp-session/status/",
    "/api/whatsapp-session/status;a=b", "/api/whatsapp-session/send%00", "/api/whatsapp-session/%73tatus", "/api/whatsapp-session/status%2f", "/docs", "/docs/",
    "/docs/../admin-token", "/openapi.json", "/openapi.json?x=1", "/healthz", "/readyz", "/metrics", "/%2e%2e/%2e%2e/etc/passwd", "/..%5c..", "/favicon.ico", "/api/whatsapp-session/" + "a/" * 500,
    "/api/whatsapp-session/operations//cancel", "/api/whatsapp-session/operations/cancel/cancel", "/?", "/#", "/api/whatsapp-session/status#x", "/%", "/%f", "/api/%ff%fe",
)  # fmt: skip


def paths(draw: Dice, number: int, secrets: Secrets) -> Case:
    """Paths that are no rule's, and ids that are none."""
    rule = a_rule(draw)
    if draw.random() < 0.5:
        rule = draw.choice([rule for rule in rules() if "{" in rule.path])
        target = rule.path.replace("{operation_id}", draw.choice(IDS))
    else:
        target = draw.choice(PLACES)
    raw = quote(target, safe="/%?#;=&+*'{}.~_-:@!$(),").encode()
    verb = rule.verb.encode()
    headers = [*key_header(draw, secrets)]
    if verb == b"POST":
        headers.append((b"Content-Type", JSON))
    body = json_body(draw, valid(draw, rule)) if verb == b"POST" else b""
    return _case(number, "path", request(verb, raw, headers, body))


VERBS = (
    b"HEAD", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"PROPFIND", b"PURGE", b"LINK", b"SEARCH", b"M-SEARCH", b"QUERY", b"MKCOL", b"GET", b"POST",
)  # fmt: skip


def verbs(draw: Dice, number: int, secrets: Secrets) -> Case:
    """Methods that a path does not answer to."""
    rule = a_rule(draw)
    verb = draw.choice(VERBS)
    target = path_of(draw, rule) if draw.random() < 0.9 else draw.choice(PLACES[:5]).encode()
    body = b"" if verb in (b"GET", b"HEAD") or draw.random() < 0.5 else b'{"message": "fuzzed-text"}'
    headers = [*key_header(draw, secrets), (b"Content-Type", JSON)]
    return _case(number, "method", request(verb, target, headers, body), bodiless=verb == b"HEAD")


HEADERS = (
    (b"Idempotency-Key", b"\xff"), (b"Idempotency-Key", b"\xc3\xa9"), (b"Idempotency-Key", b"k" * 255), (b"Idempotency-Key", b"k" * 256), (b"Idempotency-Key", b" a b "),
    (b"Idempotency-Key", b"a\tb"), (b"Idempotency-Key", b""), (b"Idempotency-Key", b"key-1"), (b"Origin", b"https://a.example"), (b"Origin", b"null"), (b"Origin", b"\xff"),
    (b"Origin", b"https://a.example, https://b.example"), (b"Access-Control-Request-Method", b"\xff"), (b"Access-Control-Request-Headers", b"x" * 5000),
    (b"Purpose", b"prefetch"), (b"Sec-Purpose", b"prefetch;prerender"), (b"X-Purpose", b"preview"), (b"Accept", b"text/html"), (b"Accept-Encoding", b"gzip"),
    (b"Range", b"bytes=0-1"), (b"If-None-Match", b"*"), (b"If-Modified-Since", b"nonsense"), (b"Cookie", b"a=b; \xff"), (b"X-HTTP-Method-Override", b"DELETE"),
    (b"Forwarded", b"for=_"), (b"X-Forwarded-For", b"1.1.1.1, \xff"), (b"Content-Language", b"xx"), (b"Expect", b"nonsense"), (b"X" * 200, b"y"), (b"X-Large", b"y" * 8000),
    (b"X-Request-Id", b"evil\xff"), (b"Accept-Charset", b"utf-16"), (b"DNT", b"1"), (b"X-API-Key", b"second"), (b"Authorization", b"Bearer second"), (b"TE", b"trailers"),
)  # fmt: skip


def headers(draw: Dice, number: int, secrets: Secrets) -> Case:
    """Headers in every wrong way that is HTTP still."""
    rule = a_rule(draw)
    given = valid(draw, rule)
    given.pop("wait", None)
    found = [*key_header(draw, secrets), *draw.choices(HEADERS, k=draw.randint(1, 4))]
    if draw.random() < 0.05:
        found += [(b"X-%d" % n, b"y") for n in range(draw.choice((100, 200)))]
    verb, target, body = rule.verb.encode(), path_of(draw, rule), b""
    if rule.body:
        found.append((b"Content-Type", JSON))
        body = json_body(draw, given)
    elif given:
        target += b"?" + urlencode(given).encode()
    draw.shuffle(found)
    return _case(number, "headers", request(verb, target, found, body))


def preflights(draw: Dice, number: int, secrets: Secrets) -> Case:
    """What browsers ask before they call, with any origin."""
    origins = (
        b"https://shop.example",
        b"https://evil.example",
        b"null",
        b"*",
        b"\xff",
        b"",
        b"https://shop.example\x80",
        b"https://shop.example:0",
        b"a" * 4000,
    )
    found = [
        (b"Origin", draw.choice(origins)),
        (b"Access-Control-Request-Method", draw.choice((b"POST", b"NONSENSE", b"\xff"))),
    ]
    if draw.random() < 0.5:
        found.append((b"Access-Control-Request-Headers", draw.choice((b"x-api-key", b"*", b"\xff", b"a," * 1000))))
    target = path_of(draw, a_rule(draw)) if draw.random() < 0.8 else draw.choice(PLACES[:6]).encode()
    return _case(number, "preflight", request(b"OPTIONS", target, found))


def _case(number: int, kind: str, raw: bytes, *, bodiless: bool = False) -> Case:
    return Case(number=number, kind=kind, door=REST, raw=raw, bodiless=bodiless)
