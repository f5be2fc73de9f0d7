"""Runs messenger-hub as a unit of deploy/systemd has it run, without systemd: python -m tests.deploy.confined VERB …, as root.

What is done of a unit: user without privileges, its user namespace, nothing writable but the state folder, private /tmp and /dev, hidden
homes and processes, umask, environment, arguments, limit of files, and all filters of system calls. What only systemd does is left out:
control groups (DevicePolicy), keyrings, and what ProtectKernel…, ProtectClock and ProtectHostname do beyond that.

Other verbs run as they are.
"""

from __future__ import annotations

import ctypes
import os
import resource
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.deploy.files import DEPLOY, ROOT, Unit, service
from tests.deploy.filters import restrict

NAMES = {"server": "messenger-hub", "agent": "messenger-hub-agent"}
STATES = Path("/var/lib")
USER = 61_184  # the first of those that systemd gives to services without a user of their own
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 4, 24, 38
LAST_CAPABILITY = 40
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "shm")
HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
OURS = (Path(sys.base_prefix), Path(sys.prefix), ROOT, *map(Path, os.environ.get("PYTHONPATH", "").split(":")))

_libc = ctypes.CDLL(None, use_errno=True)


def may_confine() -> bool:
    """Whether this user may: root on Linux, not in a container that keeps it from mounting."""
    if sys.platform != "linux" or os.getuid() != 0:
        return False
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def main(words: Sequence[str]) -> None:
    """Ends as another program."""
    verb = words[0]
    command = [sys.executable, "-m", "messenger_hub_cli"]
    if verb not in NAMES:
        os.execv(sys.executable, [*command, *words])
    unit = service(DEPLOY / f"systemd/{NAMES[verb]}.service")
    at = words.index("--data-dir")
    given, rest = Path(words[at + 1]), [*words[1:at], *words[at + 2 :]]
    given.mkdir(mode=0o700, exist_ok=True)
    os.chown(given, USER, USER)
    _mounts(unit, given)
    os.umask(int(unit["UMask"][0], 8))
    files = min(int(unit["LimitNOFILE"][0]), resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    _become(unit)
    restrict(unit)
    own = shlex.split(unit["ExecStart"][0])[1:]
    os.execve(sys.executable, [*command, *own, *rest], _environment(unit))


def _environment(unit: Unit) -> Mapping[str, str]:
    own = dict(line.replace("%S", str(STATES)).split("=", 1) for line in unit["Environment"])
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ}
    level = {name: value for name, value in os.environ.items() if name == "MESSENGER_HUB_LOG_LEVEL"}
    return {"HOME": str(STATES / unit["StateDirectory"][0]), **kept, **level, **own}


# ---- what it sees -----------------------------------------------------------------------------------------------------------


def _mounts(unit: Unit, state: Path) -> None:
    _checked(_libc.unshare(CLONE_NEWNS))
    _mount("--make-rprivate", "/")
    covered = [home for home in HOMES if unit["ProtectHome"] == ["yes"] and home.is_dir()]
    covered += [Path(one) for one in ("/tmp", "/var/tmp") if unit["PrivateTmp"] == ["yes"]]
    covered += [one for one in _closed() if not any(one.is_relative_to(other) for other in covered)]
    aside = Path("/mnt")
    _mount("-t", "tmpfs", "-o", "mode=0755", "aside", str(aside))
    kept = {path: aside / str(number) for number, path in enumerate(_outermost())}
    for path, place in {**kept, state: aside / "state"}.items():
        _bring(path, place, whole=path == state or _may_enter(path))
    _cover([*covered, STATES])
    _read_only()
    for path, place in kept.items():
        if any(path.is_relative_to(one) for one in covered):
            path.mkdir(parents=True, exist_ok=True)
            _mount("--rbind", str(place), str(path))
            _mount("-o", "remount,bind,ro", str(path))
    folder = STATES / unit["StateDirectory"][0]
    folder.mkdir()
    _mount("--bind", str(aside / "state"), str(folder))
    _mount("-o", "remount,ro", str(STATES))
    if unit["PrivateDevices"] == ["yes"]:
        _devices(aside)
    _proc(unit)
    subprocess.run(["umount", "--lazy", aside], check=True)


def _outermost() -> Sequence[Path]:
    """The folders without which this program would not run."""
    wanted = {path.resolve() for path in OURS if path.is_dir()}
    return [one for one in sorted(wanted) if wanted.isdisjoint(one.parents)]


def _closed() -> Sequence[Path]:
    """The uppermost folders on the way there that others may not enter, as mktemp makes them."""
    ways = ([*reversed(path.parents), path] for path in _outermost())
    found = {next((folder for folder in way if not _may_enter(folder)), None) for way in ways}
    return sorted(one for one in found if one is not None)


def _may_enter(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o001)


def _bring(path: Path, place: Path, *, whole: bool) -> None:
    """A folder to another place; not `whole`, what is in it, in one that others may enter."""
    place.mkdir()
    if whole:
        _mount("--rbind", str(path), str(place))
        return
    for child in path.iterdir():
        there = place / child.name
        if child.is_symlink():
            there.symlink_to(child.readlink())
        else:
            there.mkdir() if child.is_dir() else there.touch()
            _mount("--rbind", str(child), str(there))


def _cover(paths: Sequence[Path]) -> None:
    for path in paths:
        shared = path in (Path("/tmp"), Path("/var/tmp"))
        _mount("-t", "tmpfs", "-o", f"mode={'1777' if shared else '0755'}", "cover", str(path))


def _read_only() -> None:
    """ProtectSystem=strict: everything but /dev, /proc, /sys and what was covered."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        target, kind, source = fields[4], fields[fields.index("-") + 1], fields[fields.index("-") + 2]
        if not target.startswith(("/dev", "/proc", "/sys", "/mnt")) and source != "cover" and kind != "proc":
            _mount("-o", "remount,bind,ro", target)


def _devices(aside: Path) -> None:
    place = aside / "dev"
    place.mkdir()
    _mount("-t", "tmpfs", "-o", "mode=0755", "dev", str(place))
    for name in DEVICES:
        found, made = Path("/dev", name), place / name
        made.mkdir() if found.is_dir() else made.touch()
        _mount("--bind", str(found), str(made))
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        (place / name).symlink_to(target)
    _mount("--rbind", str(place), "/dev")


def _proc(unit: Unit) -> None:
    options = ["hidepid=invisible"] if unit["ProtectProc"] == ["invisible"] else []
    options += ["subset=pid"] if unit.get("ProcSubset") == ["pid"] else []
    _mount("-t", "proc", "-o", ",".join(options), "proc", "/proc")


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


# ---- who it is --------------------------------------------------------------------------------------------------------------


def _become(unit: Unit) -> None:
    if unit["CapabilityBoundingSet"] == [""]:
        for number in range(LAST_CAPABILITY + 1):
            _checked(_libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0))
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    if unit["NoNewPrivileges"] == ["yes"]:
        _checked(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    if unit.get("PrivateUsers") == ["yes"]:
        _checked(_libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))  # or its own map would be root's file
        _checked(_libc.unshare(CLONE_NEWUSER))
        for name, content in (("setgroups", "deny"), ("uid_map", f"{USER} {USER} 1"), ("gid_map", f"{USER} {USER} 1")):
            Path("/proc/self", name).write_text(content)


def _checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main(sys.argv[1:])
