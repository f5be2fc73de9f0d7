"""Programs of the hub that run as children: started one after the other, ended in the opposite order.

Each has a session of its own (on Windows, a console), so Ctrl-C reaches only us; each ends by itself when our end of its standard input is closed,
which happens however we end. What they log goes to a file.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from messenger_hub.runtime.system import here

from messenger_hub_cli.failures import Failed, Refused

END_SECONDS = 45.0  # an agent may have a message in flight


class Child:
    """One program. Made by `start`."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.process = process
        self._log = log

    @classmethod
    async def start(cls, name: str, arguments: Sequence[str], folder: Path, secrets: Mapping[str, str]) -> Child:
        """Starts `messenger-hub ARGUMENTS`; its log is NAME.log in the folder. `secrets` go into its environment, not into `ps`."""
        log = folder / f"{name}.log"
        with open(os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:  # noqa: ASYNC230, PTH123
            process = await asyncio.create_subprocess_exec(
                *(here.with_streams(sys.executable), "-m", "messenger_hub_cli", *arguments, "--with-parent"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=file,
                **here.CHILD_OPTIONS,
                env={**os.environ, **secrets},
            )
        return cls(name, process, log)

    async def line(self, seconds: float) -> str:
        """The next line that it prints. Raises Refused with its own last words when it ends instead."""
        if self.process.stdout is None:
            raise Failed(f"The {self.name} has no output.")
        try:
            async with asyncio.timeout(seconds):
                line = await self.process.stdout.readline()
        except TimeoutError as error:
            raise Failed(f"The {self.name} did not start within {seconds:.0f} s; its log is {self._log}.") from error
        if not line:
            await self.process.wait()
            raise Refused(self.last_words())
        return line.decode().rstrip("\r\n")

    async def answer(self, seconds: float) -> Mapping[str, Any]:
        """The JSON document that it prints when it is ready. Raises Refused with the sentence when it prints an error instead."""
        answer: Mapping[str, Any] = json.loads(await self.line(seconds))
        if "error" in answer:
            raise Refused(answer["error"]["message"], code=answer["error"]["code"])
        return answer

    def last_words(self) -> str:
        """The sentence with which it ended, or where to read more."""
        lines = [
            line for line in self._log.read_text("utf-8", errors="replace").splitlines() if not line.startswith("{")
        ]
        return lines[-1] if lines else f"The {self.name} ended; its log is {self._log}."

    async def end(self) -> None:
        """Asks it to stop, and waits; kills it when it does not."""
        if self.process.returncode is None:
            here.ask_to_end(self.process)
        try:
            async with asyncio.timeout(END_SECONDS):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


class Children:
    """Ends what it has started, last first, whatever happens."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: list[Child] = []

    async def __aenter__(self) -> Children:
        return self

    async def __aexit__(self, *_: object) -> None:
        while self._children:
            await self._children.pop().end()

    async def start(self, name: str, *arguments: str, secrets: Mapping[str, str] | None = None) -> Child:
        """Starts one more."""
        child = await Child.start(name, arguments, self._folder, secrets or {})
        self._children.append(child)
        return child

    async def first_to_end(self) -> Child:
        """Waits until one ends by itself; it is then no longer among them."""
        waits = {asyncio.ensure_future(child.process.wait()): child for child in self._children}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        child = waits[next(iter(done))]
        self._children.remove(child)
        return child
