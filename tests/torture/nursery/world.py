"""A whole way whose programs come from the nursery."""

from __future__ import annotations

import json
import os
from typing import Any

from tests.e2e.whole_way.world import SECONDS, Name, World
from tests.torture.nursery.nursery import Forked, fork


class ForkedWorld(World):
    """A world in which a program that has died is there again in a moment."""

    def start(self, name: Name) -> None:
        """Starts one, and waits until it says that it works."""
        log = self.folder / f"{name}.log"
        with log.open("a") as errors:
            process: Any = fork(self._command(name), self._environment(name), errors)
        self._processes[name] = process
        assert process.stdout.readline(), f"{name} ended: {log.read_text()[-2000:]}"

    def ask(self, *arguments: str) -> Any:
        """A verb of the command line, as JSON."""
        command = ["messenger_hub_cli", *arguments, "--data-dir", str(self.folder / "hub"), "--json"]
        log = self.folder / "asked.log"
        with log.open("a") as errors:
            asked = fork(command, os.environ, errors)
        told = _read(asked)
        assert asked.wait(SECONDS) == 0, told + log.read_text()
        return json.loads(told)


def _read(asked: Forked) -> str:
    """All that it says."""
    with asked.stdin, asked.stdout:
        return asked.stdout.read()
