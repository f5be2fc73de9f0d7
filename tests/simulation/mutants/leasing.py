"""Faults of accepting and leasing."""

from __future__ import annotations

import pytest
from messenger_hub_server.delivery import batch
from messenger_hub_server.delivery.acceptance import Places
from messenger_hub_server.delivery.channel import Channel
from messenger_hub_server.model import NewOperation
from messenger_hub_server.store.memory.store import MemoryStore
from messenger_hub_server.store.memory.writes import Writer

from tests.simulation.mutants.catalogue import (
    CLOCKS,
    CUTS,
    mutant,
    reworded,
)
from tests.simulation.plan import Focus
from tests.simulation.world import World


@mutant()
def answers_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    """A client is told, whatever becomes of the commit (stand-in for queue.py)."""
    words = {
        "except CommitFailed:": "except CommitFailed:\n        [self.oracle.accept(new) for new in news]\n        return True"
    }
    reworded(patch, World, "accept", words)


@mutant()
def accepts_a_key_twice(patch: pytest.MonkeyPatch) -> None:
    """The idempotency record is not looked at."""
    old = "if new.idempotency and (holder := rows.idempotency.get(new.idempotency.key_hash)) is not None:"
    reworded(patch, Writer, "_accept", {old: "if False:\n        holder = OperationId(0)"})


@mutant()
def leases_two_of_a_chat(patch: pytest.MonkeyPatch) -> None:
    """A chat that is busy gets another lease."""
    reworded(patch, Writer, "_claimed", {"if first and operation.lane not in busy and": "if first and"})


@mutant()
def overtakes_what_waits(patch: pytest.MonkeyPatch) -> None:
    """A later message of the chat goes while an earlier one is held."""
    reworded(patch, Writer, "_claimed", {"if first and": "if"})


@mutant()
def leases_the_latest_first(patch: pytest.MonkeyPatch) -> None:
    """The queue is a stack."""
    reworded(patch, Writer, "_claimed", {"(o.priority, o.place_ms, o.id)": "(o.priority, -o.place_ms, -o.id)"})


@mutant()
def places_by_the_clock(patch: pytest.MonkeyPatch) -> None:
    """What is accepted after the clock was set back stands before what waits."""
    patch.setattr(Places, "place", lambda _, now_ms: now_ms)


@mutant(Focus(faults=CLOCKS, harm=0.05, tension=0.05, often={World.accept: 3, World.hub_start: 3}))
def forgets_the_places_of_what_waits(patch: pytest.MonkeyPatch) -> None:
    """After a restart nobody knows how late the clock was before it was set back."""
    patch.setattr(MemoryStore, "latest_place_now", lambda _: 0)


@mutant()
def accepts_into_a_lease_of_a_busy_chat(patch: pytest.MonkeyPatch) -> None:
    """Rule 12 does not look whether something of the chat is there."""
    reworded(patch, Writer, "_goes_at_once", {"one.lane == new.lane and": "False and"})


@mutant()
def accepts_into_a_lease_before_its_time(patch: pytest.MonkeyPatch) -> None:
    """Rule 12 does not look at send_at."""
    patch.setattr(NewOperation, "due", True)


@mutant(held_by="what is leased under it is given back or fenced, as its stream is no longer the live one")
def accepts_into_a_lease_of_a_dead_epoch(patch: pytest.MonkeyPatch) -> None:
    """Rule 12 does not ask whether the epoch stands."""
    reworded(patch, Writer, "_goes_at_once", {"!= lease.epoch": "== 0"})


@mutant(held_by="no stream of a channel that is marked as restored is ready")
def accepts_into_a_lease_on_a_restored_channel(patch: pytest.MonkeyPatch) -> None:
    """Rule 12 does not look at the mark."""
    reworded(patch, Writer, "_goes_at_once", {"or new.channel_id in self._rows.restored": ""})


@mutant(held_by="a stream that says hello again is not the live one until it has taken an epoch")
def hands_a_lease_to_whoever_says_hello_next(patch: pytest.MonkeyPatch) -> None:
    """What was accepted into a lease of a stream goes to its next hello, under the epoch before."""
    words = {"self._attached(offer.hello)": "self._streams.get(offer.hello.stream)"}
    reworded(patch, Channel, "offered", words)


@mutant(held_by="the sweep of the next hello gives it back, later")
def keeps_a_lease_for_a_stream_that_is_gone(patch: pytest.MonkeyPatch) -> None:
    """What was accepted into a lease is not given back when its stream ended meanwhile."""
    reworded(patch, Channel, "offered", {"if writes else []": "if not writes else []"})


@mutant(
    Focus(
        faults=CUTS,
        luck={"commit fails": 0.2},
        harm=0.02,
        tension=0.2,
        often={World.accept: 6, World.desk_work: 0.5},
    ),
    runs=1000,
)
def goes_on_after_an_unknown_commit(patch: pytest.MonkeyPatch) -> None:
    """Whether a lease is stored is not known, and nobody finds out."""
    patch.setattr(Channel, "unknown", lambda *_: [])


@mutant()
def forgets_what_waits_behind_a_lease(patch: pytest.MonkeyPatch) -> None:
    """A lease ends, and what its chat has waiting is not looked for."""
    reworded(patch, Channel, "_claimed", {"self._behind = leased.waits": "self._behind = False"})


@mutant()
def forgets_what_came_back(patch: pytest.MonkeyPatch) -> None:
    """A lease ends in the queue again, and nobody looks for it there."""
    reworded(patch, Channel, "_freed", {"or self._behind or back": ""})


@mutant(Focus(faults=frozenset(), often={World.cancel: 0.2, World.tick: 0.3, World.accept: 0.5}))
def wakes_nobody_for_what_is_accepted(patch: pytest.MonkeyPatch) -> None:
    """What was accepted and not leased at once is found by chance."""
    patch.setattr(batch, "left_waiting", lambda *_: ())


@mutant()
def keeps_its_promises_of_credit(patch: pytest.MonkeyPatch) -> None:
    """What an offer left over never goes back into the credit."""
    reworded(patch, Channel, "offered", {"attachment.promised -= len(offer.lease_ids)": "pass"})
