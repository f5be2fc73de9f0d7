from __future__ import annotations

import pytest
from messenger_hub.runtime.folder import FolderError, FolderUnusable
from messenger_hub_agent.updating.choice import Choice
from messenger_hub_cli.machine import clock, wa_js
from messenger_hub_server.checks import Verdict

SHIPPED = Choice(pinned="4.6.0")


@pytest.mark.parametrize(("seconds", "verdict"), [(0.0, Verdict.GOOD), (59.0, Verdict.GOOD), (-3600.0, Verdict.BAD)])
def test_a_clock_that_is_off_says_by_how_much_and_what_to_do(seconds: float, verdict: Verdict) -> None:
    found = clock(seconds)
    assert found.verdict is verdict
    assert verdict is Verdict.GOOD or found.said == "3600 s behind: let the system set it by the network"


@pytest.mark.parametrize(
    ("choice", "verdict", "said"),
    [
        (SHIPPED, Verdict.GOOD, "wa-js 4.6.0 is used, which the desktop app ships"),
        (SHIPPED.wanted("4.7.0").fits().sent(), Verdict.GOOD, "wa-js 4.7.0 is used; the desktop app ships 4.6.0"),
        (
            SHIPPED.wanted("4.7.0").failed("needed and missing: Cmd", 0),
            Verdict.LOOK,
            "wa-js 4.6.0 is used; 4.7.0 was tried and rejected (needed and missing: Cmd)",
        ),
        (FolderUnusable("/x is damaged: delete it."), Verdict.BAD, "/x is damaged: delete it"),
    ],
)
def test_the_doctor_says_which_wa_js_is_used_and_why(choice: Choice | FolderError, verdict: Verdict, said: str) -> None:
    found = wa_js(choice)
    assert (found.verdict, found.said) == (verdict, said)
