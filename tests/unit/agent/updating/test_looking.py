"""What of npm's offers is tried."""

from __future__ import annotations

import pytest
from messenger_hub_agent.updating.choice import Choice
from messenger_hub_agent.updating.looking import is_wanted
from messenger_hub_agent.updating.problems import RejectedBefore

PINNED = Choice(pinned="4.6.0")
REJECTED = PINNED.wanted("4.7.0").failed("needed and missing: ChatStore", 5)


@pytest.mark.parametrize(
    ("choice", "offered", "named", "wanted"),
    [
        (PINNED, "4.7.0", "", True),
        (PINNED, "4.6.0", "", False),
        (PINNED, "4.5.9", "", False),
        (PINNED, "4.5.9", "4.5.9", True),
        (PINNED, "4.6.0", "4.6.0", False),
        (PINNED.wanted("4.7.0"), "4.7.0", "", False),
        (PINNED.wanted("4.7.0").fits(), "4.8.0", "", True),
        (REJECTED, "4.8.0", "", True),
        (REJECTED, "4.7.0", "4.7.0", True),
    ],
)
def test_the_latest_is_tried_where_it_is_newer_and_what_is_named_where_it_is_another(
    choice: Choice, offered: str, named: str, wanted: bool
) -> None:
    assert is_wanted(choice, offered, named) is wanted


def test_what_was_rejected_here_is_not_taken_again_unless_it_is_named() -> None:
    with pytest.raises(RejectedBefore, match=r"4\.7\.0 was rejected on the desktop .*ChatStore.*--to 4\.7\.0"):
        is_wanted(REJECTED, "4.7.0", "")
