"""Which of Windows' processes are browsers on a profile."""

from __future__ import annotations

import subprocess
from pathlib import Path, PureWindowsPath
from typing import cast

import pytest
from messenger_hub_agent.whatsapp.command_line import is_of

PROFILE = PureWindowsPath(r"C:\Users\Ana Lima\AppData\Local\messenger-hub\agent\channels\1\profile")
EDGE = r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe"


def line(*words: str) -> str:
    return subprocess.list2cmdline([EDGE, *words])


def found(command_line: str, profile: PureWindowsPath = PROFILE) -> bool:
    return is_of(command_line, cast("Path", profile))


@pytest.mark.parametrize("profile", [PROFILE, PureWindowsPath(r"D:\hub\profile")])
def test_the_browser_that_was_started_on_the_profile_is(profile: PureWindowsPath) -> None:
    assert found(line("--headless", f"--user-data-dir={profile}", "about:blank"), profile)
    assert found(line(f"--user-data-dir={profile}"), profile)


@pytest.mark.parametrize(
    "words",
    [
        (f"--user-data-dir={PROFILE}-other", "about:blank"),
        ("--type=renderer", f"--user-data-dir={PROFILE}"),
        (f"--user-data-dir={PROFILE.parent}", "about:blank"),
        ("about:blank",),
    ],
)
def test_other_profiles_and_helpers_are_not(words: tuple[str, ...]) -> None:
    assert not found(line(*words))
