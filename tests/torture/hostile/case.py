"""One hostile request, and who draws it: the seed and its number decide everything, so that a number alone is enough to repeat it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Dice = random.Random
REST, GRPC, SOCKET = "rest", "grpc", "socket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What a run's server gave out: API keys and agents' credentials. Never part of a case's number."""

    keys: Sequence[str] = field(repr=False)
    credentials: Sequence[str] = field(repr=False)
    channels: Sequence[int] = (1,)

    def apart(self) -> Secrets:
        """Keys of the first half of the channels, agents of the second: what agents do may not be seen over REST."""
        half = len(self.channels) // 2
        return Secrets(keys=self.keys[:half], credentials=self.credentials[half:], channels=self.channels[half:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request.

    `door`: REST is sent to the HTTP port as it is, GRPC is a call with these bytes as message (or messages), SOCKET goes to the gRPC port as
    it is. `ends`: the connection may be over afterwards, with or without an answer.
    """

    number: int
    kind: str
    door: str
    raw: bytes = b""
    ends: bool = False
    bodiless: bool = False  # HEAD: its answer has no body
    method: str = ""
    frames: Sequence[bytes] = ()
    metadata: Sequence[tuple[str, str | bytes]] = field(default=(), repr=False)


Draw = Callable[[Dice, int, Secrets], Case]


def dice(seed: str, number: int) -> Dice:
    """The random numbers of one case."""
    return random.Random(f"{seed}/{number}")


def mangled(draw: Dice, data: bytes, most: int = 6) -> bytes:
    """Some bytes changed, taken out, put in, repeated, or the end cut off."""
    found = bytearray(data)
    for _ in range(draw.randint(1, most)):
        place = draw.randrange(len(found) + 1)
        match draw.randrange(6):
            case 0 if place < len(found):
                found[place] ^= 1 << draw.randrange(8)
            case 1 if place < len(found):
                found[place] = draw.randrange(256)
            case 2:
                del found[place : place + draw.randint(1, 4)]
            case 3:
                found[place:place] = draw.choice(SPLINTERS)
            case 4:
                found[place:place] = found[place : place + draw.randint(1, 20)]
            case _ if draw.random() < 0.2:
                del found[place:]
    return bytes(found)


SPLINTERS = (
    b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b'"', b"\\", b"{", b"}",
    b"[", b"]", b",", b":", b"%", b"%00", b"%zz", b"&", b"=", b";", b"+", b"--", b"\x7f", b"\x1b", b"9" * 40, b"-1", b"1e999", b"NaN", b" " * 50,
)  # fmt: skip
