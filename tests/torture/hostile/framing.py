"""Bytes on the HTTP port that are no proper HTTP: request lines, headers, lengths, chunks, bombs, and other protocols."""

from __future__ import annotations

from tests.torture.hostile.case import REST, Case, Dice, Secrets, mangled
from tests.torture.hostile.rest import JSON, a_rule, asked, json_body, path_of, request, valid

SEND = b"/api/whatsapp-session/send"
STATUS = b"/api/whatsapp-session/status"


def _case(number: int, kind: str, raw: bytes, *, bodiless: bool = False) -> Case:
    return Case(number=number, kind=kind, door=REST, raw=raw, ends=True, bodiless=bodiless)


def request_lines(draw: Dice, number: int, secrets: Secrets) -> Case:
    """What stands in the first line."""
    key = b"X-API-Key: " + secrets.keys[0].encode()
    line = draw.choice(LINES)
    return _case(
        number, "request line", line + b"\r\nHost: a\r\n" + key + b"\r\n\r\n", bodiless=line.startswith(b"HEAD")
    )


LINES = (
    b"GET", b"GET ", b"GET / ", b"GET  / HTTP/1.1", b" GET / HTTP/1.1", b"GET / HTTP/9.9", b"GET / HTTP/1.2", b"GET / HTTP/1", b"GET / HTTP/1.1 x", b"GET / http/1.1",
    b"GET / HTTP/1.1\r", b"GET\t/\tHTTP/1.1", b"G\xffT / HTTP/1.1", b"GET /\x00 HTTP/1.1", b"GET /\xff\xfe HTTP/1.1", b"GET http://evil.example/api/whatsapp-session/status HTTP/1.1",
    b"GET http://[::1/ HTTP/1.1", b"GET http://a:99999/ HTTP/1.1", b"GET //evil.example/a HTTP/1.1", b"CONNECT evil.example:443 HTTP/1.1", b"CONNECT / HTTP/1.1",
    b"OPTIONS * HTTP/1.1", b"GET * HTTP/1.1", b"GET /api/whatsapp-session/status HTTP/1.0", b"GET ?a=b HTTP/1.1", b"GET :80/ HTTP/1.1", b"PRI * HTTP/2.0", b"",
    b"GET /?" + b"a" * 70_000 + b" HTTP/1.1", b"GET /" + b"a/" * 20_000 + b" HTTP/1.1", b"A" * 70_000, b"X" * 30 + b" / HTTP/1.1", b"HEAD /api/whatsapp-session/status HTTP/1.1",
    b"GET /api/whatsapp-session/status?%s HTTP/1.1", b"GET javascript:alert(1) HTTP/1.1", b"GET mailto:a HTTP/1.1", b"GET http:///a HTTP/1.1", b"GET \\ HTTP/1.1",
    b"GET /api/whatsapp-session/status?a=" + b"%41" * 20_000 + b" HTTP/1.1", b"GET /a b HTTP/1.1", b"GET \"/\" HTTP/1.1", b"GET http://\xff/ HTTP/1.1", b"GET http://a@b:c/ HTTP/1.1",
)  # fmt: skip

LENGTHS = (
    b"Content-Length: -1", b"Content-Length: +5", b"Content-Length: 5, 5", b"Content-Length: 5\r\nContent-Length: 6", b"Content-Length: 5\r\nContent-Length: 5", b"Content-Length: 0x5",
    b"Content-Length: 99999999999999999999999", b"Content-Length: 262145", b"Content-Length: 1e3", b"Content-Length:", b"Content-Length: 5 5", b"Content-Length: \xb2",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked, gzip", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity",
    b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding : chunked", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: xchunked", b"Transfer-Encoding: CHUNKED",
)  # fmt: skip


def lengths(draw: Dice, number: int, secrets: Secrets) -> Case:
    """How long a body is said to be, against how long it is."""
    raw = (
        b"POST "
        + SEND
        + b" HTTP/1.1\r\nHost: a\r\nX-API-Key: "
        + secrets.keys[0].encode()
        + b"\r\nContent-Type: application/json\r\n"
    )
    raw += (
        draw.choice(LENGTHS)
        + b"\r\n\r\n"
        + draw.choice((b"{}", b"0\r\n\r\n", b"2\r\n{}\r\n0\r\n\r\n", b"", b"{}{}{", b"x" * 300_000))
    )
    return _case(number, "length", raw)


SIZES = (
    b"g", b"-1", b"+2", b"0x2", b"2 ", b" 2", b"02", b"00000000000000000002", b"ffffffffffffffff", b"fffffffffffffffff", b"80000000", b"", b"2;a=b", b"2;a=\"b\r\n\"", b"2;" + b"x" * 70_000,
    b"2\t", b"2\x00", b"2\r", b"\xff",
)  # fmt: skip


