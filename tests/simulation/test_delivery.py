"""The two machines wired together keep their promise, whatever dies between any two steps."""

from __future__ import annotations

from collections import Counter

from messenger_hub_server.model import OperationState

from tests.simulation.faults import FAULTS
from tests.simulation.play import play
from tests.simulation.world import MISFORTUNES

RUNS = 120


def test_nothing_is_lost_sent_twice_or_out_of_order_whatever_dies() -> None:
    """Seeded runs; a failing one names its seed."""
    states: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    for seed in range(RUNS):
        try:
            world = play(seed)
        except AssertionError as violation:
            raise AssertionError(f"seed {seed}: {violation}") from violation
        states.update(state for _, state in world.oracle.transitions)
        faults += world.faults
    assert set(states) == {state.value for state in OperationState}
    assert set(faults) == {fault.__name__ for fault in FAULTS} | set(MISFORTUNES)
