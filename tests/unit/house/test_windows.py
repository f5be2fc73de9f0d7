"""What would keep the programs from starting on Windows is found here: every module is imported by a Python that takes itself for
one of Windows and has none of the modules that are missing there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("messenger_hub", "messenger_hub_server", "messenger_hub_cli", "messenger_hub_agent", "messenger_hub_twin")
UNIX_ALONE = ("system.unix", "whatsapp.process_unix", "whatsapp.launcher", "whatsapp.user_ids")
WINDOWS_ALONE = ("system.windows", "system.win32", "whatsapp.process_windows", "whatsapp.win32")

IMPORTING = """
import ctypes, importlib, pkgutil, signal, subprocess, sys, types
packages, unix, windows = sys.argv[1].split(), tuple(sys.argv[2].split()), tuple(sys.argv[3].split())

def names(package):
    found = importlib.import_module(package)
    return [package, *(one.name for one in pkgutil.walk_packages(found.__path__, package + "."))]

# What others wrote is imported as it is here; ours afterwards, once more, as on Windows.
for package in packages:
    for name in names(package):
        if not name.endswith(("__main__", *windows)):
            importlib.import_module(name)
for name in [name for name in sys.modules if name.split(".")[0] in packages and "_pb2" not in name]:
    del sys.modules[name]

class Anything:
    def __getattr__(self, name): return Anything()
    def __call__(self, *_, **__): return Anything()

for name in ("fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "posix", "syslog"):
    sys.modules[name] = None
for name in ("_winapi", "winreg", "msvcrt", "asyncio.windows_utils", "asyncio.windows_events"):
    there = types.ModuleType(name)
    there.PipeHandle = there.pipe = Anything()
    sys.modules[name] = there
import os
for name in ("fork", "killpg", "geteuid", "getuid", "setuid", "setsid", "chown", "pread", "O_CLOEXEC", "O_DIRECTORY"):
    delattr(os, name)
for name in ("SIGKILL", "SIGSTOP", "SIGHUP"):
    delattr(signal, name)
for name in ("CLOCK_MONOTONIC", "CLOCK_BOOTTIME", "clock_gettime"):
    delattr(importlib.import_module("time"), name)
ctypes.WinDLL = Anything()
signal.SIGBREAK = signal.SIGINT
subprocess.CREATE_NO_WINDOW = subprocess.CREATE_NEW_PROCESS_GROUP = 0
sys.platform = "win32"
imported = 0
for package in packages:
    for name in names(package):
        if not name.endswith(("__main__", *unix)) and "_pb2" not in name:
            importlib.import_module(name)
            imported += 1
from messenger_hub.runtime.system import here
print(imported, here.__name__)
"""


def imported(*apart: str) -> subprocess.CompletedProcess[str]:
    """Imports all but those."""
    command = [sys.executable, "-c", IMPORTING, *(" ".join(names) for names in (PACKAGES, apart, WINDOWS_ALONE))]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


def test_every_module_that_windows_needs_is_imported_without_what_windows_lacks() -> None:
    done = imported(*UNIX_ALONE)
    assert done.returncode == 0, done.stderr
    count, system = done.stdout.split()
    assert int(count) > 150
    assert system == "messenger_hub.runtime.system.windows"


@pytest.mark.parametrize(("name", "lacks"), [("whatsapp.launcher", "fcntl"), ("whatsapp.user_ids", "pwd")])
def test_one_that_imports_what_windows_lacks_is_found(name: str, lacks: str) -> None:
    done = imported(*(other for other in UNIX_ALONE if other != name))
    assert f"import of {lacks} halted" in done.stderr
