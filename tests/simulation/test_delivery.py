"""The two machines wired together keep their promise, whatever dies between any two steps."""

from __future__ import annotations

import pytest
from messenger_hub_server.delivery.states import NOT_SENT
from messenger_hub_server.model import OperationState

from tests.simulation.coverage import Sum
from tests.simulation.plan import Focus
from tests.simulation.play import ANY, play

pytestmark = pytest.mark.timeout(600)

RUNS = 320
RARELY = Focus(faults=frozenset({"restriction", "folder_lost"}), harm=0.06)
"""A restriction while an operation is uncertain comes once in five hundred runs, and once in ten of these."""
RARE_RUNS = 40

S = OperationState
LATE = {S.SENT, S.DELIVERED, S.READ, S.SUCCEEDED}
RARE = {(state, to) for state in {S.UNCERTAIN, *NOT_SENT} for to in LATE} | {(S.PENDING, S.SUCCEEDED)}
"""What is known of an operation after its end, and of one that an older copy of the database takes for waiting: millions of steps see
all of it."""


def test_nothing_is_lost_sent_twice_or_out_of_order_whatever_dies_in_whatever_state() -> None:
    """Seeded runs; a failing one names its seed."""
    total = Sum()
    for seed, focus in (*((seed, ANY) for seed in range(RUNS)), *((seed, RARELY) for seed in range(RARE_RUNS))):
        try:
            total.add_run(play(seed, focus))
        except AssertionError as violation:
            raise AssertionError(f"seed {seed} of {focus}: {violation}") from violation
    assert total.unseen_pairs() == []
    assert set(total.unseen_transitions()) <= RARE
