"""The ledger: a line of JSON for each finished batch, so that figures are sums over runs of the same code."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SOUND, BROKEN = "sound", "broken"
ROOT = Path(__file__).parents[2]
JUDGED = (
    "server/messenger_hub_server/delivery",
    "server/messenger_hub_server/store",
    "server/messenger_hub_server/queue.py",
    "server/messenger_hub_server/operation_ids.py",
    "server/messenger_hub_server/restored.py",
    "server/messenger_hub_server/streams.py",
    "server/messenger_hub_server/line.py",
    "server/messenger_hub_server/lines.py",
    "server/messenger_hub_server/nodes",
    "tray_agent/messenger_hub_agent",
)
"""What keeps the promise: a change there sets the count back to zero."""
POSTGRESQL = "server/messenger_hub_server/store/postgresql"
NOT_RUN = (
    "tray_agent/messenger_hub_agent/tray",  # the icon and its menu
    POSTGRESQL,  # attacks have SQLite below them, unless they say otherwise
)
"""What stands in those folders and no attack runs."""
WITH_NODES = (*JUDGED, POSTGRESQL)
"""What keeps the promise where nodes share a PostgreSQL database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What was run. `judged` is a hash over what keeps the promise, as it is on the disk; all are "unknown" outside a git checkout."""

    commit: str
    dirty: bool
    judged: str

    @classmethod
    def here(cls, places: Sequence[str] = JUDGED) -> Code:
        """Of this checkout, now. `places`: what keeps the promise that is attacked; a folder of NOT_RUN counts when it is named itself."""
        commit = _git("rev-parse", "HEAD").strip()
        return cls(commit=commit or "unknown", dirty=bool(_git("status", "--porcelain")), judged=_judged(places))


def entry_of(what: str, code: Code, begun: float, *, sound: bool, **figures: Any) -> Mapping[str, Any]:
    """What every batch tells: which attack it was, when it began (Unix seconds), on which code, and whether the promise held."""
    date = datetime.fromtimestamp(begun, UTC).isoformat(timespec="seconds")
    return {"what": what, "date": date, "verdict": SOUND if sound else BROKEN, **asdict(code), **figures}


def append(file: Path, entry: Mapping[str, Any]) -> None:
    """One line more."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(entry, ensure_ascii=False) + "\n")


def _judged(places: Sequence[str]) -> str:
    digest = hashlib.sha256()
    not_run = [ROOT / name for name in NOT_RUN if name not in places]
    for name in places:
        place = ROOT / name
        for path in sorted([place] if place.is_file() else place.rglob("*")):
            if (
                not any(path.is_relative_to(other) for other in not_run)
                and path.suffix in (".py", ".sql", ".js", ".proto")
                and path.is_file()
                and "assets" not in path.parts
                and "_pb2" not in path.name
            ):
                digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout if done.returncode == 0 else ""
