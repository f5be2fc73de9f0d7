"""`python -m tests.torture.failpoints [--seeds 3]`: a death at every failpoint, with every seed; the exit code is 0 when all was sound."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from messenger_hub.runtime.failpoints import Failpoint

from tests.torture.failpoints.walk import walk
from tests.torture.ledger import Code, append, entry_of


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description="A death at every failpoint.")
    parser.add_argument("--seeds", type=int, default=3, help="how many [3]")
    parser.add_argument("--first", type=int, default=1, help="the first seed [1]")
    parser.add_argument("--point", action="append", type=Failpoint, help="only this one; may be repeated")
    parser.add_argument("--worlds", type=int, default=1, help="how many work at the same time [1]")
    parser.add_argument("--ledger", type=Path, default=Path("test-results/torture-ledger.jsonl"))
    given = parser.parse_args(arguments)
    seeds = range(given.first, given.first + given.seeds)
    code, begun, since = Code.here(), time.time(), time.monotonic()

    def tell(line: str) -> None:
        sys.stderr.write(f"{time.monotonic() - since:6.1f} s  {line}\n")

    folder = Path(tempfile.mkdtemp(prefix="messenger-hub-failpoints-"))
    walked = walk(folder, seeds, given.point or tuple(Failpoint), worlds=given.worlds, tell=tell)
    if walked.problems:
        tell(f"logs and databases are in {folder}")
    else:
        shutil.rmtree(folder)
    entry = entry_of("failpoints", code, begun, sound=not walked.problems, seeds=[*seeds], **walked.told())
    append(given.ledger, entry)
    for line in (str(entry), *walked.problems):
        sys.stderr.write(f"{line}\n")
    return 1 if walked.problems else 0


if __name__ == "__main__":
    sys.exit(main())
