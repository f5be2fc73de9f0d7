"""What only the composition root knows of a hub."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from messenger_hub_server.config import InForce
from messenger_hub_server.reach import Lan, Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFacts:
    """`warnings`: the last lines of the log, oldest first; `console_address`: a URL; `reach`: how other machines see it, None when
    they do not; `lan`: its listeners for the local network."""

    version: str
    started_at_ms: int
    data_dir: str
    http_addresses: Sequence[str]
    grpc_addresses: Sequence[str]
    console_address: str = ""
    reach: Reach | None = None
    lan: Lan | None = None
    settings: Sequence[InForce] = ()
    warnings: Iterable[Mapping[str, object]] = field(default=(), repr=False)
