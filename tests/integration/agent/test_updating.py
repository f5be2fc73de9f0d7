"""The hub asks a desktop for another wa-js: what it does, what it tells, and what goes on meanwhile."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_agent import app
from messenger_hub_agent.tray.menu import ChannelState
from messenger_hub_agent.updating import update
from messenger_hub_agent.updating.problems import Fault
from messenger_hub_agent.updating.trial import Trial
from messenger_hub_agent.whatsapp.wa_js import pinned, version

from tests.eventually import all_end
from tests.fakes.package import Npm, wa_js_package
from tests.integration.agent.hub import SECONDS, Hub
from tests.integration.agent.test_agent import Desk, assignments, running

NEWER = "99.1.0"
SCRIPT = "// a newer wa-js"
# Says who it is and waits until somebody opens the gate; then it is the npm beside it.
SLOW = """\
import os, pathlib, sys
folder = pathlib.Path({folder!r})
(folder / "began").write_text(str(os.getpid()))
(folder / "gate").open().read()
os.execv(sys.executable, [sys.executable, str(folder / "real"), *sys.argv[1:]])
"""


@pytest.fixture(autouse=True)
def _prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "WISH_SECONDS", 0.01)


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Npm:
    made = Npm(tmp_path / "npm")
    monkeypatch.setenv("PATH", f"{made.folder}{os.pathsep}{os.environ['PATH']}")
    return made


@pytest.fixture
def slow(npm: Npm) -> Npm:
    """It waits for a gate, at every call."""
    program = npm.folder / "npm"
    program.rename(npm.folder / "real")
    program.write_text(f"#!{sys.executable}\n{SLOW.format(folder=str(npm.folder))}")
    program.chmod(0o755)
    for name in ("began", "gate"):
        os.mkfifo(npm.folder / name)
    return npm


async def began(npm: Npm) -> int:
    """The process that waits for the gate, as soon as there is one."""
    return int(await asyncio.to_thread((npm.folder / "began").read_text))


async def opens(npm: Npm, calls: int) -> None:
    for _ in range(calls):
        await began(npm)
        await asyncio.to_thread((npm.folder / "gate").write_bytes, b"")


def asks(desk: Desk, number: int, wanted: str = "", *, back: bool = False) -> None:
    assert desk.agent is not None
    frame = pb.UpdateWaJs(number=number, version=wanted, back=back)
    desk.agent._received(pb.ConnectResponse(update_wa_js=frame))


async def told(hub: Hub, stage: str, holds: Callable[[pb.WaJsReport], bool] = lambda _: True) -> pb.WaJsReport:
    """The next word of a stage, in a report or in the hello of a new stream; earlier ones are dropped."""
    number = pb.WaJsStage.Value(f"WA_JS_STAGE_{stage}")
    async with asyncio.timeout(SECONDS):
        while True:
            frame = await hub.heard.get()
            report = pb.WaJsReport(standing=frame.agent_hello.wa_js_standing)
            if frame.HasField("wa_js_report"):
                report = frame.wa_js_report
            if report.standing.stage == number and holds(report):
                return report


async def said_in_hello(hub: Hub) -> pb.AgentHello:
    return (await hub.heard_of("agent_hello")).agent_hello


async def test_a_newer_one_is_fetched_tried_and_told_step_by_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, npm: Npm
) -> None:
    npm.serves(NEWER, SCRIPT)
    hub = Hub([assignments(1)])
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        hello = await said_in_hello(hub)
        assert (hello.wa_js_standing.stage, hello.wa_js_standing.in_use) == (pb.WA_JS_STAGE_PINNED, version())
        await desk.until(ChannelState.LINKED)
        asks(desk, 7)
        answer = await told(hub, "LOOKING", lambda one: one.number != 0)
        assert (answer.number, answer.refused) == (7, False)
        candidate = await told(hub, "CANDIDATE")
        assert (candidate.number, candidate.standing.version, candidate.standing.in_use) == (0, NEWER, NEWER)
        again = await said_in_hello(hub)
        assert (again.wa_js_version, again.wa_js_standing.version) == (NEWER, NEWER)
        await desk.until_pages_have(NEWER)
        await desk.until(ChannelState.LINKED)
        assert desk.agent is not None
        desk.agent._trial.sent(NEWER)
        assert (
            await told(hub, "ADOPTED")
        ).standing.sentence == f"wa-js {NEWER} is used; the desktop app ships {version()}."
        asks(desk, 8)
        assert (await told(hub, "NOTHING_NEWER")).standing.version == NEWER


async def test_one_that_does_not_do_is_told_with_its_reason_and_npm_is_not_believed_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, npm: Npm
) -> None:
    npm.serves(NEWER, SCRIPT)
    hub = Hub([assignments(1)])
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.LINKED)
        asks(desk, 1)
        await told(hub, "CANDIDATE")
        assert desk.agent is not None
        desk.agent._trial.failed(NEWER, "it failed")
        rejected = (await told(hub, "REJECTED")).standing
        assert (rejected.version, rejected.in_use, rejected.reason) == (NEWER, version(), "it failed")
        asks(desk, 2)
        assert (await told(hub, "REJECTED_BEFORE")).standing.reason == "it failed"
        asks(desk, 3, NEWER)
        await told(hub, "CANDIDATE")
        asks(desk, 4, back=True)
        await told(hub, "PINNED")


async def test_while_npm_is_asked_everything_goes_on_and_a_second_request_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: Npm
) -> None:
    slow.serves(NEWER, SCRIPT)
    hub = Hub([assignments(1)])
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.LINKED)
        assert desk.agent is not None
        asks(desk, 1)
        asks(desk, 2)
        asks(desk, 3, back=True)
        refused = [(await told(hub, "LOOKING", lambda one: one.number > 1)) for _ in range(2)]
        assert [(one.number, one.refused) for one in refused] == [(2, True), (3, True)]
        desk.first_of[1].pictured = b"JPEG"
        desk.agent._received(pb.ConnectResponse(channel_id=1, show_page=pb.ShowPage(number=4)))
        assert (await hub.heard_of("page_picture")).page_picture.jpeg == b"JPEG"
        assert desk.view is not None and desk.view.channels[0].state is ChannelState.LINKED
        await opens(slow, 2)
        assert (await told(hub, "CANDIDATE")).standing.version == NEWER


async def test_an_agent_that_stops_ends_npm_and_what_npm_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: Npm
) -> None:
    (slow.folder / "npm").write_text(f"#!/bin/sh\nsleep 1000 &\necho $! > {slow.folder}/began\nwait\n")
    hub = Hub([assignments(1)])
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.LINKED)
        asks(desk, 1)
        process = psutil.Process(await began(slow))
    all_end([process])


@pytest.mark.parametrize(
    ("program", "stage", "word"),
    [
        ("", "NO_NPM", "install it"),
        ('#!/bin/sh\necho \'{"error": {"code": "ENOTFOUND"}}\'\nexit 1\n', "NPM_FAILED", "ENOTFOUND"),
        ("no program", "NPM_FAILED", "install it again"),
    ],
)
async def test_an_npm_that_is_missing_or_fails_is_told_with_what_to_do(
    program: str, stage: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "npm"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    if program:
        (folder / "npm").write_text(program)
        (folder / "npm").chmod(0o755)
    hub = Hub([assignments(1)])
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.LINKED)
        asks(desk, 1)
        update = (await told(hub, stage)).standing
        assert word in update.sentence and update.in_use == version()


@pytest.mark.parametrize(
    ("wanted", "reason", "word"),
    [
        ("", "it is not what npm states", "fetch it again"),
        ("98.7.6", "there is no such version", "npm view"),
        ("npm:left-pad", "that is no version", "three numbers"),
    ],
)
async def test_what_is_not_what_npm_states_or_is_no_version_is_not_taken(
    wanted: str, reason: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, npm: Npm
) -> None:
    npm.serves(NEWER, SCRIPT, states=wa_js_package(tmp_path / "other.tgz", NEWER, "// something else"))
    hub = Hub([assignments(1)])
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.LINKED)
        asks(desk, 1, wanted)
        standing = (await told(hub, "UNUSABLE")).standing
        assert (standing.reason, standing.in_use) == (reason, version())
        assert word in standing.sentence and str(tmp_path) not in standing.sentence
        assert desk.agent is not None
        assert desk.agent._trial.wa_js() == pinned()


async def test_the_version_that_is_used_is_told_as_such_whatever_was_rejected_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, npm: Npm
) -> None:
    npm.serves(NEWER, SCRIPT)
    hub = Hub([assignments(1)])
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.LINKED)
        asks(desk, 1)
        looked = (await told(hub, "CANDIDATE")).standing
        assert desk.agent is not None
        desk.agent._trial.failed(NEWER, "it failed")
        asks(desk, 2, version())
        standing = (await told(hub, "USED_ALREADY")).standing
        assert (standing.version, standing.in_use, standing.reason) == (version(), version(), "")
        assert standing.looked_at.ToMilliseconds() >= looked.looked_at.ToMilliseconds() > 0


async def test_a_package_of_another_version_than_npm_names_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, npm: Npm
) -> None:
    npm.serves(NEWER, SCRIPT)
    stated = wa_js_package(npm.folder / f"wppconnect-wa-js-{NEWER}.tgz", "98.0.0", SCRIPT)
    (npm.folder / "stated.json").write_text(f'{{"latest": "{NEWER}", "integrity": {{"{NEWER}": "{stated}"}}}}')
    hub = Hub([assignments(1)])
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.LINKED)
        asks(desk, 1)
        sentence = (await told(hub, "UNUSABLE")).standing.sentence
        assert "98.0.0" in sentence and NEWER in sentence


async def test_a_full_disk_is_told_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, npm: Npm
) -> None:
    def full(_self: Trial, _wanted: object) -> None:
        raise OSError("full")

    npm.serves(NEWER, SCRIPT)
    hub = Hub([assignments(1)])
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.LINKED)
        monkeypatch.setattr(Trial, "want", full)
        asks(desk, 1)
        assert (await told(hub, "NOT_STORED")).standing.in_use == version()


async def test_a_fault_of_ours_is_told_and_ends_no_channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def faulty(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(update, "looked_for", faulty)
    hub = Hub([assignments(1)])
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.LINKED)
        for number in (1, 2):
            asks(desk, number)
            assert (await told(hub, "FAULT")).standing.sentence == Fault().sentence
