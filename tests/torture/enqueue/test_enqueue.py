"""A short run as users start it: the server is killed under calls, and everything that was answered is there, once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LOSING = """
import sys
from dataclasses import replace
from tests.torture.enqueue.command import main
sys.exit(main(sys.argv[1:], tamper=lambda told: replace(told, rows=told.rows[1:], listed=told.listed)))
"""
SECONDS = 60


def run(folder: Path, *program: str, kills: int) -> tuple[int, str, Sequence[Mapping[str, Any]], Path]:
    """The exit code, what it said, the ledger's lines, and where broken worlds are kept."""
    ledger, keep = folder / "ledger.jsonl", folder / "kept"
    places = ("--ledger", str(ledger), "--keep", str(keep), "--folder", str(folder))
    done = subprocess.run(
        [sys.executable, *program, "--kills", str(kills), *places],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return done.returncode, done.stdout, [json.loads(line) for line in ledger.read_text().splitlines()], keep


def test_sixty_kills_lose_nothing_that_was_answered_and_repeat_nothing(tmp_path: Path) -> None:
    code, said, [told], keep = run(tmp_path, "-m", "tests.torture", "enqueue", kills=60)
    assert (code, told["verdict"], told["violations"], told["broken"]) == (0, "sound", [], []), told
    assert said.startswith("Sound: 60 kills")
    assert told["kills"] == 60 and told["counts"]["killed under calls"] > 40, told
    assert told["counts"]["accepted"] > 50 and told["counts"]["in doubt at a kill"] > 60, told["counts"]
    assert not keep.exists(), "a sound world was kept"


def test_a_message_that_is_missing_from_the_database_fails_the_run_and_keeps_its_world(tmp_path: Path) -> None:
    code, said, [told], keep = run(tmp_path, "-c", LOSING, kills=20)  # in a few of them nothing may be accepted
    assert (code, told["verdict"]) == (1, "broken")
    assert "listed wrongly" in said
    [kept, *_] = keep.iterdir()
    assert {"records.json", "server.log", "data"} <= {path.name for path in kept.iterdir()}
