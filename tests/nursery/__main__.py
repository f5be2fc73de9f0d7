"""The process that programs are forked off: see nursery.py. Its standard input is the socket on which it is asked."""

from __future__ import annotations

import faulthandler
import gc
import importlib
import json
import os
import runpy
import selectors
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tests.nursery.wire import GIVEN, MOST_BYTES, NUMBER

NEEDED: Sequence[str] = (
    "messenger_hub_cli.main",
    "messenger_hub_cli.server",
    "messenger_hub_cli.agent",
    "messenger_hub_cli.twin",
    "messenger_hub_server.app",
    "messenger_hub_agent.desktop",
    "messenger_hub_twin.app",
)
"""What the programs import, here or once they run."""


@dataclass(frozen=True, slots=True)
class Start:
    """What was asked for: the module and its arguments, its environment, and its descriptors 0, 1 and 2."""

    command: Sequence[str]
    environment: Mapping[str, str]
    streams: Sequence[int]


class Parent:
    """Forks when it is asked, and tells of every end."""

    def __init__(self, asked: socket.socket) -> None:
        self._asked = asked
        self._ready = selectors.DefaultSelector()
        self._ready.register(asked, selectors.EVENT_READ)

    def serve(self) -> Start | None:
        """Returns in each child, with what it is to do; and here with None, once nobody can ask any more."""
        while True:
            for key, _ in self._ready.select():
                if key.data is not None:
                    self._ended(int(key.fd), *key.data)
                    continue
                words, descriptors, _, _ = socket.recv_fds(self._asked, MOST_BYTES, GIVEN)
                if not words:
                    return None
                if start := self._fork(json.loads(words), descriptors):
                    return start

    def _fork(self, request: Mapping[str, object], descriptors: Sequence[int]) -> Start | None:
        *streams, ending = descriptors
        number = os.fork()  # noqa: TID251 nothing runs here whose pipes a child could hold
        if number == 0:
            self._let_go(ending)
            return Start(streams=streams, **request)  # type: ignore[arg-type]
        for descriptor in streams:
            os.close(descriptor)
        handle = os.pidfd_open(number)
        self._ready.register(handle, selectors.EVENT_READ, (number, ending))
        socket.send_fds(self._asked, [NUMBER.pack(number)], [handle])
        return None

    def _let_go(self, *more: int) -> None:
        """A child has nothing to do with its siblings, nor with who asks."""
        for key in list(self._ready.get_map().values()):
            if key.data is not None:
                os.close(int(key.fd))
                os.close(key.data[1])
        for descriptor in more:
            os.close(descriptor)
        self._ready.close()
        self._asked.close()

    def _ended(self, handle: int, number: int, ending: int) -> None:
        self._ready.unregister(handle)
        _, status = os.waitpid(number, 0)
        with suppress(BrokenPipeError):  # nobody wants to know
            os.write(ending, NUMBER.pack(os.waitstatus_to_exitcode(status)))
        os.close(ending)
        os.close(handle)


def become(start: Start) -> None:
    """This process is `python -m COMMAND` from now on."""
    os.setsid()
    for number, descriptor in enumerate(start.streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(start.environment)
    if os.environ.get("PYTHONFAULTHANDLER"):
        faulthandler.enable()
    module, *arguments = start.command
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def main() -> None:
    """Serves until nobody can ask any more."""
    asked = socket.socket(fileno=os.dup(0))
    with open(os.devnull) as nothing:  # noqa: PTH123 a descriptor is wanted
        os.dup2(nothing.fileno(), 0)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # as the server does, before it imports gRPC
    for module in NEEDED:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    if start := Parent(asked).serve():
        become(start)


if __name__ == "__main__":
    main()
