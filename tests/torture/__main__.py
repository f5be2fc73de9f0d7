"""`./hub torture [ATTACK] …`: the attacks on the promise that an accepted message is never lost and never sent twice.

  ./hub torture --minutes N      all processes are killed, stopped and cut off while programs send (nemesis)
  ./hub torture nodes            the same with nodes on one PostgreSQL database, which is killed and cut off too
  ./hub torture enqueue          the server is killed some ten thousand times while programs ask it for messages
  ./hub torture failpoints       a death at every failpoint
  ./hub torture fuzz             a million malformed requests and frames at both doors of a server
  ./hub torture simulator        both protocol machines in one process, with a fault between any two steps

Each adds a line to a ledger (--ledger FILE), and its exit code is 0 when the promise held; `./hub torture sums` adds up what the
ledger tells. `./hub torture ATTACK --help` shows an attack's options; without a name it is nemesis.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

ATTACKS = {
    "nemesis": "tests.torture.nemesis.__main__",
    "nodes": "tests.torture.nemesis.many",
    "enqueue": "tests.torture.enqueue.command",
    "failpoints": "tests.torture.failpoints.__main__",
    "fuzz": "tests.torture.hostile.__main__",
    "simulator": "tests.simulation.__main__",
}
SUMS = {"sums": "tests.torture.sums"}
HELP = frozenset({"-h", "--help", "help"})


def main(arguments: Sequence[str]) -> int:
    """The exit code of the attack that is named, or of the nemesis."""
    first = arguments[0] if arguments else ""
    if first in HELP:
        sys.stdout.write(f"{(__doc__ or '').replace('`', '')}")
        return 0
    named = ATTACKS | SUMS
    if first and not first.startswith("-") and first not in named:
        sys.stderr.write(f"There is no attack {first}: ./hub torture --help names them.\n")
        return 2
    module = importlib.import_module(named.get(first, ATTACKS["nemesis"]))
    return int(module.main(arguments[1:] if first in named else arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
