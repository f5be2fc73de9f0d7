"""Debian's PostgreSQL, started in a temporary folder by an unprivileged user, for tests that need one."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from messenger_hub_server.store.address import StoreAddress

from tests.eventually import eventually

OWNER = "hub"
TEMPLATE = "hub_template"
SECONDS = 60
SETTINGS = """
listen_addresses = ''
max_connections = 50
shared_buffers = 32MB
min_wal_size = 32MB
log_min_messages = warning
"""


class PostgresqlServer:
    """One server, on a socket in its folder, and with a `port` on loopback too. Databases belong to a user with no other rights."""

    def __init__(self, programs: Path, folder: Path, port: int = 0) -> None:
        self._programs = programs
        self.folder = folder
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        """Its files; it does not run yet."""
        given = [
            "-D",
            self.folder / "data",
            "-U",
            "postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]
        self._run("initdb", *map(str, given))
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.write(f"{SETTINGS}unix_socket_directories = '{self.folder}'\n")
            if self._port:
                file.write(f"listen_addresses = '127.0.0.1'\nport = {self._port}\n")

    def copy_of(self, primary: PostgresqlServer) -> None:
        """Its files, as those of a replica that follows another server; it does not run yet."""
        given = ["-D", self.folder / "data", "-h", primary.folder, "-U", "postgres", "-R", "-c", "fast", "--no-sync"]
        self._run("pg_basebackup", *map(str, given))
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.write(f"unix_socket_directories = '{self.folder}'\n")

    def promote(self) -> None:
        """Until it can be written to."""
        self.sql("SELECT pg_promote()")

    def start(self, **settings: str) -> None:
        """Until it answers. `settings` go before those of its file."""
        self.launch(**settings)
        self.wait()

    def launch(self, **settings: str) -> None:
        """Starts it, from the main thread: it ends with the thread that started it."""
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = ["setpriv", "--pdeathsig", "INT", *unprivileged(), self._program("postgres")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "-D", str(self.folder / "data"), *options], stdout=log, stderr=log, cwd=self.folder
            )

    def wait(self) -> None:
        """Until it answers."""
        asking = [self._program("pg_isready"), "-q", *self._at()]
        eventually(lambda: subprocess.run(asking, check=False).returncode == 0, what="PostgreSQL answers")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends it in order, SIGQUIT as a crash does."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(SECONDS)
            self._process = None

    @property
    def pid(self) -> int:
        """Of its first process; 0 when it was not started, or stopped."""
        return self._process.pid if self._process is not None else 0

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Runs it as the administrator."""
        asked = [self._program("psql"), *self._at(), "-U", "postgres", "-qAtX", "-v", "ON_ERROR_STOP=1"]
        done = subprocess.run(
            [*asked, "-d", database, "-c", statement], capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def database(self, template: str = "template1") -> str:
        """A new one's name."""
        name = f"test_{secrets.token_hex(6)}"
        self.sql(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template}")
        return name

    def address(self, database: str) -> StoreAddress:
        """Its address for a hub."""
        return StoreAddress(f"postgresql://{OWNER}@/{database}?host={self.folder}")

    def dump(self, database: str, file: Path) -> None:
        """All of it, as SQL."""
        asked = [self._program("pg_dump"), *self._at(), "-U", "postgres", "-d", database, "-f", str(file)]
        subprocess.run(asked, check=True, timeout=SECONDS, capture_output=True)

    def _at(self) -> list[str]:
        return ["-h", str(self.folder), *(["-p", str(self._port)] if self._port else [])]

    def _program(self, name: str) -> str:
        return str(self._programs / name)

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            ["setpriv", *unprivileged(), "--", self._program(name), *arguments],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            cwd=self.folder,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def installed() -> Path | None:
    """Where the programs of Debian's newest PostgreSQL are; None when there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def own_folder() -> Path:
    """A temporary one, for a server's files and its socket."""
    folder = Path(tempfile.mkdtemp(prefix="mh-postgresql-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
    return folder


@contextmanager
def postgresql_server(primary: PostgresqlServer | None = None) -> Iterator[PostgresqlServer]:
    """A server that runs, with the user that databases belong to; or a replica of another one."""
    programs = installed()
    if programs is None:
        pytest.skip("there is no PostgreSQL: apt-get install postgresql")
    folder = own_folder()
    server = PostgresqlServer(programs, folder)
    try:
        if primary is None:
            server.make()
            server.start()
            server.sql(f"CREATE ROLE {OWNER} LOGIN")
        else:
            server.copy_of(primary)
            server.start()
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        shutil.rmtree(folder)


class Replicated:
    """A primary and its replica."""

    def __init__(self, primary: PostgresqlServer, replica: PostgresqlServer) -> None:
        self.primary = primary
        self.replica = replica

    def address(self, database: str) -> StoreAddress:
        """Of whichever of them can be written to."""
        return StoreAddress(f"postgresql://{OWNER}@/{database}?host={self.primary.folder},{self.replica.folder}")

    def lose_what_follows(self) -> None:
        """The replica has all that the primary has written, and gets nothing any more."""
        written = self.primary.sql("SELECT pg_current_wal_lsn()")
        asked = f"SELECT pg_last_wal_replay_lsn() >= '{written}'"
        eventually(lambda: self.replica.sql(asked) == "t", what="the replica has caught up")
        self.replica.sql("ALTER SYSTEM SET primary_conninfo = ''")
        self.replica.sql("SELECT pg_reload_conf()")
        asked = "SELECT count(*) FROM pg_stat_wal_receiver"
        eventually(lambda: self.replica.sql(asked) == "0", what="the replica is cut off")

    def fail_over(self) -> None:
        """The primary crashes; the replica takes its place."""
        self.primary.stop(signal.SIGQUIT)
        self.replica.promote()


@contextmanager
def replicated() -> Iterator[Replicated]:
    """Both of them, at work."""
    with postgresql_server() as primary, postgresql_server(primary) as replica:
        yield Replicated(primary, replica)


def unprivileged() -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["--reuid=nobody", "--clear-groups"] if os.geteuid() == 0 else []
