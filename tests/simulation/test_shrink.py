"""A broken run is told in few steps."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.mutants.search import finding, last_found
from tests.simulation.play import run_of
from tests.simulation.shrink import shrunk


@pytest.mark.parametrize("name", ["gives_go_to_everything", "keeps_the_streams_of_a_former_owner"])
def test_a_run_that_breaks_is_shortened_to_what_breaks_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS[name]
    seed = finding(mutant, last_found()[mutant.name])
    assert seed is not None
    mutant.patch(monkeypatch)
    few, fewest = shrunk(seed, mutant.focus, tries=10), shrunk(seed, mutant.focus)
    assert few.broke.split()[:2] == fewest.broke.split()[:2]
    assert len(fewest.numbers) < len(few.numbers) < len(run_of(seed, mutant.focus)[1])
    assert len(fewest.numbers) < len(run_of(seed, mutant.focus)[1]) / 10


def test_a_sound_run_has_nothing_to_shrink() -> None:
    with pytest.raises(ValueError, match="sound"):
        shrunk(0)
