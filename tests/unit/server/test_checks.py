"""What is looked at, and what is said of it: a person reads what to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from messenger_hub_server.checks import Verdict, clock, disk, doubts, folder, lasted, log, network
from messenger_hub_server.own_certificate import OwnCertificate

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
CERTIFICATE = OwnCertificate(
    certificate=Path("lan.pem"),
    key=Path("lan.key"),
    fingerprint="ab" * 32,
    hosts=frozenset({"desk", "10.0.0.2", "::1"}),
)


@pytest.mark.parametrize(("free_mib", "verdict"), [(5000, Verdict.GOOD), (500, Verdict.LOOK), (50, Verdict.BAD)])
def test_a_disk_with_too_little_room_is_told_before_it_is_full(tmp_path: Path, free_mib: int, verdict: Verdict) -> None:
    asked = []
    found = disk(tmp_path / "not" / "made yet", lambda path: asked.append(path) or (0, 0, free_mib << 20))
    assert (found.verdict, asked) == (verdict, [tmp_path])


def test_a_data_folder_that_others_can_read_says_how_to_close_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert f"chmod 700 {tmp_path}" in folder(tmp_path).said
    tmp_path.chmod(0o700)
    assert folder(tmp_path).verdict is Verdict.GOOD
    assert folder(tmp_path / "new").verdict is Verdict.GOOD


def test_a_certificate_that_names_another_address_says_what_goes_on_and_what_does_not() -> None:
    assert network(CERTIFICATE, "10.0.0.2").verdict is Verdict.GOOD
    moved = network(CERTIFICATE, "10.0.0.7")
    assert moved.verdict is Verdict.LOOK
    assert "names 10.0.0.2, desk" in moved.said and "join again with a new link" in moved.said


@pytest.mark.parametrize(("seconds", "verdict"), [(0.0, Verdict.GOOD), (59.0, Verdict.GOOD), (-3600.0, Verdict.BAD)])
def test_a_clock_that_is_off_says_by_how_much_and_what_to_do(seconds: float, verdict: Verdict) -> None:
    found = clock(seconds)
    assert found.verdict is verdict
    assert verdict is Verdict.GOOD or found.said == "3600 s behind: let the system set it by the network"


def test_what_is_uncertain_is_told_and_nothing_else() -> None:
    assert doubts(0) == []
    assert "2 may or may not" in doubts(2)[0].said


@pytest.mark.parametrize(
    ("level", "minutes_ago", "verdict"),
    [("warning", 5, Verdict.LOOK), ("error", 5, Verdict.BAD), ("error", 90, Verdict.GOOD)],
)
def test_only_what_the_log_said_lately_counts(level: str, minutes_ago: int, verdict: Verdict) -> None:
    line = {"level": level, "timestamp": (NOW - timedelta(minutes=minutes_ago)).isoformat()}
    assert log([line], NOW).verdict is verdict


@pytest.mark.parametrize(
    ("seconds", "words"), [(59, "less than a minute"), (60, "1 minute"), (7_200, "2 hours"), (90_000, "1 day")]
)
def test_a_time_is_told_as_people_tell_it(seconds: float, words: str) -> None:
    assert lasted(seconds) == words
