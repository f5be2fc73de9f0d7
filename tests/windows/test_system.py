"""Files that are private and replaced in one step, and how processes end."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from messenger_hub.runtime.folder import FolderLocked, PrivateFolder
from messenger_hub.runtime.soundness import too_open
from messenger_hub.runtime.system import access, here, win32

EVERYBODY = "D:P(A;;FA;;;WD)"


def test_a_private_folder_and_what_is_made_in_it_let_nobody_else_in(tmp_path: Path) -> None:
    folder = PrivateFolder(tmp_path / "new" / "data")
    folder.write_private("secret", b"line\nline\r\n")
    assert folder.read("secret") == b"line\nline\r\n"
    assert access.is_private(win32.descriptor_of(folder.path), win32.user_names())
    assert [*too_open(folder.path), *too_open(folder.file("secret"))] == []


def test_a_folder_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    win32.set_descriptor(tmp_path, EVERYBODY)
    [finding] = too_open(tmp_path)
    assert "icacls" in finding.sentence
    PrivateFolder(tmp_path)
    assert list(too_open(tmp_path)) == []


def test_a_file_outside_a_private_folder_can_be_closed_alone(tmp_path: Path) -> None:
    file = tmp_path / "backup"
    file.write_bytes(b"x")
    win32.set_descriptor(file, EVERYBODY)
    here.keep_private(file)
    assert here.open_to_others(file) is None
    assert file.read_bytes() == b"x"


def test_a_file_that_somebody_reads_is_replaced_once_he_has_done(tmp_path: Path) -> None:
    draft, target = tmp_path / "draft", tmp_path / "target"
    target.write_text("old")
    draft.write_text("new")
    reading = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; open(sys.argv[1]); f = open(sys.argv[1]); print(flush=True); time.sleep(0.5)",
            target,
        ],
        stdout=subprocess.PIPE,
    )
    with reading:
        assert reading.stdout is not None
        reading.stdout.readline()
        here.replace(draft, target)
    assert target.read_text() == "new"
    assert not draft.exists()


def test_one_that_stays_open_is_left_as_it_was(tmp_path: Path) -> None:
    draft, target = tmp_path / "draft", tmp_path / "target"
    target.write_text("old")
    draft.write_text("new")
    with target.open() as held, pytest.raises(PermissionError):
        here.replace(draft, target)
    assert held.closed
    assert target.read_text() == "old"


def test_a_folder_belongs_to_one_process(tmp_path: Path) -> None:
    folder = PrivateFolder(tmp_path)
    folder.lock("this test")
    script = (
        "import sys; from pathlib import Path; from messenger_hub.runtime.folder import PrivateFolder; "
        "PrivateFolder(Path(sys.argv[1])).lock('another')"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=False)
    assert FolderLocked.__name__ in done.stderr
    assert "is in use by this test" in done.stderr
    folder.unlock()


def test_what_is_killed_says_nothing_more() -> None:
    script = "from messenger_hub.runtime.system import here; print('before', flush=True); here.kill_this_process(); print('after')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stdout.strip() == "before"


def test_time_goes_on() -> None:
    before = here.seconds()
    time.sleep(0.05)  # noqa: TID251 the clock itself is looked at
    assert here.seconds() > before
