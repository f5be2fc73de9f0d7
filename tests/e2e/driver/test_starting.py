"""Starting the browser: its profile, and the sentence for each way in which it does not start."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from messenger_hub.runtime.system.unix import Family
from messenger_hub_agent.whatsapp import browser as browser_module
from messenger_hub_agent.whatsapp import running_browser
from messenger_hub_agent.whatsapp.browser import NO_SANDBOX, Browser, BrowserOptions
from messenger_hub_agent.whatsapp.browser_process import BrowserProcess
from messenger_hub_agent.whatsapp.errors import (
    BrowserDied,
    BrowserError,
    BrowserMissing,
    ProfileLocked,
    ProfileUnusable,
    SandboxRefused,
)
from messenger_hub_agent.whatsapp.finding import find_browser
from messenger_hub_agent.whatsapp.page import PageError, PageGone, PageTimeout
from messenger_hub_agent.whatsapp.profile import NOBODY_CHANGES, USER_IDS, discard_profile, take_profile
from messenger_hub_agent.whatsapp.pyppeteer_connection import PageSession
from messenger_hub_agent.whatsapp.pyppeteer_page import PyppeteerPage

from tests.e2e.driver.inside import leader, new_page
from tests.e2e.driver.processes import renderers
from tests.eventually import eventually
from tests.integration.twin.twin import Twin

NOWHERE = "http://127.0.0.1:9/"
IS_ROOT = os.geteuid() == 0


@pytest.fixture
def programs() -> Iterator[Path]:
    """A folder that the browser's user can read."""
    folder = Path(tempfile.mkdtemp(prefix="browsers-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Path]:
    """A channel's folder, whose profile is removed afterwards."""
    yield tmp_path
    discard_profile(tmp_path)


def program(folder: Path, script: str) -> Path:
    path = folder / "browser"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


async def start(channel: Path, browser: Path, *extra: str) -> BrowserError:
    """The error of a browser that does not start; afterwards the profile is free again."""
    options = BrowserOptions(program=browser, visible=False, log=channel / "chromium.log", extra=extra)
    page = PyppeteerPage(channel, options, NOWHERE)
    with pytest.raises(BrowserError) as caught:
        await page.open()
    assert page.process_id is None
    take_profile(channel).release()
    return caught.value


# ---- the program ------------------------------------------------------------------------------------------------------------


async def test_a_browser_that_is_not_there_is_named_with_what_to_do(channel: Path) -> None:
    error = await start(channel, channel / "none")
    assert isinstance(error, BrowserMissing)
    assert str(error) == f"There is no browser at {channel}/none: give --browser the path of Chrome, Chromium or Edge."


async def test_a_file_that_cannot_be_executed_is_no_browser(channel: Path) -> None:
    (channel / "letter").write_text("dear aunt")
    error = await start(channel, channel / "letter")
    assert isinstance(error, BrowserMissing)
    assert str(error).startswith(f"{channel}/letter is not executable: give --browser ")


async def test_a_program_that_ends_at_once_is_told_with_its_last_words(channel: Path, programs: Path) -> None:
    path = program(programs, 'echo "first words" >&2; echo "cannot open display" >&2; echo; exit 3')
    error = await start(channel, path)
    assert type(error) is BrowserDied
    assert str(error) == (
        f"{path} ended while starting (exit code 3): cannot open display. "
        f"All that it wrote is in {channel}/chromium.log; try another one with --browser PATH."
    )
    assert stat.S_IMODE((channel / "chromium.log").stat().st_mode) == 0o600


async def test_a_program_that_says_nothing_is_told_so(channel: Path, programs: Path) -> None:
    assert "(exit code 0): it wrote nothing. " in str(await start(channel, program(programs, "exit 0")))


async def test_a_program_that_never_answers_is_ended(
    channel: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running_browser, "START_SECONDS", 0.3)
    monkeypatch.setattr(browser_module, "END_SECONDS", 0.1)
    path = program(
        programs, "trap '' TERM; echo \"waiting\"; while read -r line <&3; do :; done; exec tail -f /dev/null"
    )
    error = await start(channel, path)
    assert "(exit code -9): waiting. " in str(error)


@pytest.mark.e2e
async def test_a_browser_without_a_sandbox_is_not_started_and_the_sentence_names_the_option(channel: Path) -> None:
    error = await start(channel, find_browser(), "--disable-namespace-sandbox", "--disable-setuid-sandbox")
    assert isinstance(error, SandboxRefused)
    assert str(error) == NO_SANDBOX
    assert "--security-opt seccomp=unconfined" in str(error)
    assert error.code == "no_user_namespaces"


def test_the_first_browser_that_is_installed_is_taken_and_a_snap_is_none(programs: Path) -> None:
    (programs / "snap").mkdir()
    (programs / "bin").mkdir()
    program(programs / "snap", "exit 0").rename(programs / "snap" / "chromium")
    edge = programs / "bin" / "microsoft-edge"
    program(programs / "bin", "exit 0").rename(edge)
    environment = {"PATH": f"{programs}/snap:{programs}/bin"}
    candidates = ["google-chrome", str(programs / "none"), "chromium", "microsoft-edge"]
    assert find_browser(environment=environment, candidates=candidates) == edge
    with pytest.raises(BrowserMissing, match="No browser was found: install "):
        find_browser(environment=environment, candidates=["google-chrome"])


# ---- the profile ------------------------------------------------------------------------------------------------------------


def test_a_profile_is_private_to_whom_the_browser_runs_as(channel: Path) -> None:
    profile = take_profile(channel)
    found = profile.folder.stat()
    assert stat.S_IMODE(found.st_mode) == 0o700
    if IS_ROOT:
        assert profile.user_id in USER_IDS
        assert (found.st_uid, found.st_gid) == (profile.user_id, profile.user_id)
        for parent in (profile.folder.parent, profile.folder.parent.parent):
            assert (stat.S_IMODE(parent.stat().st_mode), parent.stat().st_uid) == (0o711, 0)
    else:
        assert (profile.user_id, found.st_uid) == (NOBODY_CHANGES, os.geteuid())
    assert stat.S_IMODE(Path(profile.lock.lock_file).stat().st_mode) == 0o600
    profile.release()


def test_a_profile_stays_the_channels_and_is_made_private_again(channel: Path) -> None:
    first = take_profile(channel)
    first.release()
    first.folder.chmod(0o755)
    again = take_profile(channel)
    assert (again.folder, again.user_id) == (first.folder, first.user_id)
    assert stat.S_IMODE(again.folder.stat().st_mode) == 0o700
    again.release()


def test_every_profile_has_a_user_of_its_own(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    profiles = [take_profile(folder) for folder in folders]
    assert profiles[0].folder != profiles[1].folder
    if IS_ROOT:
        assert profiles[0].user_id != profiles[1].user_id
    for profile, folder in zip(profiles, folders, strict=True):
        profile.release()
        discard_profile(folder)
        assert not profile.folder.exists()


def test_a_profile_in_which_a_dying_helper_still_writes_is_removed_all_the_same(tmp_path: Path) -> None:
    profile = take_profile(tmp_path)
    profile.release()
    reports = profile.folder / "Crash Reports"
    reports.mkdir()
    writing = 'while true; do : > "$0/$i"; i=$((i + 1)); [ $i -lt 3000 ] || exit; done'
    with subprocess.Popen(["/bin/sh", "-c", f"i=0; {writing}", str(reports)], stderr=subprocess.DEVNULL) as helper:
        eventually(lambda: any(reports.iterdir()))
        discard_profile(tmp_path)
        helper.kill()
    assert not profile.folder.exists()


def test_a_profile_that_somebody_works_with_is_refused_with_what_to_do(channel: Path) -> None:
    profile = take_profile(channel)
    with pytest.raises(ProfileLocked) as caught:
        take_profile(channel)
    assert str(caught.value) == (
        f"Another messenger-hub agent works with the browser profile {profile.folder}: end that one first."
    )
    profile.release()
    take_profile(channel).release()


def test_a_profile_that_cannot_be_made_is_told_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "in the way").write_text("")
    with pytest.raises(ProfileUnusable, match=r"cannot be (made|used) \(.*in the way"):
        take_profile(tmp_path / "in the way")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.e2e
async def test_two_agents_do_not_work_with_one_profile_and_the_first_is_not_disturbed(
    twin: Twin, tmp_path: Path
) -> None:
    async with new_page(tmp_path, twin.url) as first:
        await first.open()
        second = PyppeteerPage(tmp_path, BrowserOptions(program=None, visible=False, log=tmp_path / "2.log"), twin.url)
        with pytest.raises(ProfileLocked, match="end that one first"):
            await second.open()
        await second.close()
        assert await first._evaluate("6 * 7", 5) == 42


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.e2e
async def test_what_a_dead_browser_on_another_host_left_in_the_profile_does_not_stop_the_next(
    twin: Twin, tmp_path: Path
) -> None:
    profile = take_profile(tmp_path)
    (profile.folder / "SingletonLock").symlink_to("a-container-of-last-week-4711")
    profile.release()
    async with new_page(tmp_path, twin.url) as page:
        await page.open()
        assert await page._evaluate("6 * 7", 5) == 42


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.e2e
async def test_an_address_that_does_not_answer_is_an_error_of_the_page_and_the_browser_stays(
    tmp_path: Path,
) -> None:
    async with new_page(tmp_path, NOWHERE) as page:
        with pytest.raises(PageError, match="not_reached"):
            await page.open()
        assert page.process_id is not None


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.e2e
async def test_a_browser_whose_page_never_answers_is_given_up_and_the_next_opening_starts_another(
    twin: Twin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As after a SIGKILL of the page's process between the start of the browser and our first word to the page: Chromium waits
    # for a process that nobody starts any more.
    async with new_page(tmp_path, twin.url) as page:
        await page._started()
        old = leader(page)
        for process in eventually(lambda: renderers(old), what="a process for the page"):
            process.kill()
            process.wait(5)
        with monkeypatch.context() as hasty, pytest.raises((PageGone, PageTimeout)):
            hasty.setattr(PageSession.command, "__kwdefaults__", {"seconds": 2.0})
            await page.open()
        await page.open()
        assert leader(page) != old
        assert await page._evaluate("6 * 7", 5) == 42


@dataclass(frozen=True, slots=True)
class Gone:
    """A browser's process that has ended long ago, and whose number somebody else has now."""

    pid: int
    returncode: int = 0

    async def wait(self) -> int:
        return self.returncode


async def test_the_number_of_a_browser_that_is_gone_may_be_another_programs_which_is_left_alone(tmp_path: Path) -> None:
    options = BrowserOptions(program=None, visible=False, log=tmp_path / "log")
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as another:
        await Browser(BrowserProcess(Family(Gone(another.pid)), -1, -1), tmp_path, options).end()  # type: ignore[arg-type]
        with pytest.raises(subprocess.TimeoutExpired):
            another.wait(0.2)
        another.kill()
