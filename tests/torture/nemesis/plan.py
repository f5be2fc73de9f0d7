"""Which faults there are, how often each comes, and the seeded order in which they come. Pure.

A fault that is to be added is one more line in TABLE and one more hand in `hands.py`.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from tests.torture.nemesis.estate import Layout

NOW, AT_ARRIVAL, AT_CALL = "now", "at an arrival", "at a call"
MOMENTS = ((NOW, 0.4), (AT_ARRIVAL, 0.4), (AT_CALL, 0.2))
"""When a fault that is due comes, and how often: at once, or in the moments in which most is half done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """`gap_seconds`: between two faults, on average; `alone`: how many of the faults of a network are, of 1."""

    gap_seconds: float
    alone: float


PACE = Pace(gap_seconds=0.5, alone=0.7)
NODES_PACE = Pace(gap_seconds=0.3, alone=0.35)
"""Where others go on when one dies: the faults come closer, and more of them overlap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`weight`: how often it comes, against the others; `seconds`: how long it lasts, or until a killed program is started
    again. `network`: its end is waited for, and how long the stream takes to work again is measured."""

    name: str
    weight: float
    seconds: tuple[float, float]
    network: bool = False


CLOCK_FORTH, CLOCK_BACK, AGENT_CLOCK = "clock forth", "clock back", "agent's clock"
RESTORE_FILE, RESTORE_BACKUP = "restore file", "restore back-up"
RESTART_SERVER, RESTART_AGENT, FREEZE_SERVER = "restart server", "restart agent", "freeze server"
KILL_DATABASE, CRASH_DATABASE, RESTART_DATABASE = "kill database", "crash database", "restart database"
KILL_BACKEND, END_BACKEND, STOP_BACKEND = "kill backend", "end backend", "stop backend"
CUT_DATABASE, STALL_DATABASE, HALF_OPEN_DATABASE = "cut database", "stall database", "half-open database"

