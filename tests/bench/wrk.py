"""The closed loop from C: wrk, whose own cost is a tenth of Python's. See load.lua."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.baseline import PATH
from tests.bench.children import ChildFailed
from tests.bench.load import FIRST_NUMBER, LATE_SECONDS
from tests.bench.told import Told

SCRIPT = Path(__file__).with_name("load.lua")
PROGRAM = "wrk"
MISSING = "wrk is not installed: it is the load of the benchmarks (Debian: apt-get install wrk)."


async def closed_loop(
    port: int, keys: Sequence[str], connections: int, seconds: float, first: int, *, keyed: bool = False
) -> Told:
    """One slice; its numbers count up from `first`, and `keyed` gives each an idempotency key. Raises ChildFailed."""
    if shutil.which(PROGRAM) is None:
        raise ChildFailed(MISSING)
    most = round(seconds + LATE_SECONDS)
    with tempfile.TemporaryDirectory(prefix="messenger-hub-bench-") as folder:
        listed = Path(folder) / "keys"
        listed.write_text("\n".join(keys))
        process = await asyncio.create_subprocess_exec(
            *(PROGRAM, "--threads=1", f"--connections={connections}", f"--duration={most}s", f"--timeout={most}s"),
            *(f"--script={SCRIPT}", f"http://127.0.0.1:{port}{PATH}", "--"),
            *(str(listed), str(FIRST_NUMBER + first), str(seconds), str(connections), str(int(keyed))),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
    lines = said.decode(errors="replace").splitlines()
    if process.returncode or not lines or not lines[-1].startswith("{"):
        raise ChildFailed("wrk failed:\n" + "\n".join(lines[-20:]))
    return Told.of_closed_loop(json.loads(lines[-1]))
