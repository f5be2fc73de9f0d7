"""backup, restore and check as a person or a timer runs them: as processes, beside a server that is one too."""

from __future__ import annotations

import json
import os
import pty
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.integration.cli.test_bad_input import program, refused
from tests.nursery.command import run
from tests.torture.storage.disks import may_mount

SECONDS = 60
SECRET = "correct horse battery staple"
VARIABLE = "MESSENGER_HUB_BACKUP_PASSPHRASE"


class Server:
    """A server in a process of its own, and what it logged."""

    def __init__(self, root: Path) -> None:
        self.data_dir, self.log = root / "data", root / "log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                program("server", "--data-dir", str(self.data_dir), "--json", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"),
                stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        assert self.process.stdout is not None
        assert json.loads(self.process.stdout.readline())

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(SECONDS) == 0
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path)
    yield running
    running.stop()


def verb(server: Server, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(*arguments, "--data-dir", str(server.data_dir), **variables)


def test_a_back_up_of_a_running_hub_is_put_back_after_it_was_stopped(server: Server, tmp_path: Path) -> None:
    assert verb(server, "channel", "create", "shop").returncode == 0
    file, passphrase = tmp_path / "hub.backup", tmp_path / "passphrase"
    passphrase.write_text(f"{SECRET}\n")
    made = verb(server, "backup", str(file), "--passphrase-file", str(passphrase), "--json")
    assert made.returncode == 0, made
    assert json.loads(made.stdout)["bytes"] == file.stat().st_size
    refused(verb(server, "backup", str(file), **{VARIABLE: SECRET}), 5, "--force")
    refused(
        verb(server, "restore", str(file), "--yes", **{VARIABLE: SECRET}),
        6,
        "in use by messenger-hub server",
        "stop it",
    )
    assert verb(server, "check", "--json").returncode == 0
    server.stop()
    refused(verb(server, "restore", str(file), **{VARIABLE: SECRET}), 2, "replaces the database", "--yes")
    refused(verb(server, "restore", str(file), "--yes", **{VARIABLE: "another"}), 2, "passphrase")
    put = verb(server, "restore", str(file), "--yes", **{VARIABLE: SECRET})
    assert put.returncode == 0, put
    assert "hub.db.before-" in put.stdout
    again = Server(tmp_path)
    assert "shop" in verb(again, "channel", "list").stdout
    again.stop()
    everything = [made.stdout, made.stderr, put.stdout, put.stderr, server.log.read_text()]
    assert not any(SECRET in text for text in everything)


def test_the_database_that_is_there_is_taken_for_an_older_one(server: Server) -> None:
    server.stop()
    refused(verb(server, "restore"), 2, "--in-place")
    refused(verb(server, "restore", "file", "--in-place"), 2, "either")
    refused(verb(server, "restore", "--in-place"), 2, "--yes")
    done = verb(server, "restore", "--in-place", "--yes", "--json")
    assert json.loads(done.stdout) == {
        "made_at": None, "kept": None, "channels_waiting": [], "operations_open": 0, "operations_uncertain": 0, "witnessed": False,
    }  # fmt: skip


def test_what_cannot_be_backed_up_or_put_back_is_one_sentence(server: Server, tmp_path: Path) -> None:
    given = {VARIABLE: SECRET}
    target = tmp_path / "b"
    refused(verb(server, "backup", str(target)), 2, "--passphrase-file", VARIABLE)
    refused(verb(server, "backup", str(target), **{VARIABLE: "short"}), 2, "fewer than 8")
    refused(verb(server, "backup", str(target), "--passphrase-file", str(tmp_path / "none")), 2, "passphrase file")
    (tmp_path / "empty").touch()
    refused(verb(server, "backup", str(target), "--passphrase-file", str(tmp_path / "empty")), 2, "empty")
    refused(verb(server, "backup", str(tmp_path / "none" / "b"), **given), 2, "no folder")
    refused(verb(server, "backup", "/proc/b", **given), 6, "/proc cannot be written")
    refused(run("backup", str(target), "--data-dir", str(tmp_path / "none"), **given), 2, "no hub")
    assert not target.exists()
    server.stop()
    refused(verb(server, "restore", str(target), "--yes", **given), 2, "no file")
    target.write_bytes(b"something else")
    refused(verb(server, "restore", str(target), "--yes", **given), 2, "not a back-up")
    as_json = verb(server, "restore", str(target), "--yes", "--json", **given)
    assert json.loads(as_json.stdout)["error"]["code"] == "not_a_backup"


def test_a_check_that_finds_something_fails_and_says_what_to_do(server: Server) -> None:
    server.stop()
    (server.data_dir / "pepper").chmod(0o644)
    found = verb(server, "check")
    assert "chmod 600" in found.stdout
    refused(found, 1, "1 thing is wrong")
    as_json = verb(server, "check", "--json")
    assert as_json.returncode == 1
    assert [one["code"] for one in json.loads(as_json.stdout)["findings"]] == ["mode"]
    refused(run("check", "--data-dir", str(server.data_dir / "none")), 2, "no hub")


def test_at_a_terminal_the_passphrase_is_asked_for_twice_and_not_shown(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "hub.backup"
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            program("backup", str(file), "--data-dir", str(server.data_dir)),
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=os.environ | {"TERM": "dumb"},
        ) as asking:  # fmt: skip
            said = answer(ours, "Passphrase for the back-up: ", SECRET)
            said += answer(ours, "Repeat for confirmation: ", SECRET)
            said += until(ours, "Keep the passphrase")
            assert asking.wait(SECONDS) == 0
    finally:
        os.close(theirs)
        os.close(ours)
    assert SECRET not in said
    assert file.exists()


def until(terminal: int, words: str) -> str:
    said = ""
    while words not in said:
        said += os.read(terminal, 1024).decode()
    return said


def answer(terminal: int, question: str, text: str) -> str:
    said = until(terminal, question)
    os.write(terminal, f"{text}\n".encode())
    return said


def test_a_back_up_that_is_told_to_end_leaves_nothing(server: Server, tmp_path: Path) -> None:
    fill(server, megabytes=64)
    with subprocess.Popen(
        program("backup", str(tmp_path / "b"), "--data-dir", str(server.data_dir)),
        env=os.environ | {VARIABLE: SECRET}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as made:  # fmt: skip
        eventually((server.data_dir / ".backup" / "hub.db").exists, what="it copies")
        made.send_signal(signal.SIGTERM)
        assert made.wait(SECONDS) == 130
    assert not (server.data_dir / ".backup").exists()
    assert not [path for path in tmp_path.iterdir() if path.name not in ("data", "log")]


def fill(server: Server, megabytes: int) -> None:
    """Weight that does not compress."""
    with closing(sqlite3.connect(server.data_dir / "hub.db")) as database, database:
        database.execute("CREATE TABLE weight (body BLOB)")
        for _ in range(megabytes):
            database.execute("INSERT INTO weight VALUES (randomblob(1000000))")


# Where this user may not mount, the limit is that of the process: a file of the copy cannot grow.
LIMITED = [sys.executable, "-c"]
SCRIPT = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); from messenger_hub_cli.main import main; main()"


def on_a_full_disk(limit: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LIMITED, SCRIPT.format(limit=limit), *arguments],
        capture_output=True, text=True, timeout=SECONDS, check=False, env=os.environ | {VARIABLE: SECRET},
    )  # fmt: skip


