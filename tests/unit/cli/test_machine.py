from __future__ import annotations

import pytest
from messenger_hub_cli.machine import clock
from messenger_hub_server.checks import Verdict


@pytest.mark.parametrize(("seconds", "verdict"), [(0.0, Verdict.GOOD), (59.0, Verdict.GOOD), (-3600.0, Verdict.BAD)])
def test_a_clock_that_is_off_says_by_how_much_and_what_to_do(seconds: float, verdict: Verdict) -> None:
    found = clock(seconds)
    assert found.verdict is verdict
    assert verdict is Verdict.GOOD or found.said == "3600 s behind: let the system set it by the network"
