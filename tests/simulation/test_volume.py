"""The volume loop tells what it ran, and its exit code is the verdict."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation import __main__ as volume
from tests.simulation.oracle import Violation
from tests.simulation.play import play
from tests.simulation.world import World


def test_a_sound_batch_adds_its_steps_to_the_ledger_and_ends_with_0(tmp_path: Path) -> None:
    """Steps of the calm are not among them: a run has 600 at most."""
    ledger = tmp_path / "ledger.jsonl"
    assert volume.main(["--steps", "1", "--ledger", str(ledger)]) == 0
    entry = json.loads(ledger.read_text())
    assert entry["runs"] == volume.BATCH
    assert entry["seeds"] == [0, volume.BATCH - 1]
    assert 0 < entry["steps"] <= volume.BATCH * 600
    assert entry["violations"] == []


def test_a_violation_is_told_with_its_seed_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The jobs are forks, so they play what is patched here."""

    def break_one(seed: int) -> World:
        if seed == 7:
            raise Violation("I1 sent twice")
        return play(seed)

    monkeypatch.setattr(volume, "play", break_one)
    assert volume.main(["--steps", "1"]) == 1
    assert "seed 7: Violation: I1 sent twice" in capsys.readouterr().out


LEAVES_A_CHANNEL_BEHIND = """
import asyncio, gc, grpc
from tests.simulation import __main__ as volume

async def leave():
    held = [grpc.aio.insecure_channel("127.0.0.1:1")]
    held.append(held)

gc.disable()
asyncio.new_event_loop().run_until_complete(leave())
gc.enable()
raise SystemExit(volume.main(["--steps", "1"]))
"""


def test_a_job_does_not_clean_up_after_its_parent(request: pytest.FixtureRequest) -> None:
    """What gRPC leaves behind waits, when it is cleaned up, for a thread that a fork does not have."""
    command = [sys.executable, "-W", "ignore", "-c", LEAVES_A_CHANNEL_BEHIND]
    assert (
        subprocess.run(command, cwd=request.config.rootpath, timeout=60, capture_output=True, check=False).returncode
        == 0
    )
