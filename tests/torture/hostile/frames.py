"""gRPC calls with messages that are none, or none that the contract asks for; agents' streams; and bytes on the gRPC port that are no HTTP/2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf import timestamp_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from messenger_hub.agent.v1 import agent_service_pb2 as pb

from tests.torture.hostile.case import GRPC, SOCKET, Case, Dice, Secrets, mangled
from tests.torture.hostile.contract import PHONE, TEXT, methods
from tests.torture.hostile.rest import LETTERS, TEXTS

CONNECT = "/messenger_hub.agent.v1.AgentService/Connect"
LENGTHS = (0, 1, 50, 128, 129, 255, 256, 4096, 4097, 65_536)
INTEGERS = (0, 1, -1, 2, 7, 99, 1000, 1024, 1025, 2**31 - 1, -(2**31), 2**53, 2**62, 2**63 - 1, -(2**63))
HEX = "0123456789abcdef"


# ---- messages -------------------------------------------------------------------------------------------------------------------


def drawn(draw: Dice, descriptor: Descriptor, depth: int = 0) -> Message:
    """A message of a type, each field unset, likely right, or anything that its wire type can hold."""
    message: Message = GetMessageClass(descriptor)()
    if descriptor.full_name == timestamp_pb2.Timestamp.DESCRIPTOR.full_name:
        _set_time(draw, message)
        return message
    for field in descriptor.fields:
        if depth > 4 or draw.random() < 0.4 or field.name == "wait":
            continue
        if field.is_repeated:
            count = draw.choice((0, 1, 1, 2, 3, 120)) if depth == 0 else draw.choice((0, 1, 2))
            values = [_value(draw, field, depth) for _ in range(count)]
            if field.message_type is not None:
                for one in values:
                    getattr(message, field.name).add().CopyFrom(one)
            else:
                getattr(message, field.name).extend(values)
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(drawn(draw, field.message_type, depth + 1))
        else:
            setattr(message, field.name, _value(draw, field, depth))
    return message


def _set_time(draw: Dice, message: Any) -> None:
    message.seconds = draw.choice(
        (1_924_992_000, 0, -1, 253_402_300_799, 253_402_300_800, 2**62, -(2**62), -62_135_596_801, 10_000_000_000_000)
    )
    message.nanos = draw.choice((0, 1, 999_999_999, 1_000_000_000, -1, 2**31 - 1, -(2**31)))


def _value(draw: Dice, field: FieldDescriptor, depth: int) -> Any:
    if field.message_type is not None:
        return drawn(draw, field.message_type, depth + 1)
    if field.type == FieldDescriptor.TYPE_STRING:
        return _text(draw, field.name)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return draw.randbytes(draw.choice((0, 1, 32, 33, 1000)))
    if field.type == FieldDescriptor.TYPE_BOOL:
        return draw.random() < 0.5
    if field.enum_type is not None:
        return draw.choice((0, 1, 2, 3, 7, 8, 99, -1, 2**31 - 1, -(2**31)))
    wide = field.type in (FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64)
    return draw.choice(INTEGERS if wide else INTEGERS[:11])


def _text(draw: Dice, name: str) -> str:
    if draw.random() < 0.4:
        right = {
            "mobile": PHONE,
            "contact_id": PHONE,
            "message": f"{TEXT} 1",
            "name": TEXT,
            "group_id": "120363041234567890@g.us",
        }
        return right.get(name) or "".join(draw.choices(HEX, k=32 if name == "journal_id" else 16))
    if draw.random() < 0.3:
        return draw.choice(LETTERS) * draw.choice(LENGTHS)
    return draw.choice(TEXTS)


def wire_bytes(draw: Dice) -> bytes:
    """Tags, lengths and groups as protobuf knows them, put together without a plan."""
    found = bytearray()
    for _ in range(draw.randint(1, 12)):
        number, kind = draw.choice((1, 2, 3, 4, 5, 8, 9, 15, 16, 536_870_911, 0)), draw.randrange(8)
        found += _varint(number << 3 | kind)
        match kind:
            case 0:
                found += draw.choice((b"\x00", b"\x01", b"\xff" * 9 + b"\x01", b"\xff" * 11, b"\x80"))
            case 1:
                found += draw.randbytes(draw.choice((8, 8, 3)))
            case 2:
                data = draw.choice(
                    (b"", b"a", b"\xff\xfe", b"\xed\xa0\x80", b"\0", b"\x0a\x02\x0a\x00", draw.randbytes(20))
                )
                found += _varint(draw.choice((len(data), len(data), len(data), 2**31, 2**32 + 1, 5))) + data
            case 3:
                found += draw.choice((b"", b"\x0b" * 200, _varint(number << 3 | 4)))
            case 5:
                found += draw.randbytes(draw.choice((4, 4, 1)))
    return bytes(found)


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _message_bytes(draw: Dice, descriptor: Descriptor) -> bytes:
    chance = draw.random()
    if chance < 0.5:
        return drawn(draw, descriptor).SerializeToString()
    if chance < 0.75:
        return mangled(draw, drawn(draw, descriptor).SerializeToString())
    if chance < 0.95:
        return wire_bytes(draw)
    return (
        b"\x0a" * 5000
        if chance < 0.98
        else b"\x0b" * 200_000
        if chance < 0.99
        else bytes(1024 * 1024 + draw.choice((-100, 1, 1000)))
    )


# ---- calls ----------------------------------------------------------------------------------------------------------------------


def unary(draw: Dice, number: int, secrets: Secrets) -> Case:
    """One message to any RPC that takes one."""
    path, method = draw.choice([one for one in methods() if not one[1].client_streaming])
    return _call(
        number, "gRPC message", path, [_message_bytes(draw, method.input_type)], _metadata(draw, secrets, method)
    )


UNKNOWN = (
    "/", "/a", "/a/b", "/messenger_hub.v1.MessageService/", "/messenger_hub.v1.MessageService/sendmessage", "/messenger_hub.v1.MessageService/SendMessage/x",
    "/messenger_hub.admin.v1.ChannelAdminService/ListChannels", "/messenger_hub.admin.v1.HubAdminService/GetHub", "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/nonsense",
    "/grpc.reflection.v1.ServerReflection/nonsense", "/messenger_hub.v1.MessageService/BatchSendMessages" + "x" * 3000, "/%ff/%00", "/messenger_hub.agent.v1.AgentService/Disconnect",
)  # fmt: skip


def unknown(draw: Dice, number: int, secrets: Secrets) -> Case:
    """RPCs that are not there, also those of the operators."""
    return _call(number, "gRPC unknown", draw.choice(UNKNOWN), [wire_bytes(draw)], _metadata(draw, secrets, None))


def metadata(draw: Dice, number: int, secrets: Secrets) -> Case:
    """Metadata that is too large, binary, repeated or somebody else's."""
    path, method = draw.choice(
        [one for one in methods() if not one[1].client_streaming and not one[1].server_streaming]
    )
    extra: list[tuple[str, str | bytes]] = [
        draw.choice((
            ("x-api-key", "x" * 7000), ("x-large", "y" * 20_000), ("x-binary-bin", b"\xff" * 3000), ("authorization", "Bearer"), ("x-api-key", ""), ("x-api-key", "~ ~"), ("grpc-tags-bin", b"\0\1"),
            ("authorization", "Bearer " + "z" * 4000), ("x-request-id", "a" * 500), ("idempotency-key", "k"), ("traceparent", "nonsense"), ("grpc-trace-bin", b"\xff"), ("content-language", "xx"),
        ))
        for _ in range(draw.choice((1, 2, 60)))
    ]  # fmt: skip
    return _call(
        number,
        "gRPC metadata",
        path,
        [drawn(draw, method.input_type).SerializeToString()],
        (*extra, *_metadata(draw, secrets, method)),
    )


