"""Where an operation stands that is accepted."""

from __future__ import annotations

from messenger_hub_server.delivery.acceptance import Places, operation
from messenger_hub_server.model import NewOperation, OperationId, WaId
from msgspec.structs import replace

from tests.fakes.draft import DRAFT


def accepted(places: Places, now_ms: int, send_at_ms: int | None = None) -> NewOperation:
    return operation(replace(DRAFT, send_at_ms=send_at_ms), OperationId(1), WaId("3EB0"), places, now_ms)


def test_what_is_accepted_later_stands_behind_what_was_accepted_while_the_clock_was_ahead() -> None:
    places = Places()
    assert [accepted(places, now_ms).place_ms for now_ms in (100, 900, 200, 300, 950)] == [100, 900, 900, 900, 950]


def test_after_a_restart_it_stands_behind_what_waits() -> None:
    assert accepted(Places(900), 200).place_ms == 900


def test_what_is_held_stands_at_its_time_and_moves_nobody() -> None:
    places = Places()
    held = accepted(places, 100, send_at_ms=500)
    assert (held.place_ms, held.send_at_ms, held.accepted_at_ms) == (500, 500, 100)
    assert accepted(places, 200).place_ms == 200


def test_a_time_that_has_come_is_kept_and_gives_no_place() -> None:
    late = accepted(Places(), 100, send_at_ms=50)
    assert (late.place_ms, late.send_at_ms) == (100, 50)