def chunks(draw: Dice, number: int, secrets: Secrets) -> Case:
    """Chunks with wrong sizes, extensions, ends and trailers."""
    rule = a_rule(draw, body=True)
    given = valid(draw, rule)
    given.pop("wait", None)
    body = json_body(draw, given)
    raw = (
        b"POST "
        + path_of(draw, rule)
        + b" HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\nX-API-Key: "
        + secrets.keys[0].encode()
        + b"\r\n\r\n"
    )
    chance = draw.random()
    if chance < 0.4:
        pieces = [body[place : place + 7] for place in range(0, len(body), 7)]
        good = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        raw += mangled(draw, good, 2)
    elif chance < 0.8:
        raw += draw.choice(SIZES) + b"\r\n" + body + b"\r\n0\r\n\r\n"
    elif chance < 0.85:
        raw += b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n"
    elif chance < 0.9:
        raw += b"40000\r\n" + b"x" * 0x40000 + b"\r\n1\r\nx\r\n0\r\n\r\n"
    else:
        trailer = draw.choice(
            (
                b"X: y",
                b"Content-Length: 5",
                b"Transfer-Encoding: chunked",
                b"\xff\xff",
                b"no colon",
                b"X: " + b"y" * 70_000,
                b"\r\n".join([b"A: b"] * 2000),
            )
        )
        raw += b"%x\r\n%s\r\n0\r\n" % (len(body), body) + trailer + b"\r\n\r\n"
    return _case(number, "chunks", raw)


def header_bombs(draw: Dice, number: int, secrets: Secrets) -> Case:
    """Too many headers, too large ones, and lines that are none."""
    bad = draw.choice(BOMBS)
    raw = (
        b"GET "
        + STATUS
        + b" HTTP/1.1\r\nHost: a\r\nX-API-Key: "
        + secrets.keys[0].encode()
        + b"\r\n"
        + bad
        + b"\r\n\r\n"
    )
    return _case(number, "header bomb", raw)


BOMBS = (
    b"\r\n".join(b"X-%d: y" % n for n in range(257)), b"\r\n".join(b"X-%d: y" % n for n in range(20_000)), b"X: " + b"y" * 66_000, b"X" * 66_000 + b": y", b"X: " + b"y" * 1_000_000,
    b"no colon", b": no name", b"X : y", b" X: y", b"X: a\r\n b", b"X: a\r\n\tb", b"X\x00: y", b"X: \x00", b"X: \x01", b"X: \x7f", b"X\xff: y", b"X: a\nY: b", b"X: a\rY: b", b"(x): y", b"Host: b",
    b"Host: [::1", b"Host: \xff", b"Connection: upgrade\r\nUpgrade: websocket", b"Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", b"Connection: close",
    b"Connection: \xff", b"Connection: keep-alive, close, upgrade", b"Expect: 100-continue", b"Content-Length: 2\r\nExpect: 100-continue", b"Cookie: " + b"a=b;" * 10_000, b"X:",
    b"Accept: " + b"*/*," * 15_000, b"\r\n".join([b"X-API-Key: a"] * 200), b"Trailer: X", b"Proxy-Connection: x", b"Sec-WebSocket-Key: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13",
)  # fmt: skip


def broken(draw: Dice, number: int, secrets: Secrets) -> Case:
    """A whole request with some bytes changed wherever they stand."""
    raw = asked(draw, number, secrets).raw
    return _case(number, "broken bytes", mangled(draw, raw))


def pipelines(draw: Dice, number: int, secrets: Secrets) -> Case:
    """Several requests at once, cut, glued, or with something between them that is none."""
    pieces = [asked(draw, number, secrets).raw for _ in range(draw.randint(2, 12))]
    pieces.insert(
        draw.randrange(len(pieces) + 1),
        draw.choice(
            (
                b"\r\n",
                b"\r\n\r\n\r\n",
                b"\0",
                b"x",
                b"GET",
                b"\xff" * 100,
                b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                b"{}",
            )
        ),
    )
    raw = b"".join(pieces)
    return _case(number, "pipeline", raw[: draw.randrange(len(raw))] if draw.random() < 0.5 else raw)


def cut(draw: Dice, number: int, secrets: Secrets) -> Case:
    """A request that ends somewhere in its middle."""
    raw = asked(draw, number, secrets).raw
    return _case(number, "cut off", raw[: draw.randrange(1, len(raw))])


def foreign(draw: Dice, number: int, _: Secrets) -> Case:
    """Other protocols, and noise."""
    if draw.random() < 0.4:
        return _case(number, "foreign", draw.randbytes(draw.choice((1, 5, 50, 500, 5000, 100_000))))
    return _case(number, "foreign", draw.choice(PROTOCOLS))


PROTOCOLS = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(508), b"\x80\x2e\x01\x00\x02" + bytes(40), b"SSH-2.0-x\r\n",
    b"EHLO a\r\nMAIL FROM:<a@b>\r\n", b"*1\r\n$4\r\nPING\r\n", b"\x00\x00\x00\x85\xffSMB", b"\x05\x01\x00", b"GET / HTTP/1.1\n\n", b"\r\n" * 10_000, b"\n" * 10_000, b"\0" * 100_000, b" " * 100_000,
    b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", b"JRMI\x00\x02\x4b", b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00",
)  # fmt: skip


def large(draw: Dice, number: int, secrets: Secrets) -> Case:
    """Bodies at the limit and over it."""
    rule = a_rule(draw, body=True)
    size = draw.choice((262_143, 262_144, 262_145, 300_000))
    filler = draw.choice((b" ", b"\n", b"x", b"{", b"[", b'"', b"&", b"=", b"\xff", b"\\", b'{"a":', b"9"))
    start = draw.choice((b"", b"{", b'{"message":"', b"a=", b"["))
    body = (start + filler * (size // len(filler) + 1))[:size]
    kind = draw.choice((JSON, JSON, b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x"))
    headers = [(b"X-API-Key", secrets.keys[0].encode()), (b"Content-Type", kind)]
    return _case(number, "large body", request(b"POST", path_of(draw, rule), headers, body))
