"""Rules for the whole run."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from tests.postgresql import PostgresqlServer

NO_SKIPS_VARIABLE = "MESSENGER_HUB_NO_SKIPS"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skips",
        action="store_true",
        default=os.environ.get(NO_SKIPS_VARIABLE, "") not in ("", "0"),
        help=f"fail the run when a test was skipped (also: {NO_SKIPS_VARIABLE}=1)",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--no-skips"):
        config.pluginmanager.register(_NoSkips(), "no-skips")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """One server for all tests of a run that ask for it."""
    from tests.postgresql import postgresql_server  # noqa: PLC0415 these rules are tested without the rest of the tests

    with postgresql_server() as server:
        yield server


@pytest.fixture(scope="session")
def nursery() -> None:
    """Programs are forked off a process that is there before the first test, so that none leaves it behind."""
    from tests.nursery.nursery import nursery  # noqa: PLC0415 these rules are tested without the rest of the tests

    nursery()


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaves a thread, a process or a listening socket behind.

    What wider fixtures hold was there before. Tests in a shared world start programs anew; that world looks at its own end.
    """
    if request.node.get_closest_marker("e2e") is not None:
        yield
        return
    before = _held()
    yield
    left = _held() - before
    assert not left, f"left behind: {sorted(left)}"


@pytest.fixture(autouse=True)
def nothing_is_left_running(nothing_is_left: None, request: pytest.FixtureRequest) -> None:
    """Where a test has a loop, its tasks are looked at before the loop closes, and its threads afterwards."""
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        request.getfixturevalue("no_task_is_left")


@pytest.fixture
async def no_task_is_left() -> AsyncIterator[None]:
    from tests.remains import no_task_left  # noqa: PLC0415 these rules are tested without the rest of the tests

    async with no_task_left():
        yield


def _held() -> set[str]:
    threads = {f"thread {one.name}" for one in threading.enumerate() if not one.daemon}
    children = {f"process {number}" for number in _children()}
    sockets = {
        f"listening on {one.laddr}" for one in psutil.Process().net_connections() if one.status == psutil.CONN_LISTEN
    }
    return threads | children | sockets


def _children() -> set[int]:
    """Direct ones: a shared world's browsers start and end processes of their own at any time."""
    if sys.platform != "linux":
        return {one.pid for one in psutil.Process().children()}
    # Before and after each test: the kernel knows ours, where psutil would look at every process there is.
    children: set[int] = set()
    for path in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError):  # that thread has ended, and left its children to another one
            children |= {int(one) for one in path.read_text().split()}
    return children


class _NoSkips:
    """Fails a run in which anything was skipped: a skipped end-to-end test looks like a passed one.

    Reports reach the controller of pytest-xdist too, so it counts there as well.
    """

    def __init__(self) -> None:
        self._skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self._skipped.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._skipped.append(report.nodeid)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        if self._skipped and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        yield

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._skipped:
            count = len(self._skipped)
            terminalreporter.section("skipped tests fail this run", red=True)
            terminalreporter.line(f"{count} skipped, e.g. {self._skipped[0]}; install what it needs: ./hub test does.")
