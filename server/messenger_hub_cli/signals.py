"""How a program that runs here is told to stop: by a signal, or by the end of whoever started it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager

import click
from messenger_hub.runtime.failures import innermost
from messenger_hub.runtime.system import here

from messenger_hub_cli.failures import CliError

with_parent_option = click.option(
    "--with-parent",
    is_flag=True,
    hidden=True,
    help="Stop when standard input ends, as it does when the parent is gone.",
)


async def stopping(serve: Callable[[asyncio.Event], Awaitable[None]], *, with_parent: bool) -> None:
    """Serves with an event that a signal to stop sets, and the parent's end where that is asked for."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    here.when_told_to_stop(loop, stop.set)
    if with_parent:
        watch_parent(lambda: loop.call_soon_threadsafe(stop.set))
    await serve(stop)


async def until_stopped(work: Coroutine[None, None, None], on_signal: Callable[[], None] = lambda: None) -> None:
    """Works until it is done or a signal comes, which cancels it. Raises the CliError that ended it."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    here.when_told_to_stop(loop, stop.set)
    try:
        async with asyncio.TaskGroup() as group:
            working, stopped = group.create_task(work), group.create_task(stop.wait())
            await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                on_signal()
            working.cancel()
            stopped.cancel()
    except* CliError as problems:
        raise innermost(problems, CliError) from None


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, so that it puts away what it holds. For the main thread."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def watch_parent(gone: Callable[[], object]) -> None:
    """Calls back when the parent's end of standard input is closed, as it is however the parent ends."""

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        try:
            gone()
        except RuntimeError:
            return  # the loop has ended by itself

    threading.Thread(target=wait, name="parent watch", daemon=True).start()
