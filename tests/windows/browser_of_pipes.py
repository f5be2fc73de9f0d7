"""Stands in for a browser: takes the pipe as Chromium does, answers each command, and ends with the pipe."""

from __future__ import annotations

import json
import msvcrt
import os
import sys


def main() -> None:
    [switch] = [word for word in sys.argv if word.startswith("--remote-debugging-io-pipes=")]
    read, write = map(int, switch.partition("=")[2].split(","))
    answers, commands = msvcrt.open_osfhandle(write, 0), msvcrt.open_osfhandle(read, os.O_RDONLY)
    pending = b""
    while data := os.read(commands, 1 << 16):
        *complete, pending = (pending + data).split(b"\0")
        for command in map(json.loads, complete):
            if command["method"] == "die":
                os._exit(3)
            os.write(answers, json.dumps({"id": command["id"], "result": len(command["method"])}).encode() + b"\0")


main()
