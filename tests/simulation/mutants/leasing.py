"""Faults of accepting and leasing."""

from __future__ import annotations

import pytest
from messenger_hub_server.delivery.acceptance import Places
from messenger_hub_server.store.memory import MemoryStore

from tests.simulation.mutants.catalogue import (
    CLOCKS,
    mutant,
    reworded,
)
from tests.simulation.plan import Focus
from tests.simulation.world import World


@mutant()
def answers_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    """A client is told, whatever becomes of the commit (stand-in for queue.py)."""
    words = {
        "if new.body not in self.oracle.accepted and new.idempotency is None:": "self.oracle.accept(new)\n        if False:"
    }
    reworded(patch, World, "accept", words)


@mutant()
def accepts_a_key_twice(patch: pytest.MonkeyPatch) -> None:
    """The idempotency record is not looked at."""
    old = "if new.idempotency and (holder := rows.idempotency.get(new.idempotency.key_hash)) is not None:"
    reworded(patch, MemoryStore, "_accept", {old: "if False:\n        holder = OperationId(0)"})


@mutant()
def leases_two_of_a_chat(patch: pytest.MonkeyPatch) -> None:
    """A chat that is busy gets another lease."""
    reworded(patch, MemoryStore, "_claim", {"if first and operation.lane not in busy and": "if first and"})


@mutant()
def overtakes_what_waits(patch: pytest.MonkeyPatch) -> None:
    """A later message of the chat goes while an earlier one is held."""
    reworded(patch, MemoryStore, "_claim", {"if first and": "if"})


@mutant()
def leases_the_latest_first(patch: pytest.MonkeyPatch) -> None:
    """The queue is a stack."""
    reworded(patch, MemoryStore, "_claim", {"(o.priority, o.place_ms, o.id)": "(o.priority, -o.place_ms, -o.id)"})


@mutant()
def places_by_the_clock(patch: pytest.MonkeyPatch) -> None:
    """What is accepted after the clock was set back stands before what waits."""
    patch.setattr(Places, "place", lambda _, now_ms: now_ms)


@mutant(Focus(faults=CLOCKS, harm=0.05, tension=0.05, often={World.accept: 3, World.hub_start: 3}))
def forgets_the_places_of_what_waits(patch: pytest.MonkeyPatch) -> None:
    """After a restart nobody knows how late the clock was before it was set back."""
    patch.setattr(MemoryStore, "latest_place_now", lambda _: 0)