def _metadata(draw: Dice, secrets: Secrets, method: MethodDescriptor | None) -> Sequence[tuple[str, str | bytes]]:
    if method is not None and method.containing_service.name == "AgentService":
        return (("authorization", "Bearer " + draw.choice(secrets.credentials)),)
    return (("x-api-key", draw.choice(secrets.keys)),) if draw.random() < 0.95 else ()


def _call(number: int, kind: str, path: str, frames: Sequence[bytes], given: Sequence[tuple[str, str | bytes]]) -> Case:
    return Case(number=number, kind=kind, door=GRPC, method=path, frames=frames, metadata=given)


# ---- agents' streams ------------------------------------------------------------------------------------------------------------


def streams(draw: Dice, number: int, secrets: Secrets) -> Case:
    """An enrolled agent's stream: a hello as it should be, then frames that are right in their shape and wrong in what they say, or no frames."""
    agent = draw.randrange(len(secrets.credentials))
    channel = secrets.channels[agent % len(secrets.channels)]
    found: list[bytes] = []
    if draw.random() < 0.9:
        found.append(pb.ConnectRequest(agent_hello=pb.AgentHello(version="fuzz", platform="fuzz")).SerializeToString())
    if draw.random() < 0.7:
        found += _opened(draw, channel)
    for _ in range(draw.randint(1, 12)):
        if draw.random() < 0.15:
            found.append(_message_bytes(draw, pb.ConnectRequest.DESCRIPTOR))
            continue
        request = _frame(draw)
        request.channel_id = draw.choice(
            (channel, channel, channel, channel, 0, -1, 2**62, draw.choice(secrets.channels))
        )
        found.append(request.SerializeToString())
    credential = secrets.credentials[agent]
    return _call(number, "gRPC stream", CONNECT, found, (("authorization", f"Bearer {credential}"),))