TABLE: Sequence[Fault] = (
    # The server costs a second to start, a browser several seconds of processor: the cheap ones come often.
    Fault(name="kill server", weight=50, seconds=(0.0, 0.3)),
    Fault(name="kill agent", weight=14, seconds=(0.0, 0.5)),
    Fault(name="kill browser", weight=4, seconds=(0.0, 0.0)),
    Fault(name="kill page", weight=3, seconds=(0.0, 0.0)),
    Fault(name="crash page", weight=2, seconds=(0.0, 0.0)),
    Fault(name="kill twin", weight=6, seconds=(0.0, 0.5)),
    Fault(name="stop server", weight=4, seconds=(0.2, 3.0)),
    Fault(name="stop agent", weight=3, seconds=(0.2, 3.0)),
    Fault(name="stop browser", weight=2, seconds=(0.2, 3.0)),
    Fault(name="stop twin", weight=2, seconds=(0.2, 3.0)),
    Fault(name="cut", weight=16, seconds=(0.0, 2.0), network=True),
    Fault(name="stall", weight=10, seconds=(0.3, 3.0), network=True),
    Fault(name="half-open", weight=14, seconds=(0.3, 3.0), network=True),
    Fault(name="half-open, silent", weight=0.3, seconds=(0.3, 3.0), network=True),
    Fault(name="slow", weight=2, seconds=(0.5, 3.0), network=True),
    Fault(name="second start", weight=2, seconds=(0.0, 0.0)),
    Fault(name="copy agent", weight=0.3, seconds=(2.0, 8.0)),
    # How far the clock of the server, or of a desktop, jumps at its next start.
    Fault(name=CLOCK_FORTH, weight=2, seconds=(30.0, 600.0)),
    Fault(name=CLOCK_BACK, weight=2, seconds=(30.0, 600.0)),
    Fault(name=AGENT_CLOCK, weight=1, seconds=(30.0, 600.0)),
    # How old the copy is that is put back.
    Fault(name=RESTORE_FILE, weight=2, seconds=(0.3, 6.0)),
    Fault(name=RESTORE_BACKUP, weight=1, seconds=(0.3, 6.0)),
)
OLDER_COPIES = frozenset({RESTORE_FILE, RESTORE_BACKUP})
"""Of an SQLite file: a world on PostgreSQL has none."""
ON_POSTGRESQL: Sequence[Fault] = (
    *(fault for fault in TABLE if fault.name not in OLDER_COPIES),
    # In order, as an upgrade does it.
    Fault(name=RESTART_SERVER, weight=8, seconds=(0.0, 0.3)),
    Fault(name=RESTART_AGENT, weight=3, seconds=(0.0, 0.3)),
    # Taken for dead meanwhile: agents and programs go to another node, if there is one.
    Fault(name=FREEZE_SERVER, weight=10, seconds=(0.5, 6.0)),
    # All processes of PostgreSQL; at once and in order, as pg_ctl calls it immediate and fast.
    Fault(name=KILL_DATABASE, weight=6, seconds=(0.0, 0.5), network=True),
    Fault(name=CRASH_DATABASE, weight=4, seconds=(0.0, 0.5), network=True),
    Fault(name=RESTART_DATABASE, weight=4, seconds=(0.0, 0.5), network=True),
    # One process that serves a hub, more often one that writes.
    Fault(name=KILL_BACKEND, weight=6, seconds=(0.0, 0.0)),
    Fault(name=END_BACKEND, weight=12, seconds=(0.0, 0.0)),
    Fault(name=STOP_BACKEND, weight=6, seconds=(0.2, 3.0)),
    # Between one node and the database.
    Fault(name=CUT_DATABASE, weight=8, seconds=(0.0, 2.0), network=True),
    Fault(name=STALL_DATABASE, weight=6, seconds=(0.3, 3.0), network=True),
    Fault(name=HALF_OPEN_DATABASE, weight=6, seconds=(0.3, 3.0), network=True),
)
SIGKILLS = frozenset({"kill server", "kill agent", "kill browser", "kill page", "kill twin", "copy agent"}) | {
    *(CLOCK_FORTH, CLOCK_BACK, AGENT_CLOCK),
    *(RESTORE_FILE, RESTORE_BACKUP),
    *(KILL_DATABASE, KILL_BACKEND),
}
SILENT = frozenset({"half-open, silent"})
"""Nobody ever says that the connection is gone: only the next sign of life that stays out tells, which takes up to a minute."""
BREAKS = frozenset({"cut", "stall", "half-open"}) | SILENT
DATABASE_BREAKS = frozenset({CUT_DATABASE, STALL_DATABASE, HALF_OPEN_DATABASE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One fault of a schedule. `pick` in [0, 1) chooses among what it can be done to. `alone`: a fault of the network that waits
    until all is well, so that the recovery is its own."""

    after_seconds: float
    fault: Fault
    seconds: float
    pick: float
    moment: str
    alone: bool


def table(
    without: Collection[str] = (), often: Collection[str] = (), faults: Sequence[Fault] = TABLE
) -> Sequence[Fault]:
    """Which of the faults come: not those `without`, and those that come `often` as often as all others together."""
    left = [fault for fault in faults if fault.name not in without]
    whole = sum(fault.weight for fault in left if fault.name not in often)
    return [replace(one, weight=whole / len(often)) if one.name in often else one for one in left]


def schedule(seed: str, table: Sequence[Fault] = TABLE, pace: Pace = PACE) -> Iterator[Step]:
    """Without an end; the same for the same seed."""
    chance = random.Random(seed)
    weights = [fault.weight for fault in table]
    while True:
        fault = chance.choices(table, weights)[0]
        yield Step(
            after_seconds=chance.expovariate(1 / pace.gap_seconds),
            fault=fault,
            seconds=chance.uniform(*fault.seconds),
            pick=chance.random(),
            moment=chance.choices([name for name, _ in MOMENTS], [share for _, share in MOMENTS])[0],
            alone=fault.network and chance.random() < pace.alone,
        )


LAYOUTS: Sequence[Layout] = (
    Layout(agents={"desktop": ["shop"], "laptop": ["office"]}, nginx=True),
    Layout(agents={"desktop": ["shop", "office"]}),
    Layout(agents={"desktop": ["shop"], "laptop": ["office"]}),
)
ROUND_SECONDS = 300.0  # of faults; a world takes ten seconds to set up and to drain


def layout(round_number: int, nodes: int = 0) -> Layout:
    """Of a round, counted from 0: two agents behind nginx, one with both channels, two without nginx, and again. `nodes`: on one
    PostgreSQL database; 0 is a server on SQLite."""
    return replace(LAYOUTS[round_number % len(LAYOUTS)], nodes=nodes)


def rounds(minutes: float, least: int = 1) -> tuple[int, float]:
    """How many rounds fill so many minutes, and how long each has faults, in seconds."""
    count = max(least, round(minutes * 60 / ROUND_SECONDS))
    return count, minutes * 60 / count
