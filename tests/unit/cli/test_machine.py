from __future__ import annotations

from pathlib import Path

import pytest
from messenger_hub_cli.machine import Verdict, clock, disk, folder


@pytest.mark.parametrize(("free_mib", "verdict"), [(5000, Verdict.GOOD), (500, Verdict.LOOK), (50, Verdict.BAD)])
def test_a_disk_with_too_little_room_is_told_before_it_is_full(tmp_path: Path, free_mib: int, verdict: Verdict) -> None:
    asked = []
    found = disk(tmp_path / "not" / "made yet", lambda path: asked.append(path) or (0, 0, free_mib << 20))
    assert (found.verdict, asked) == (verdict, [tmp_path])


@pytest.mark.parametrize(("seconds", "verdict"), [(0.0, Verdict.GOOD), (59.0, Verdict.GOOD), (-3600.0, Verdict.BAD)])
def test_a_clock_that_is_off_says_by_how_much_and_what_to_do(seconds: float, verdict: Verdict) -> None:
    found = clock(seconds)
    assert found.verdict is verdict
    assert verdict is Verdict.GOOD or found.said == "3600 s behind: let the system set it by the network"


def test_a_data_folder_that_others_can_read_says_how_to_close_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert f"chmod 700 {tmp_path}" in folder(tmp_path).said
    tmp_path.chmod(0o700)
    assert folder(tmp_path).verdict is Verdict.GOOD
    assert folder(tmp_path / "new").verdict is Verdict.GOOD
