"""A broken run is told in few steps."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.mutants.search import finding, last_found
from tests.simulation.play import run_of
from tests.simulation.shrink import shrunk


@pytest.mark.timeout(400)  # three thousand runs
def test_a_run_that_breaks_is_shortened_to_what_breaks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS["gives_go_to_everything"]
    seed = finding(mutant, last_found()[mutant.name])
    assert seed is not None
    mutant.patch(monkeypatch)
    short = shrunk(seed, mutant.focus)
    assert short.broke.startswith("Violation: I8")
    assert len(short.numbers) < len(run_of(seed, mutant.focus)[1]) / 2


def test_a_sound_run_has_nothing_to_shrink() -> None:
    with pytest.raises(ValueError, match="sound"):
        shrunk(0)
