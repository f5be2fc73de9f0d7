"""Rules for the whole run."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

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