def _opened(draw: Dice, channel: int) -> Sequence[bytes]:
    hello = pb.ChannelHello(journal_id="".join(draw.choices(HEX, k=32)), first_sequence=1)
    page, credit = pb.JournalPage(last=True), pb.Credit(window=4)
    requests = (
        pb.ConnectRequest(channel_id=channel, channel_hello=hello),
        pb.ConnectRequest(channel_id=channel, journal_page=page),
        pb.ConnectRequest(channel_id=channel, credit=credit),
    )
    return [one.SerializeToString() for one in requests]


def _frame(draw: Dice) -> pb.ConnectRequest:
    kinds = pb.ConnectRequest.DESCRIPTOR.oneofs_by_name["frame"].fields
    field = draw.choice([one for one in kinds if one.name != "agent_hello" or draw.random() < 0.1])
    request = pb.ConnectRequest()
    getattr(request, field.name).CopyFrom(drawn(draw, field.message_type, 1))
    getattr(request, field.name).SetInParent()
    return request


# ---- bytes that are no HTTP/2 ---------------------------------------------------------------------------------------------------

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
# :method POST, :scheme http, :path / (static table); te and content-type as literals.
BLOCK = b"\x83\x86\x84\x40\x02te\x08trailers\x40\x0ccontent-type\x10application/grpc"


def sockets(draw: Dice, number: int, _: Secrets) -> Case:
    """Noise, other protocols, and HTTP/2 frames in every wrong order, size and number."""
    chance = draw.random()
    if chance < 0.15:
        raw = draw.randbytes(draw.choice((1, 24, 500, 50_000)))
    elif chance < 0.3:
        raw = mangled(draw, PREFACE + SETTINGS + _h2(draw, 1, 4, 1, BLOCK))
    else:
        raw = (
            PREFACE
            + draw.choice((SETTINGS, SETTINGS, b""))
            + b"".join(_any_h2(draw) for _ in range(draw.choice((1, 3, 10, 100))))
        )
    return Case(number=number, kind="HTTP/2 bytes", door=SOCKET, raw=raw, ends=True)


def _h2(draw: Dice, kind: int, flags: int, stream: int, data: bytes) -> bytes:
    size = len(data) if draw.random() < 0.95 else draw.choice((0, len(data) + 1, 2**24 - 1))
    return size.to_bytes(3, "big") + bytes([kind, flags]) + (stream & 0xFFFFFFFF).to_bytes(4, "big") + data


def _any_h2(draw: Dice) -> bytes:
    stream = draw.choice((0, 1, 1, 3, 5, 2, 2**31 - 1, 2**31 + 1))
    kind = draw.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255))
    data = {
        0: draw.choice((b"\0\0\0\0\0", b"\x01\0\0\0\0", b"\0\xff\xff\xff\xff", b"", b"x" * 16_385)),
        1: draw.choice(
            (
                BLOCK,
                BLOCK[:-3],
                b"\xff" * 50,
                b"\x40" + b"\x01a\x01b" * 3,
                b"\x40\x7f\xff\xff\xff\x0f",
                b"\x3f\xff\xff\xff\x0f",
            )
        ),
        3: draw.randbytes(draw.choice((4, 4, 3))),
        4: draw.choice(
            (b"", b"\0\x04\x80\0\0\0", b"\0\x05\0\0\0\1", b"\0\x03\0\0\0\0", b"\0\x01\xff\xff\xff\xff", b"x")
        ),
        6: draw.randbytes(draw.choice((8, 8, 7))),
        8: draw.choice((b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\1", b"")),
        9: draw.choice((BLOCK, b"\xff" * 16_000, b"")),
    }.get(kind, draw.randbytes(draw.choice((0, 5, 8))))
    return _h2(draw, kind, draw.choice((0, 1, 4, 5, 8, 0x20, 0xFF)), stream, data)
