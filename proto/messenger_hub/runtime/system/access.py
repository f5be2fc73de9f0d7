"""Who may open a file on Windows, read from and written as a security descriptor in words (SDDL). Does no I/O.

D:P(A;OICI;FA;;;S-1-5-21-…)
D:            the list of who may do what
  P           protected: what the folder above says is not inherited
   (A;…)      one entry: allowed; for files and folders below too (OICI); full access (FA); whom (a SID, or its abbreviation)
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

# Who administers the machine can open everything anyhow, as root can; the other two are whoever owns the file.
_ADMINISTRATION = frozenset({"SY", "BA", "S-1-5-18", "S-1-5-32-544"})
_OWNER = frozenset({"OW", "CO", "S-1-3-4", "S-1-3-0"})
_LIST = re.compile(r"D:([A-Z_]*)((?:\([^()]*\))*)")
_ENTRY = re.compile(r"\(([^()]*)\)")
_GRANTS = frozenset({"A", "OA", "XA", "ZA"})


def private_to(user: str, *, folder: bool) -> str:
    """The descriptor that lets this user alone in; for a folder also into what is made in it. `user`: a SID."""
    return f"D:P(A;{'OICI' if folder else ''};FA;;;{user})"


def is_private(descriptor: str, users: Collection[str]) -> bool:
    """Whether nothing is inherited and nobody but the users, the owner and the administration is let in. `users`: names of one user."""
    found = _LIST.match(descriptor)
    return found is not None and "P" in found[1] and not strangers(descriptor, users)


def strangers(descriptor: str, users: Collection[str]) -> Sequence[str]:
    """Who else is let in, as SIDs or their abbreviations; WD (everyone) where there is no list at all."""
    found = _LIST.match(descriptor)
    if found is None or "NO_ACCESS_CONTROL" in found[1]:
        return ["WD"]
    known = {*users, *_ADMINISTRATION, *_OWNER}
    return sorted({whom for kind, whom in _entries(found[2]) if kind in _GRANTS and whom not in known})


def whom(descriptor: str) -> str:
    """Of a descriptor with one entry: whom it lets in, by the name that the system has for it."""
    [(_, name)] = _entries(descriptor)
    return name


def _entries(text: str) -> Sequence[tuple[str, str]]:
    parts = [entry.split(";") for entry in _ENTRY.findall(text)]
    return [(part[0], part[5]) for part in parts if len(part) >= 6]
