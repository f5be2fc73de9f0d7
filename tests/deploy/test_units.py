"""The systemd units: systemd understands them, calls them well confined, and what they confine works all the same."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from tests.deploy.confined import USER, may_confine
from tests.deploy.files import DEPLOY, UNITS, service
from tests.e2e.whole_way.world import World
from tests.eventually import eventually

EXPOSURE = {
    "messenger-hub.service": 12,
    "messenger-hub-agent.service": 23,
}  # tenths, as they are: a change may not open more


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_understands_a_unit(path: Path, tmp_path: Path) -> None:
    # systemd looks whether the command is there, and here no package is installed.
    command = tmp_path / "messenger-hub"
    command.touch(mode=0o755)
    there = tmp_path / path.name
    there.write_text(path.read_text().replace("/usr/bin/messenger-hub", str(command)))
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", there],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (told.returncode, told.stdout + told.stderr) == (0, "")


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_calls_a_unit_well_confined(path: Path) -> None:
    words = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE[path.name]}", "--no-pager", path]
    told = subprocess.run(words, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def test_each_unit_runs_as_a_user_that_is_made_with_its_folder_for_a_home() -> None:
    made = dict(
        re.findall(r'^u (\S+) - ".+" (\S+)$', (DEPLOY / "systemd/messenger-hub.sysusers").read_text(), re.MULTILINE)
    )
    for path in UNITS:
        unit = service(path)
        assert made[unit["User"][0]] == f"/var/lib/{unit['StateDirectory'][0]}"
    assert len(made) == len(UNITS) == 2


def status(process: psutil.Process) -> Mapping[str, str]:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


if may_confine():

    @pytest.fixture
    def confined(tmp_path: Path) -> Iterator[World]:
        """Server and desktop app as the units run them; its browser is real, and shows the twin. The browser's profile lies in the
        test's folder, because its user is the desktop app's."""
        world = World(tmp_path, program=("tests.deploy.confined",))
        try:
            yield world
        finally:
            for name in ("agent", "server", "twin"):
                if world.runs(name):
                    world.end(name)

    @pytest.mark.e2e
    @pytest.mark.timeout(300)
    def test_a_message_goes_the_whole_way_where_both_run_as_their_units_confine_them(confined: World) -> None:
        confined.set_up()
        confined.reaches(confined.send("through the sandbox"), "delivered", "read")
        assert confined.received("through the sandbox") == ["through the sandbox"]
        for name in ("server", "agent"):
            told = status(psutil.Process(confined._processes[name].pid))
            assert told["Uid"].split() == [str(USER)] * 4
            assert (told["NoNewPrivs"], told["Seccomp"], int(told["CapEff"], 16)) == ("1", "2", 0)
        browser = eventually(confined.browser)
        assert any("--type=renderer" in child.cmdline() for child in browser.children(recursive=True))
        assert not any("--no-sandbox" in one.cmdline() for one in (browser, *browser.children(recursive=True)))
        for name in ("agent", "server"):
            assert confined.end(name) == 0
        refused = (confined.folder / "server.log").read_text() + (confined.folder / "agent.log").read_text()
        assert "Operation not permitted" not in refused
