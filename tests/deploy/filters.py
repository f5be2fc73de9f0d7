"""The system call filters of a unit, as systemd makes them of its settings, for one process that gives them to itself."""

from __future__ import annotations

import errno
import socket
import stat
import subprocess
from collections.abc import Iterator, Sequence

import pyseccomp as seccomp

from tests.deploy.files import Unit

PROT_WRITE, PROT_EXEC, SHM_EXEC = 2, 4, 0o100000
NAMESPACES = {
    "cgroup": 0x02000000,
    "ipc": 0x08000000,
    "net": 0x40000000,
    "mnt": 0x00020000,
    "pid": 0x20000000,
    "user": 0x10000000,
    "uts": 0x04000000,
}
FAMILIES = 46  # one more than the highest that Linux has
REALTIME = (1, 2, 6)  # SCHED_FIFO, SCHED_RR, SCHED_DEADLINE
MODES = {"chmod": 1, "fchmod": 1, "fchmodat": 2, "mkdir": 1, "mkdirat": 2, "mknod": 1, "mknodat": 2}
QUERY_PERSONALITY = 0xFFFFFFFF

Rule = tuple[str, int, Sequence[seccomp.Arg]]


def restrict(unit: Unit) -> None:
    """From now on, and for all that it starts. The list of what is allowed comes last: it may forbid the call that loads it."""
    rules = [*_families(unit), *_memory(unit), *_namespaces(unit), *_odds(unit)]
    given = seccomp.SyscallFilter(defaction=seccomp.ALLOW)
    for name, number, arguments in rules:
        given.add_rule(seccomp.ERRNO(number), name, *arguments)
    given.load()
    allowed = seccomp.SyscallFilter(defaction=seccomp.ERRNO(errno.EPERM))
    for name in sorted(_allowed(unit)):
        if seccomp.resolve_syscall(seccomp.system_arch(), name) >= 0:  # else it is one of other machines
            allowed.add_rule(seccomp.ALLOW, name)
    allowed.load()


def _allowed(unit: Unit) -> set[str]:
    found: set[str] = set()
    for line in unit["SystemCallFilter"]:
        names = {one for word in line.removeprefix("~").split() for one in members(word)}
        found = found - names if line.startswith("~") else found | names
    return found


def members(word: str) -> set[str]:
    """The system calls of one of systemd's groups, or the one that is named."""
    if not word.startswith("@"):
        return {word}
    told = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True)
    lines = (line.strip() for line in told.stdout.splitlines()[1:])
    return {one for line in lines if line and not line.startswith("#") for one in members(line)}


def _families(unit: Unit) -> Iterator[Rule]:
    allowed = {getattr(socket, name) for name in unit["RestrictAddressFamilies"][0].split()}
    for family in set(range(FAMILIES)) - allowed:
        yield "socket", errno.EAFNOSUPPORT, [seccomp.Arg(0, seccomp.EQ, family)]
    yield "socket", errno.EAFNOSUPPORT, [seccomp.Arg(0, seccomp.GE, FAMILIES)]


def _memory(unit: Unit) -> Iterator[Rule]:
    if unit.get("MemoryDenyWriteExecute") == ["yes"]:
        both = PROT_WRITE | PROT_EXEC
        yield "mmap", errno.EPERM, [seccomp.Arg(2, seccomp.MASKED_EQ, both, both)]
        for name in ("mprotect", "pkey_mprotect"):
            yield name, errno.EPERM, [seccomp.Arg(2, seccomp.MASKED_EQ, PROT_EXEC, PROT_EXEC)]
        yield "shmat", errno.EPERM, [seccomp.Arg(2, seccomp.MASKED_EQ, SHM_EXEC, SHM_EXEC)]


def _namespaces(unit: Unit) -> Iterator[Rule]:
    (value,) = unit["RestrictNamespaces"]
    allowed = () if value == "yes" else value.split()
    yield "clone3", errno.ENOSYS, []  # its flags cannot be looked at
    yield "setns", errno.EPERM, [seccomp.Arg(1, seccomp.EQ, 0)]
    for name, flag in NAMESPACES.items():
        if name not in allowed:
            for call, position in (("clone", 0), ("unshare", 0), ("setns", 1)):
                yield call, errno.EPERM, [seccomp.Arg(position, seccomp.MASKED_EQ, flag, flag)]


def _odds(unit: Unit) -> Iterator[Rule]:
    if unit.get("RestrictRealtime") == ["yes"]:
        for policy in REALTIME:
            yield "sched_setscheduler", errno.EPERM, [seccomp.Arg(1, seccomp.EQ, policy)]
    if unit.get("RestrictSUIDSGID") == ["yes"]:
        for name, position in MODES.items():
            for bit in (stat.S_ISUID, stat.S_ISGID):
                yield name, errno.EPERM, [seccomp.Arg(position, seccomp.MASKED_EQ, bit, bit)]
    if unit.get("LockPersonality") == ["yes"]:
        yield "personality", errno.EPERM, [seccomp.Arg(0, seccomp.NE, QUERY_PERSONALITY)]
