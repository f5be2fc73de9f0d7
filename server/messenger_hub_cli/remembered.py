"""Which hub on another machine this desktop works for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from messenger_hub_cli.failures import Refused

AGENT, FILE_NAME, CREDENTIAL = "agent", "hub.json", "credential.json"
"""Below the data folder."""


class Hub(msgspec.Struct, frozen=True):
    """`server` is HOST:PORT of its gRPC; without `fingerprint` (SHA-256 of its certificate) the system's authorities decide."""

    server: str
    fingerprint: str = ""

    def options(self) -> Mapping[str, object]:
        """As the agent is told."""
        return {"server": self.server, "fingerprint": self.fingerprint, "tls": not self.fingerprint}


def is_enrolled(data_dir: Path) -> bool:
    """A hub has let this desktop in, wherever it is."""
    return (data_dir / AGENT / CREDENTIAL).exists()


def remembered(data_dir: Path) -> Hub | None:
    """None when it has joined none. Raises Refused when the file is damaged."""
    path = data_dir / AGENT / FILE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Hub)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise Refused(f"{path} cannot be read: remove it, and give the agent its hub with --server.") from error


def forget(data_dir: Path) -> None:
    """Before this desktop is enrolled at a hub that the file does not name: joining that one was never finished."""
    (data_dir / AGENT / FILE_NAME).unlink(missing_ok=True)
