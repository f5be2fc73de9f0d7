"""What is measured: scenarios, how long, how often."""

from __future__ import annotations

from dataclasses import dataclass

FULL_CREDIT = 512
DEFAULT_CREDIT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One way to load the hub. `channels` is 1, or all of the plan's; `credit` is what the agent grants on each. `keyed`: each request has
    an idempotency key of its own. `batched`: gRPC calls of 100 messages instead of HTTP, so many at a time as there are connections."""

    connections: int
    many_channels: bool = False
    credit: int = FULL_CREDIT
    keyed: bool = False
    batched: bool = False

    @property
    def name(self) -> str:
        """As tables and JSON show it."""
        where = "many channels" if self.many_channels else "one channel"
        how = ", keyed" * self.keyed + ", batches of 100" * self.batched
        return f"{where}, credit {self.credit}, c{self.connections}{how}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run: `rounds` times every scenario for `slice_seconds`, fewer when `most_seconds` are over."""

    scenarios: tuple[Scenario, ...]
    many: int
    rounds: int
    slice_seconds: float
    latency_seconds: float
    most_seconds: float


def _scenarios(*connections: int) -> tuple[Scenario, ...]:
    one = [Scenario(connections=c) for c in connections]
    many = [Scenario(connections=c, many_channels=True) for c in connections]
    return (*one, Scenario(connections=64, credit=DEFAULT_CREDIT), *many)


DEFAULT = Plan(
    scenarios=_scenarios(1, 64, 256), many=500, rounds=7, slice_seconds=1.2, latency_seconds=3.0, most_seconds=140.0
)
QUICK = Plan(scenarios=_scenarios(1, 64), many=50, rounds=2, slice_seconds=0.5, latency_seconds=1.0, most_seconds=18.0)
