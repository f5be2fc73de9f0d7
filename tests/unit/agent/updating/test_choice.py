"""Which wa-js is used, as the table says."""

from __future__ import annotations

from itertools import product

import pytest
from messenger_hub_agent.updating.choice import MOST_REJECTIONS, TABLE, Choice, Happening, Stage, described, is_newer

PINNED = Choice(pinned="4.6.0")
CANDIDATE = PINNED.wanted("4.7.0")
PROVING = CANDIDATE.fits()
ADOPTED = PROVING.sent()
REJECTED = CANDIDATE.failed("needed and missing: ChatStore", 5)


@pytest.mark.parametrize(
    ("choice", "stage", "in_use"),
    [
        (PINNED, Stage.PINNED, "4.6.0"),
        (CANDIDATE, Stage.CANDIDATE, "4.7.0"),
        (PROVING, Stage.PROVING, "4.7.0"),
        (ADOPTED, Stage.ADOPTED, "4.7.0"),
        (REJECTED, Stage.REJECTED, "4.6.0"),
        (PROVING.failed("its first message failed", 6), Stage.REJECTED, "4.6.0"),
        (ADOPTED.wanted("4.8.0"), Stage.CANDIDATE, "4.8.0"),
        (ADOPTED.wanted("4.8.0").failed("it does not fit", 7), Stage.REJECTED, "4.7.0"),
        (ADOPTED.wanted("4.8.0").fits().sent(), Stage.ADOPTED, "4.8.0"),
        (ADOPTED.back(), Stage.PINNED, "4.6.0"),
        (PROVING.back(), Stage.PINNED, "4.6.0"),
        (REJECTED.wanted("4.7.0"), Stage.CANDIDATE, "4.7.0"),
    ],
)
def test_every_stage_says_what_is_used_and_is_described(choice: Choice, stage: Stage, in_use: str) -> None:
    assert (choice.stage, choice.in_use) == (stage, in_use)
    assert in_use in described(choice)
    assert choice.on_trial(in_use) == (stage in (Stage.CANDIDATE, Stage.PROVING))


def test_what_cannot_happen_is_refused() -> None:
    settled = (Stage.PINNED, Stage.ADOPTED, Stage.REJECTED)
    decisions = (Happening.FITS, Happening.SENT, Happening.FAILED)
    assert {*product(Stage, Happening)} - {*TABLE} == {*product(settled, decisions)}
    with pytest.raises(KeyError):
        PINNED.sent()


def test_a_rejection_is_remembered_with_its_reason_and_its_time() -> None:
    rejection = REJECTED.wanted("4.8.0").fits().sent().rejection("4.7.0")
    assert rejection is not None
    assert (rejection.reason, rejection.at_ms) == ("needed and missing: ChatStore", 5)
    assert REJECTED.rejection("4.8.0") is None


def test_only_the_last_rejections_are_remembered() -> None:
    choice = PINNED
    for number in range(MOST_REJECTIONS + 1):
        choice = choice.wanted(f"5.0.{number}").failed("it does not fit", number)
    assert len(choice.rejections) == MOST_REJECTIONS
    assert choice.rejection("5.0.0") is None


@pytest.mark.parametrize(
    ("choice", "pinned", "in_use"),
    [
        (ADOPTED, "4.8.0", "4.8.0"),
        (PROVING, "4.8.0", "4.8.0"),
        (ADOPTED, "4.6.1", "4.7.0"),
        (ADOPTED, "4.6.0", "4.7.0"),
        (PINNED, "4.8.0", "4.8.0"),
        (PINNED, "4.5.0", "4.5.0"),
        (PINNED.wanted("4.5.0").fits().sent(), "4.6.0", "4.5.0"),
    ],
)
def test_a_release_that_pins_a_newer_one_than_is_used_goes_back_to_what_it_ships(
    choice: Choice, pinned: str, in_use: str
) -> None:
    assert choice.shipped_with(pinned).in_use == in_use


def test_versions_are_compared_by_their_numbers() -> None:
    assert is_newer("4.10.0", "4.9.9")
    assert not is_newer("4.6.0", "4.6.0")
