"""What a load has to tell of one slice, whichever made it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """`accepted`: id and number each. `refused`: how many by status. `rate`: accepted a second, until the last answer. `waits_ms`:
    how long answers took, ascending. `since_ns`: of an open loop, by id, when a request should have been sent. Clock: the system's
    monotonic one."""

    accepted: Sequence[tuple[int, int]]
    refused: Mapping[str, int]
    start_ns: int
    rate: float
    waits_ms: Sequence[float]
    since_ns: Mapping[int, int]

    @classmethod
    def of_closed_loop(cls, said: Mapping[str, Any]) -> Told:
        """As load.lua prints it; its waits are the percentiles 1 to 99."""
        refused = Counter(str(status) for status in said["refused"])
        if said["lost"]:
            refused["connection lost"] = said["lost"]
        accepted = [(number, recipient) for number, recipient in said["accepted"]]
        return cls(
            accepted=accepted,
            refused=refused,
            start_ns=round(said["started"] * 1e9),
            rate=len(accepted) / (said["ended"] - said["started"]) if accepted else 0.0,
            waits_ms=said["waits_ms"],
            since_ns={},
        )

    @classmethod
    def of_open_loop(cls, said: Mapping[str, Any]) -> Told:
        """As load.py answers."""
        answers = said["accepted"]
        seconds = (max((until for *_, until in answers), default=0) - said["since_ns"]) / 1e9
        return cls(
            accepted=[(number, recipient) for number, recipient, *_ in answers],
            refused=said["refused"],
            start_ns=said["since_ns"],
            rate=len(answers) / seconds if answers else 0.0,
            waits_ms=sorted((until - since) / 1e6 for _, _, since, until in answers),
            since_ns={number: since for number, _, since, _ in answers},
        )
