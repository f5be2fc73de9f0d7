"""Two machines and a wire: network namespaces of our own. The desktop's lets only answers in, as a router at home does.

Root makes them as they are, others in a user namespace of their own. Nothing of them outlives this process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
SECONDS = 60
NAME = "hub.example.org"
HUB, DESKTOP = "192.0.2.1", "192.0.2.2"
HOSTS = f"127.0.0.1 localhost\n::1 localhost\n{HUB} {NAME}\n"
SYSTEM_PROGRAMS = "/usr/sbin:/usr/local/sbin:/sbin"  # in nobody's PATH but root's
NEEDED = {"unshare": "util-linux", "nsenter": "util-linux", "ip": "iproute2", "nft": "nftables"}


class NoMachines(Exception):
    """The system gives no namespaces; the message says what to do."""


class Program:
    """A process on a machine that says a line when it works. What it logs is appended to its log."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._forgotten = 0
        self.log = log

    def line(self) -> str:
        """The next line that it says."""
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert said, f"it ended: {self.log.read_text()[-3000:]}"
        return said.rstrip("\n")

    def said(self, sentence: str) -> int:
        """How often it stands in the log, since `forget`."""
        return self.log.read_bytes()[self._forgotten :].decode().count(sentence)

    def forget(self) -> None:
        """What it has logged so far is not looked at any more."""
        self._forgotten = self.log.stat().st_size

    @property
    def code(self) -> int | None:
        """With which it has ended; None while it runs."""
        return self._process.poll()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It stands still, with all that it has started: it keeps its connections and says nothing."""
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    def end(self) -> None:
        """Asks it to stop, and waits."""
        self._process.terminate()
        try:
            self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@dataclass(frozen=True, slots=True)
class Machine:
    """One of the two: a command runs there behind `enter`."""

    enter: Sequence[str]
    folder: Path

    def run(self, *command: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """What a command says, whatever its exit code."""
        return subprocess.run(
            [*self.enter, *command], capture_output=True, text=True, input=text, timeout=SECONDS, check=False,
            env=_environment(),
        )  # fmt: skip

    @contextmanager
    def running(
        self, name: str, *command: str, environment: Mapping[str, str] | None = None, says: bool = True
    ) -> Iterator[Program]:
        """A program, until the block ends; begun when it has said a line, unless it says none."""
        log = self.folder / f"{name}.log"
        with log.open("a") as errors:
            process = subprocess.Popen(
                [*self.enter, *command],
                stdin=subprocess.PIPE,  # held, so that nothing outlives a test run that is killed
                stdout=subprocess.PIPE if says else errors,
                stderr=errors,
                text=True,
                start_new_session=True,
                env=_environment() | (environment or {}),
            )
        program = Program(process, log)
        try:
            if says:
                program.line()
            yield program
        finally:
            program.end()


@dataclass(frozen=True, slots=True)
class Machines:
    """Both. `folder` is on both."""

    hub: Machine
    desktop: Machine
    folder: Path


@contextmanager
def two_machines(folder: Path) -> Iterator[Machines]:
    """Made, and gone at the end. Raises NoMachines."""
    for program, package in NEEDED.items():
        if shutil.which(program, path=_environment()["PATH"]) is None:
            raise NoMachines(f"{program} is not here: apt-get install -y {package}")
    hosts = folder / "hosts"
    hosts.write_text(HOSTS)
    mine = [] if os.geteuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
    script = ["sh", str(Path(__file__).with_name("machines.sh")), str(folder), str(hosts)]
    process = subprocess.Popen(
        ["unshare", *mine, "--net", "--mount", *script],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment(),
    )  # fmt: skip
    assert process.stdin and process.stdout and process.stderr
    try:
        told = process.stdout.readline().split()
        if not told:
            raise NoMachines(
                "No network namespaces could be made: run the tests as root, or let users make namespaces "
                f"(sysctl user.max_user_namespaces, AppArmor). {process.stderr.read().strip()}"
            )
        user = ["--user", "--preserve-credentials"] if mine else []
        hub, desktop = ("nsenter", f"--target={told[1]}"), ("nsenter", f"--target={told[1]}")
        yield Machines(
            hub=Machine([*hub, *user, "--mount", "--net", f"--wd={ROOT}"], folder),
            desktop=Machine([*desktop, *user, "--mount", f"--net=/proc/{told[3]}/ns/net", f"--wd={ROOT}"], folder),
            folder=folder,
        )
    finally:
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS)
        process.stdout.close()
        process.stderr.close()


def _environment() -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return environment | {"PATH": f"{environment['PATH']}:{SYSTEM_PROGRAMS}"}
