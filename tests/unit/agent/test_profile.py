"""Whom a profile belongs to. As root only: others have their own folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from messenger_hub_agent.whatsapp.errors import ProfileLocked
from messenger_hub_agent.whatsapp.profile import NOBODY_CHANGES, USER_IDS, discard_profile, take_profile

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    folder = tmp_path / "channel"
    folder.mkdir()
    return folder


def test_a_profile_is_private_and_belongs_to_whom_the_browser_runs_as(channel: Path, tmp_path: Path) -> None:
    profile = take_profile(channel, tmp_path / "profiles")
    there = profile.folder.stat()
    assert stat.S_IMODE(there.st_mode) == 0o700
    if AS_ROOT:
        assert profile.user_id in USER_IDS
        assert there.st_uid == profile.user_id
        assert stat.S_IMODE(profile.folder.parent.stat().st_mode) == 0o711
    else:
        assert profile.user_id == NOBODY_CHANGES
    profile.release()


def test_a_profile_keeps_its_user_over_restarts(channel: Path, tmp_path: Path) -> None:
    first = take_profile(channel, tmp_path / "profiles")
    first.release()
    again = take_profile(channel, tmp_path / "profiles")
    assert (again.folder, again.user_id) == (first.folder, first.user_id)
    again.release()


def test_a_folder_that_an_interrupted_start_left_to_root_never_makes_the_browser_root(
    channel: Path, tmp_path: Path
) -> None:
    profile = take_profile(channel, tmp_path / "profiles")
    profile.release()
    os.chown(profile.folder, os.geteuid(), -1)
    again = take_profile(channel, tmp_path / "profiles")
    assert again.user_id != 0
    again.release()


def test_one_process_works_with_a_profile_at_a_time(channel: Path, tmp_path: Path) -> None:
    profile = take_profile(channel, tmp_path / "profiles")
    with pytest.raises(ProfileLocked, match="end that one first"):
        take_profile(channel, tmp_path / "profiles")
    profile.release()


def test_the_lock_of_another_host_is_cleared(channel: Path, tmp_path: Path) -> None:
    profile = take_profile(channel, tmp_path / "profiles")
    profile.release()
    left = profile.folder / "SingletonLock"
    left.symlink_to("another-host-4711")
    take_profile(channel, tmp_path / "profiles").release()
    assert not left.is_symlink()


def test_a_discarded_profile_leaves_nothing(channel: Path, tmp_path: Path) -> None:
    profile = take_profile(channel, tmp_path / "profiles")
    (profile.folder / "Default").mkdir()
    profile.release()
    discard_profile(channel)
    assert not profile.folder.exists()
    assert not Path(profile.lock.lock_file).exists()
    assert list(channel.iterdir()) == []
    discard_profile(channel)
