"""Linking a channel from the terminal: QR codes and pairing codes as they come, until the channel is linked."""

from __future__ import annotations

import io
import sys
from typing import TextIO

import segno
from messenger_hub.admin.v1 import channel_admin_service_pb2 as pb
from messenger_hub.v1 import channel_service_pb2

from messenger_hub_cli.failures import Failed
from messenger_hub_cli.messages import plain
from messenger_hub_cli.running_hub import RunningHub
from messenger_hub_cli.verb import wants_json

# As long as the hub keeps a link open, and some.
LINK_SECONDS = 660.0
LINKED = channel_service_pb2.CHANNEL_STATE_LINKED
HOW = "On the phone: WhatsApp, Settings, Linked devices, Link a device. Scan:"
HOW_WITH_CODE = "On the phone: WhatsApp, Settings, Linked devices, Link a device, Link with phone number. Type:"


async def link_channel(hub: RunningHub, name: str, *, phone: str = "", show_codes: bool = True) -> pb.Channel:
    """Asks the hub to link a channel and shows what comes. Returns the linked channel; Failed when it ends otherwise."""
    board = Board(sys.stderr if wants_json() else sys.stdout, show_codes=show_codes)
    request = pb.LinkChannelRequest(channel=name, phone=phone)
    latest: pb.Channel = pb.Channel(name=name)
    async for answer in hub.channels.LinkChannel(request, timeout=LINK_SECONDS):
        latest = answer.channel
        if latest.status.channel == LINKED:
            return latest
        board.show(answer)
    if not latest.status.number:
        why = latest.status.reason or "the hub ended the attempt"
        raise Failed(f"Channel {latest.name} is not linked: {why}", code="not_linked")
    return latest  # linked, and paused or restricted


class Board:
    """What the terminal shows while a channel links: a code replaces the one before, a state is said once."""

    def __init__(self, stream: TextIO, *, show_codes: bool) -> None:
        self._stream = stream
        self._show_codes = show_codes
        self._said = ""
        self._code = ""
        self._lines_of_code = 0

    def show(self, answer: pb.LinkChannelResponse) -> None:
        """Prints what is new in an answer."""
        if self._show_codes and (answer.pairing_code or answer.qr_text):
            self._show_code(answer)
        else:
            self._say(f"{plain(answer.channel.status)['channel']}: {answer.channel.status.reason}")

    def _say(self, sentence: str) -> None:
        if sentence != self._said:
            self._said = sentence
            self._lines_of_code = 0
            self._print(sentence)

    def _show_code(self, answer: pb.LinkChannelResponse) -> None:
        code = answer.pairing_code or answer.qr_text
        if code == self._code:
            return
        self._code = code
        text = f"{HOW_WITH_CODE}\n\n    {code}\n" if answer.pairing_code else f"{HOW}\n{qr_code(code)}"
        if self._lines_of_code and self._stream.isatty():
            self._stream.write(f"\x1b[{self._lines_of_code}F\x1b[J")
        self._lines_of_code = text.count("\n") + 1
        self._print(text)

    def _print(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()


def qr_code(text: str) -> str:
    """A QR code in half blocks, dark on light whatever the terminal's colours."""
    drawn = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(out=drawn, border=2, compact=True)
    return drawn.getvalue().rstrip("\n")
