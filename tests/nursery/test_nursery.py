"""What is forked off the nursery is a program as any other: its own process, killed by signals, with its own environment and streams."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.nursery.nursery import Forked, ForkedAsync, fork, nursery

pytestmark = pytest.mark.usefixtures("nursery")

SAYING = "tests.nursery.saying"
SECONDS = 60


@contextmanager
def saying(folder: Path, code: int = 0, **environment: str) -> Iterator[tuple[Forked, Any]]:
    """One that runs, and what it has said."""
    with (folder / "errors").open("w") as errors:
        forked = fork([SAYING, str(code)], environment, errors)
    with forked.stdin, forked.stdout:
        yield forked, json.loads(forked.stdout.readline())
        forked.kill()
        forked.wait(SECONDS)


def test_it_has_a_process_a_session_an_environment_and_streams_of_its_own(tmp_path: Path) -> None:
    with saying(tmp_path, 7, COLOUR="blue") as (forked, told):
        assert told == {
            "pid": forked.pid,
            "session": forked.pid,
            "environment": {"COLOUR": "blue"},
            "arguments": ["7"],
        }
        assert forked.pid != os.getpid()
        assert forked.returncode is None
        forked.stdin.close()
        assert forked.wait(SECONDS) == 7
        assert forked.stdout.read() == ""
    assert (tmp_path / "errors").read_text() == "its last words\n"


def test_two_at_once_hold_nothing_of_each_other(tmp_path: Path) -> None:
    """The end of one's input ends that one, while the other goes on."""
    with saying(tmp_path) as (first, _), saying(tmp_path) as (second, _):
        first.stdin.close()
        assert first.wait(SECONDS) == 0
        assert second.returncode is None


def test_a_signal_ends_it_and_is_told_as_its_exit_code(tmp_path: Path) -> None:
    with saying(tmp_path) as (forked, _):
        forked.send_signal(signal.SIGKILL)
        assert forked.wait(SECONDS) == forked.poll() == -signal.SIGKILL
        forked.send_signal(signal.SIGTERM)  # nobody is hit


def test_waiting_ends_after_the_time_that_was_given(tmp_path: Path) -> None:
    with saying(tmp_path) as (forked, _), pytest.raises(subprocess.TimeoutExpired):
        forked.wait(0.01)


async def test_an_event_loop_waits_for_its_words_and_its_end(tmp_path: Path) -> None:
    with (tmp_path / "errors").open("w") as errors:
        process = await ForkedAsync(fork([SAYING, "3"], {}, errors)).ready()
    assert json.loads(await process.stdout.readline())["pid"] == process.pid
    assert process.returncode is None
    process.send_signal(signal.SIGTERM)  # SIGINT may be ignored, as by what a shell starts in the background
    assert await process.wait() == -signal.SIGTERM
    assert process.returncode == -signal.SIGTERM


def test_the_nursery_itself_has_used_nothing_of_what_it_has_imported() -> None:
    """A thread would not be there in a fork, and a connection would be shared."""
    itself = psutil.Process(nursery().pid)
    assert itself.num_threads() == 1
    assert itself.net_connections(kind="inet") == []
