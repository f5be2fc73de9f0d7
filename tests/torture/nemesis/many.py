"""`./hub torture nodes [--nodes N]`: the nemesis where nodes behind a balancer share a PostgreSQL database of the world's own."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.torture.nemesis.__main__ import POSTGRESQL, Tamper
from tests.torture.nemesis.__main__ import main as nemesis

NODES = 3


def main(arguments: Sequence[str] | None = None, *, tamper: Tamper = lambda history: history) -> int:
    """See the nemesis."""
    given = sys.argv[1:] if arguments is None else arguments
    return nemesis(["--store", POSTGRESQL, "--nodes", str(NODES), *given], tamper=tamper)


if __name__ == "__main__":
    sys.exit(main())
