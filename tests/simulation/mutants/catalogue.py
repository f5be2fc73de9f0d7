"""The catalogue: what a protocol fault is, how it gets into the real logic, and which faults of the world its runs use."""

from __future__ import annotations
import __future__

import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType, ModuleType

import pytest

from tests.simulation.faults import FAULTS
from tests.simulation.plan import Focus
from tests.simulation.play import ANY

Patch = Callable[[pytest.MonkeyPatch], None]

# Which faults a mutant's runs use.
CLOCKS = frozenset({"clock_jump", "server_crash"})
CUTS = frozenset({"cut", "server_crash", "agent_crash", "page_crash"})
FOLDERS = frozenset({"cut", "folder_lost", "folder_kept", "folder_rolled_back", "copy_started"})
MOVES = frozenset({"cut", "move", "forced_move", "agent_crash"})
RESTORES = frozenset({"cut", "database_kept", "database_restored"})
RESTORES_AND_CRASHES = RESTORES | {"agent_crash", "page_crash", "network_away"}
RESTORES_AND_MOVES = RESTORES | {"move", "forced_move", "folder_lost"}
COPIES = frozenset({"database_kept", "database_restored"})
ROLLED_BACK = frozenset({"folder_kept", "folder_rolled_back"})
NOW = ("file of now",)
THEN = ("disk of then",)
ALL = frozenset(fault.__name__ for fault in FAULTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A fault, what its runs have in common, and how many of them may pass until one finds it."""

    name: str
    why: str
    patch: Patch
    focus: Focus
    runs: int
    held_by: str


MUTANTS: dict[str, Mutant] = {}


def mutant(focus: Focus = ANY, *, runs: int = 400, held_by: str = "") -> Callable[[Patch], Patch]:
    """Puts a patch into the catalogue; its docstring says which rule it breaks. `held_by`: what makes it harmless in this hub."""

    def note(patch: Patch) -> Patch:
        name = patch.__name__  # type: ignore[attr-defined]
        why = inspect.getdoc(patch) or ""
        MUTANTS[name] = Mutant(name=name, why=why, patch=patch, focus=focus, runs=runs, held_by=held_by)
        return patch

    return note


def reworded(patch: pytest.MonkeyPatch, owner: type | ModuleType, name: str, words: Mapping[str, str]) -> None:
    """Replaces words in the source of a function. Raises ValueError when one of them is not there exactly once."""
    found = inspect.getattr_static(owner, name)
    function: FunctionType = found.__func__ if isinstance(found, staticmethod) else found
    source = textwrap.dedent(inspect.getsource(function))
    for old, new in words.items():
        if source.count(old) != 1:
            raise ValueError(f"{name} says {source.count(old)} times: {old}")
        source = source.replace(old, new)
    flags = __future__.annotations.compiler_flag
    made: dict[str, object] = {}
    code = compile(source, f"<mutant of {name}>", "exec", flags=flags)
    exec(code, function.__globals__, made)
    patch.setattr(owner, name, made[name])