def test_a_file_that_cannot_grow_leaves_nothing_behind_and_changes_nothing(server: Server, tmp_path: Path) -> None:
    assert verb(server, "backup", str(tmp_path / "b"), **{VARIABLE: SECRET}).returncode == 0
    server.stop()
    before = sorted(path.name for path in server.data_dir.iterdir())
    database = (server.data_dir / "hub.db").read_bytes()
    limited = on_a_full_disk(50_000, "restore", str(tmp_path / "b"), "--yes", "--data-dir", str(server.data_dir))
    refused(limited, 6, "is full", "nothing was changed")
    limited = on_a_full_disk(50_000, "backup", str(tmp_path / "c"), "--data-dir", str(server.data_dir))
    refused(limited, 6, "cannot be written")
    assert sorted(path.name for path in server.data_dir.iterdir() if "-" not in path.suffix) == before
    assert (server.data_dir / "hub.db").read_bytes() == database
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "data", "log"]


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A disk of its own where this user may mount one; elsewhere files of this process and its children cannot grow larger."""
    folder.mkdir()
    if may_mount():
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", folder], check=True)
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (megabytes * 1_000_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def from_here(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Started by this process, whose limit of a file's size it then has."""
    return subprocess.run(
        program(*arguments),
        capture_output=True, text=True, timeout=SECONDS, check=False, env=os.environ | {VARIABLE: SECRET},
    )  # fmt: skip


def test_a_target_without_room_is_one_sentence_and_leaves_nothing_behind(server: Server, tmp_path: Path) -> None:
    fill(server, megabytes=4)
    with small_disk(tmp_path / "disk", 2):
        made = from_here("backup", str(tmp_path / "disk" / "b"), "--data-dir", str(server.data_dir))
        refused(made, 6, "is full" if may_mount() else "cannot be written")
        assert [*(tmp_path / "disk").iterdir()] == []
    assert not (server.data_dir / ".backup").exists()


def test_a_data_folder_without_room_for_a_copy_is_not_filled(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 12):
        server = Server(tmp_path / "disk")
        fill(server, megabytes=5 if may_mount() else 14)
        made = from_here("backup", str(tmp_path / "b"), "--data-dir", str(server.data_dir))
        refused(made, 6, "is full" if may_mount() else "cannot be written")
        assert not (server.data_dir / ".backup").exists()
        server.stop()
    assert not (tmp_path / "b").exists()
