"""A death at every failpoint, with one seed; `python -m tests.torture.failpoints` walks them with three."""

from __future__ import annotations

from pathlib import Path

import pytest
from messenger_hub.runtime.failpoints import Failpoint

from tests.torture.failpoints.plan import programs
from tests.torture.failpoints.walk import walk

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

SEED = 1
WORLDS = 3  # most of the time is waiting for programs that start


def test_a_death_at_any_failpoint_loses_nothing_and_sends_nothing_twice(tmp_path: Path) -> None:
    walked = walk(tmp_path, [SEED], worlds=WORLDS)
    assert walked.problems == []
    died = [(run.point, run.program) for run in walked.runs]
    assert sorted(died) == sorted((point, program) for point in Failpoint for program in programs(point))
