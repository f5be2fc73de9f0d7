"""`messenger-hub autostart`, as somebody types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.cli.test_bad_input import refused
from tests.nursery.command import run


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """Where a desktop keeps what starts at login."""
    return {"XDG_CONFIG_HOME": str(tmp_path / "config")}


def test_it_is_switched_on_and_off_and_says_which(tmp_path: Path, home: dict[str, str]) -> None:
    assert "Does not start at login" in run("autostart", "status", **home).stdout
    assert run("autostart", "on", "--data-dir", str(tmp_path / "data"), **home).returncode == 0
    said = json.loads(run("autostart", "status", "--json", **home).stdout)
    assert said["on"] and str(tmp_path / "data") in said["command"] and " up " in said["command"]
    assert run("autostart", "off", **home).returncode == 0
    assert not json.loads(run("autostart", "status", "--json", **home).stdout)["on"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a file where a folder should be")
    refused(run("autostart", "on", XDG_CONFIG_HOME=str(tmp_path / "config")), 6, "cannot be written")
