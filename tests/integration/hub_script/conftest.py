"""The script `hub` on a machine of the test's own: a toy project, and a PATH that holds only what the test puts there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "hub"
WAIT_SECONDS = 100
TOOLS = [
    "sh",
    "cat",
    "readlink",
    "dirname",
    "find",
    "sort",
    "xargs",
    "cksum",
    "date",
    "mktemp",
    "rm",
    "tail",
    "sed",
    "grep",
    "flock",
    "env",
    "printf",
    "mkdir",
    "touch",
    "sleep",
    "tty",
    "script",
    "kill",
]

PROJECT = """
[build-system]
requires = []
build-backend = "hatch_build"
backend-path = ["."]
"""

# A build backend in one file: an editable wheel with one command, and no word with a package index.
BACKEND = """
import os, zipfile
NAME = "messenger_hub-0.1.0"
METADATA = "Metadata-Version: 2.1\\nName: messenger-hub\\nVersion: 0.1.0\\n"
def get_requires_for_build_editable(settings=None): return []
def prepare_metadata_for_build_editable(folder, settings=None):
    os.mkdir(os.path.join(folder, NAME + ".dist-info"))
    with open(os.path.join(folder, NAME + ".dist-info", "METADATA"), "w") as file: file.write(METADATA + EXTRAS)
    return NAME + ".dist-info"
def build_editable(folder, settings=None, metadata=None):
    with open("builds.log", "a") as file: file.write("build\\n")
    if os.path.exists("block"): open("reached", "w").close(); open("block").read()
    with open("proto/messenger_hub/descriptors.binpb", "w"): pass
    name = NAME + "-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("toy.py", COMMAND)
        info = NAME + ".dist-info/"
        wheel.writestr(info + "METADATA", METADATA + EXTRAS)
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: toy\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "entry_points.txt", "[console_scripts]\\nmessenger-hub = toy:main\\n")
        wheel.writestr(info + "RECORD", "")
    return name
EXTRAS = "Provides-Extra: agent\\nProvides-Extra: test\\nProvides-Extra: tray\\n"
COMMAND = "import os, sys\\ndef main(): print('ran', os.getcwd(), *sys.argv[1:])\\n"
"""


@dataclass(kw_only=True)
class Machine:
    """A folder with the project, a folder of programs, and what runs of the script said."""

    project: Path
    programs: Path
    variables: dict[str, str] = field(default_factory=dict)
    cwd: Path | None = None

    def install(self, name: str, script: str) -> Path:
        """Puts a small shell script on the PATH."""
        program = self.programs / name
        program.unlink(missing_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return program

    def start(self, *arguments: str, terminal: int | None = None) -> subprocess.Popen[str]:
        """Starts the script; with a terminal there is somebody to ask.

        It hears an interrupt also when the run of the tests ignores them, as one in the background does: a shell cannot trap what
        it was started ignoring.
        """
        return subprocess.Popen(
            ["/usr/bin/env", "--default-signal=INT", self.project / "hub", *arguments],
            env=self.environment(),
            cwd=self.cwd or self.project.parent,
            stdin=subprocess.DEVNULL if terminal is None else terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if terminal is None else terminal,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> Run:
        return finish(self.start(*arguments))

    def environment(self) -> dict[str, str]:
        pip = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "LD_"))}
        home = {
            "HOME": str(self.programs.parent),
            "TMPDIR": str(self.programs.parent / "tmp"),
            "PATH": str(self.programs),
            "PIP_NO_INDEX": "1",
        }
        return pip | home | self.variables

    @property
    def builds(self) -> int:
        """How often pip has built the project."""
        log = self.project / "builds.log"
        return log.read_text().count("build") if log.exists() else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    code: int
    stdout: str
    stderr: str
    """Empty where it went to a terminal."""


def finish(process: subprocess.Popen[str]) -> Run:
    try:
        stdout, stderr = process.communicate(timeout=WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return Run(code=process.returncode, stdout=stdout, stderr=stderr or "")


def lay_out(project: Path) -> None:
    """A toy project that the script takes for its own."""
    (project / "proto/messenger_hub/v1").mkdir(parents=True)
    (project / "proto/messenger_hub/v1/one.proto").write_text('syntax = "proto3";\n')
    for folder in ("server", "tray_agent", "tests"):
        (project / folder).mkdir()
    extras = "".join(f"{name} = []\n" for name in ("agent", "tray", "test"))
    toml = f'[project]\nname = "messenger-hub"\nversion = "0.1.0"\n\n[project.optional-dependencies]\n{extras}'
    (project / "pyproject.toml").write_text(toml + PROJECT)
    (project / "hatch_build.py").write_text(BACKEND)
    shutil.copy(SCRIPT, project / "hub")


def base_interpreter() -> Path:
    """The Python behind the environment that runs the tests; it brings venv and ensurepip."""
    return Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"


def put_tools(programs: Path, names: Sequence[str] = TOOLS) -> None:
    for name in names:
        if found := shutil.which(name):
            (programs / name).symlink_to(found)


@pytest.fixture
def new_machine(tmp_path: Path) -> Machine:
    """A machine with a browser and Python, where nobody can be asked, that is used by somebody who is not root."""
    (tmp_path / "tmp").mkdir()
    machine = Machine(project=tmp_path / "a folder" / "hub's project", programs=tmp_path / "programs")
    machine.programs.mkdir()
    lay_out(machine.project)
    put_tools(machine.programs)
    machine.install("python3", f'exec "{base_interpreter()}" "$@"')
    machine.install("google-chrome", "exit 0")
    machine.install("id", "echo 1000")
    return machine


@pytest.fixture(scope="session")
def empty_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environment") / ".venv"
    subprocess.run([base_interpreter(), "-m", "venv", folder], check=True, timeout=WAIT_SECONDS)
    return folder


@pytest.fixture
def quick_python(empty_environment: Path) -> str:
    """A shell script that is a Python; the environments that it makes are copies of one, as ensurepip takes six seconds of processor."""
    copy = f'/bin/rm -rf "$4" && exec /bin/cp -Rl "{empty_environment}" "$4"'
    return f'if [ "$1 $2 $3" = "-m venv --clear" ]; then {copy}; fi\nexec "{base_interpreter()}" "$@"'


@pytest.fixture
def quick_machine(new_machine: Machine, quick_python: str) -> Machine:
    """A new machine with that Python."""
    new_machine.install("python3", quick_python)
    return new_machine


@pytest.fixture
def machine(quick_machine: Machine, empty_environment: Path) -> Machine:
    """The same with an environment that an earlier start has made, which takes most of the time of a first start."""
    # Links, as what is there is replaced and never written into.
    shutil.copytree(empty_environment, quick_machine.project / ".venv", symlinks=True, copy_function=os.link)
    (quick_machine.project / ".venv/.hub-place").write_text(f"{quick_machine.project}\n")
    return quick_machine
