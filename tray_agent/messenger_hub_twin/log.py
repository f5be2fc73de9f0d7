"""The append-only log of what the network received: the oracle of every test.

One JSON object a line: ``at`` (Unix seconds), ``id`` (the bare hex id), ``from`` and ``to`` (a person id or group id, never a
LID) and ``body``. A message is written, and with the operating system, before its sender hears of it; a repeat of an id is a
line of its own. Messages that the network refused are not in it: nobody got them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

_BINARY = getattr(os, "O_BINARY", 0)  # Windows would write line ends of its own


class ArrivalLog:
    """The log file, opened for appending; made with its folder where it does not exist, readable by its owner only."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | _BINARY, 0o600)
        self._count = self._complete_last_line()

    @property
    def count(self) -> int:
        """How many lines the log has."""
        return self._count

    def write(self, *, at: float, message_id: str, sender: str, chat: str, body: str) -> None:
        """Append one arrival; when this returns, a kill of the twin no longer loses it."""
        line = json.dumps({"at": at, "id": message_id, "from": sender, "to": chat, "body": body}, ensure_ascii=False)
        data = line.encode("utf-8", "surrogatepass") + b"\n"
        while data:
            data = data[os.write(self._descriptor, data) :]
        self._count += 1

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _complete_last_line(self) -> int:
        """Cut off a line that a kill left unfinished (its message was never acknowledged); returns the number of lines."""
        size = os.fstat(self._descriptor).st_size
        content = os.read(self._descriptor, size)
        while len(content) < size and (more := os.read(self._descriptor, size - len(content))):
            content += more
        os.ftruncate(self._descriptor, content.rfind(b"\n") + 1)
        return content.count(b"\n")
