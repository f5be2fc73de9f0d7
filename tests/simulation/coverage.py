"""What runs have shown so far: how much was played, and which faults and transitions it met."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from messenger_hub_server.delivery.states import TRANSITIONS
from messenger_hub_server.model import OperationState

from tests.simulation.faults import FAULTS
from tests.simulation.world import MISFORTUNES, World


@dataclass(slots=True)
class Sum:
    """Over some runs. `broken`: seeds, and what each broke."""

    steps: int = 0
    runs: int = 0
    transitions: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults_in: Counter[tuple[str, str]] = field(default_factory=Counter)
    broken: list[tuple[int, str]] = field(default_factory=list)

    def add_run(self, world: World) -> None:
        """One that was sound."""
        self.runs += 1
        self.steps += world.steps
        self.transitions += world.oracle.transitions
        self.faults_in += world.faults_in

    def add(self, other: Sum) -> None:
        """Both together."""
        self.steps += other.steps
        self.runs += other.runs
        self.transitions += other.transitions
        self.faults_in += other.faults_in
        self.broken += other.broken

    def unseen_transitions(self) -> Sequence[tuple[OperationState, OperationState]]:
        """Those of the table that no operation has made."""
        pairs = [(state, to) for state, targets in TRANSITIONS.items() for to in sorted(targets)]
        return [(state, to) for state, to in pairs if not self.transitions[state.value, to.value]]

    def unseen_pairs(self) -> Sequence[tuple[str, OperationState]]:
        """A fault, and a state in which no operation was when it came."""
        names = [*(fault.__name__ for fault in FAULTS), *MISFORTUNES]
        return [(name, state) for name in names for state in OperationState if not self.faults_in[name, state.value]]
