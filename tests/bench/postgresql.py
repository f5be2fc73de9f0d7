"""The same hub with its data in PostgreSQL and in SQLite, in turn: what the way over a socket and another log cost.

PostgreSQL is Debian's, with its own settings but for a small memory, on the same disk. Verified as in `measuring`, by what its own
client reads; `fsync` has to be on.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from tests.bench.measuring import running_bench
from tests.bench.plan import Scenario
from tests.bench.verification import NotTrue, Recorded
from tests.bench.ways import Length
from tests.postgresql import PostgresqlServer, postgresql_server

PLAIN = Scenario(connections=64)
OPERATIONS = """
SELECT json_build_array(o.id, o.wa_id, o.recipient, o.state,
  (SELECT json_agg(e.state ORDER BY e.state) FROM messenger_hub.event e WHERE e.operation_id = o.id))
FROM messenger_hub.operation o WHERE o.id > {after}
"""


class Elsewhere:
    """See estate.ElsewhereStore."""

    def __init__(self, server: PostgresqlServer) -> None:
        self._server = server
        self._database = server.database()
        self.url = server.address(self._database).url

    def recorded(self, after: int) -> Mapping[int, Recorded]:
        """All operations with a higher id."""
        found = self._server.sql(OPERATIONS.format(after=int(after)), self._database)
        rows = [json.loads(line) for line in found.splitlines()]
        return {
            number: Recorded(wa_id=wa_id, recipient=recipient, state=state, steps=steps or ())
            for number, wa_id, recipient, state, steps in rows
        }

    def check_durable(self) -> None:
        """Raises NotTrue."""
        said = {name: self._server.sql(f"SHOW {name}") for name in ("fsync", "full_page_writes")}
        if set(said.values()) != {"on"}:
            raise NotTrue(f"PostgreSQL does not keep what it commits: {said}.")


async def measure(folder: Path, length: Length) -> Mapping[str, float]:
    """Rows of `aims`, and what they are made of. Raises NotTrue or ChildFailed."""
    with postgresql_server() as server:
        elsewhere = Elsewhere(server)
        elsewhere.check_durable()
        async with AsyncExitStack() as stack:
            benches = []
            for name, store in (("sqlite", None), ("postgresql", elsewhere)):
                (folder / name).mkdir()
                benches.append(await stack.enter_async_context(running_bench(folder / name, 0, store, helpers=())))
            for bench in benches:
                await bench.whole_way(PLAIN, length.slice_seconds / 4)
            rounds = []
            for number in range(length.rounds):
                rates = {}
                for bench in benches if number % 2 == 0 else reversed(benches):
                    rates[bench] = (await bench.whole_way(PLAIN, length.slice_seconds)).settled
                rounds.append([rates[bench] for bench in benches])
    return {"PostgreSQL ÷ SQLite": statistics.median(there / here for here, there in rounds)}
