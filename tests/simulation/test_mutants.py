"""The simulator can fail: protocol faults put into the real machines are found within its budget."""

from collections.abc import Callable, Sequence

import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_agent.delivery import channel as agent
from messenger_hub_agent.delivery import work
from messenger_hub_server.delivery import channel as server
from messenger_hub_server.delivery import evidence
from messenger_hub_server.model import JournalId, LeaseId, Operation, WaId
from messenger_hub_server.store.base import Change, Start, Write
from messenger_hub_server.store.memory import MemoryStore

from tests.simulation.world import World, play

BUDGET = 120
Patch = Callable[[pytest.MonkeyPatch], None]


def requeues_what_had_started_and_does_not_look_first(patch: pytest.MonkeyPatch) -> None:
    """A lost lease goes back to the queue although it had started; the look-up before the send alone would still catch it."""

    def sweep(
        leased: Sequence[Operation], epoch: int, journal_id: JournalId, open_leases: frozenset[str], now_ms: int
    ) -> tuple[Sequence[Write], bool]:
        marks = [(o.wa_id, o.lease.lease_id) for o in leased if o.lease and o.lease.epoch < epoch]
        writes = evidence.given_back([(WaId(w), LeaseId(i)) for w, i in marks], "mutant", now_ms)
        return [_unfenced(write) for write in writes], False

    original = World._check

    def check(self: World, lease: pb.Lease) -> work.Checked:
        checked = original(self, lease)
        return work.Clear() if isinstance(checked, work.Found) else checked

    patch.setattr(evidence, "sweep", sweep)
    patch.setattr(World, "_check", check)


def _unfenced(write: Write) -> Write:
    assert isinstance(write, Change)
    return Change(wa_id=write.wa_id, from_states=write.from_states, to=write.to, at_ms=write.at_ms, reason=write.reason)


def sends_without_go(patch: pytest.MonkeyPatch) -> None:
    """The agent acts on any answer."""
    table = dict(work.TABLE) | {(work.Stage.ASKING, work.Happening.NO): work.Stage.ACTING}
    patch.setattr(work, "TABLE", table)
    original = agent.Channel.receive

    def receive(self: agent.Channel, frame: pb.ConnectResponse, now_ms: int) -> Sequence[agent.Action]:
        for go in frame.goes.goes:
            go.go = True
        return original(self, frame, now_ms)

    patch.setattr(agent.Channel, "receive", receive)


def answers_go_for_a_lease_that_does_not_stand(patch: pytest.MonkeyPatch) -> None:
    """Started is not checked against the lease."""
    original = MemoryStore.apply_now

    def apply_now(self: MemoryStore, writes: Sequence[Write]) -> Sequence[object]:
        outcomes = original(self, writes)
        return [True if isinstance(w, Start) else o for w, o in zip(writes, outcomes, strict=True)]

    patch.setattr(MemoryStore, "apply_now", apply_now)


def voids_what_it_cannot_find(patch: pytest.MonkeyPatch) -> None:
    """The absence of a message that may still be on its way counts as proof."""
    original = World._reconcile

    def reconcile(self: World, lease: pb.Lease) -> work.Performed:
        ended = original(self, lease)
        unsure = isinstance(ended, work.Ended) and ended.kind == pb.Outcome.KIND_UNCERTAIN
        return work.Ended(kind=pb.Outcome.KIND_VOID) if unsure else ended

    patch.setattr(World, "_reconcile", reconcile)


def keeps_its_leases_without_a_stream(patch: pytest.MonkeyPatch) -> None:
    """The agent goes on with what waits after the stream is gone, and takes its old epoch for the new one."""
    original = agent.Channel._leased

    def leased(self: agent.Channel, frame: pb.Leases, now_ms: int) -> Sequence[agent.Action]:
        for lease in frame.leases:
            lease.epoch = self._epoch
        return original(self, frame, now_ms)

    def disconnected(self: agent.Channel, now_ms: int) -> Sequence[agent.Action]:
        return []

    patch.setattr(agent.Channel, "_leased", leased)
    patch.setattr(agent.Channel, "disconnected", disconnected)


def ignores_facts_after_a_decision(patch: pytest.MonkeyPatch) -> None:
    """A message that turns out to be sent stays as it was decided."""
    original = evidence.outcome

    def outcome(entry: pb.JournalEntry, now_ms: int, *, held: bool = False) -> Sequence[Write]:
        return original(entry, now_ms, held=held) if entry.lease_id else []

    patch.setattr(evidence, "outcome", outcome)


def sweeps_before_the_pages(patch: pytest.MonkeyPatch) -> None:
    """What had started counts as unknown before the journal has told."""
    original = server.Channel._judge_journal

    def judge(self: server.Channel, *arguments: object) -> Sequence[server.Action]:
        stream, attachment, stored, _ = arguments
        attachment.epoch = stored.epoch + 1  # type: ignore[attr-defined]
        return [*original(self, *arguments), *self._sweep(stream, attachment, stored, 0)]  # type: ignore[arg-type]

    patch.setattr(server.Channel, "_judge_journal", judge)


MUTANTS: Sequence[Patch] = (
    requeues_what_had_started_and_does_not_look_first,
    sends_without_go,
    answers_go_for_a_lease_that_does_not_stand,
    voids_what_it_cannot_find,
    keeps_its_leases_without_a_stream,
    ignores_facts_after_a_decision,
    sweeps_before_the_pages,
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_protocol_fault_is_found(mutant: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some run within the budget breaks an invariant, or the machines refuse what cannot happen."""
    mutant(monkeypatch)
    for seed in range(BUDGET):
        try:
            play(seed)
        except (AssertionError, KeyError):
            return
    pytest.fail(f"{mutant.__name__} survived {BUDGET} runs")
