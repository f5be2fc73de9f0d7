from __future__ import annotations

import plistlib
import subprocess
from pathlib import Path

import pytest
from messenger_hub_cli.login_items import LaunchAgent, LoginItem, XdgAutostart

COMMAND = ["/opt/my hub/python", "-m", "messenger_hub_cli", "up", "--data-dir", '/home/ana/100%/a "b" $c \\d']


@pytest.fixture(params=[XdgAutostart, LaunchAgent])
def item(request: pytest.FixtureRequest, tmp_path: Path) -> LoginItem:
    made: LoginItem = request.param(tmp_path)
    return made


def test_what_is_put_is_there_until_it_is_removed(item: LoginItem) -> None:
    assert item.command() == ""
    item.remove()
    item.put(["old"])
    item.put(COMMAND)
    assert "messenger_hub_cli" in item.command() and "old" not in item.command()
    item.remove()
    assert item.command() == ""


def test_a_desktop_entry_is_valid_and_starts_exactly_that(tmp_path: Path) -> None:
    item = XdgAutostart(tmp_path)
    item.put(COMMAND)
    entry = tmp_path / "autostart" / "messenger-hub.desktop"
    assert subprocess.run(["desktop-file-validate", entry], check=False).returncode == 0
    # As a panel reads it: first the escapes of the file's format, then those of the quotes, then the field codes.
    unescaped = item.command().replace("\\\\", "\\")
    parts = subprocess.check_output(["sh", "-c", f"printf '%s\\0' {unescaped}"], text=True).split("\0")[:-1]
    assert [part.replace("%%", "%") for part in parts] == COMMAND


def test_a_launch_agent_runs_exactly_that_at_login(tmp_path: Path) -> None:
    LaunchAgent(tmp_path).put(COMMAND)
    [file] = (tmp_path / "Library" / "LaunchAgents").iterdir()
    said = plistlib.loads(file.read_bytes())
    assert (said["ProgramArguments"], said["RunAtLoad"]) == (COMMAND, True)
