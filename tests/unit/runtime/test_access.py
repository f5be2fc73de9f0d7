"""Who may open a file on Windows, as its security descriptors say it."""

from __future__ import annotations

import pytest
from messenger_hub.runtime.system.access import is_private, private_to, strangers, whom

USER = "S-1-5-21-1004336348-1177238915-682003330-1001"
OWN = f"D:PAI(A;OICI;FA;;;{USER})"
INHERITED = f"D:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)(A;OICIID;FA;;;{USER})"


def test_what_is_written_lets_one_user_in_and_inherits_nothing() -> None:
    for folder in (True, False):
        written = private_to(USER, folder=folder)
        assert whom(written) == USER
        assert is_private(written, {USER})
    assert "OICI" in private_to(USER, folder=True)
    assert "OICI" not in private_to(USER, folder=False)


@pytest.mark.parametrize("descriptor", [OWN, INHERITED, f"D:P(A;;FA;;;{USER})(A;;FR;;;OW)(D;;FA;;;WD)"])
def test_the_user_the_owner_and_who_administers_the_machine_are_no_strangers(descriptor: str) -> None:
    assert strangers(descriptor, {USER}) == []


@pytest.mark.parametrize(
    ("descriptor", "found"),
    [
        (f"{INHERITED}(A;ID;0x1200a9;;;BU)", ["BU"]),
        (f"D:P(A;;FR;;;WD)(A;;FR;;;AU)(A;;FA;;;{USER})", ["AU", "WD"]),
        ("D:(A;;FA;;;S-1-5-21-1-2-3-1002)", ["S-1-5-21-1-2-3-1002"]),
        ("D:NO_ACCESS_CONTROL", ["WD"]),
        ("", ["WD"]),
    ],
)
def test_everybody_else_is(descriptor: str, found: list[str]) -> None:
    assert strangers(descriptor, {USER}) == found
    assert not is_private(descriptor, {USER})


def test_what_is_inherited_may_change_with_the_folder_above_and_is_not_private() -> None:
    assert not is_private(INHERITED, {USER})
    assert is_private(OWN, {USER})


def test_a_user_may_have_an_abbreviation() -> None:
    assert strangers("D:P(A;;FA;;;LA)", {"S-1-5-21-1-2-3-500", "LA"}) == []
