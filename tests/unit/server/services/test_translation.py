"""Domain values → the contract's messages."""

import pytest
from messenger_hub.v1 import operation_pb2
from messenger_hub_server.errors import ValidationFailed
from messenger_hub_server.model import (
    Event,
    JournalId,
    LeaseId,
    LeaseMark,
    OperationId,
    OperationKind,
    OperationState,
    Problem,
)
from messenger_hub_server.services import translation
from msgspec.structs import replace

from tests.unit.server.services.test_explanation import NOW, PENDING

LEASE = LeaseMark(epoch=1, lease_id=LeaseId("1"), journal_id=JournalId("1"))


def event(number: int, state: OperationState, reason: str = "because") -> Event:
    return Event(id=number, operation_id=OperationId(7), state=state, at_ms=NOW + number, reason=reason)


@pytest.mark.parametrize("state", list(OperationState))
def test_every_state_has_its_own_word_for_clients_and_back(state: OperationState) -> None:
    assert translation.state_of(translation.status_of(state)) is state


def test_clients_see_a_lease_as_processing() -> None:
    assert translation.status_of(OperationState.LEASED) == operation_pb2.OPERATION_STATUS_PROCESSING


def test_the_whatsapp_id_is_shown_only_once_an_agent_may_have_sent_it() -> None:
    leased = replace(PENDING, state=OperationState.LEASED, lease=LEASE)
    started = replace(leased, lease=replace(LEASE, started=True))
    assert translation.operation_message(PENDING, "").whatsapp_message_id == ""
    assert translation.operation_message(leased, "").whatsapp_message_id == ""
    assert translation.operation_message(started, "").whatsapp_message_id == "3EB0"
    assert translation.operation_message(replace(PENDING, state=OperationState.SENT), "").whatsapp_message_id == "3EB0"


def test_a_contact_operation_has_no_message_id() -> None:
    saved = replace(PENDING, kind=OperationKind.SAVE_CONTACT, state=OperationState.SUCCEEDED)
    assert translation.operation_message(saved, "").whatsapp_message_id == ""


@pytest.mark.parametrize("state", list(OperationState))
def test_a_problem_is_told_only_while_it_matters(state: OperationState) -> None:
    problem = Problem(code="account_restricted", message="Wait.")
    told = translation.operation_message(replace(PENDING, state=state, problem=problem), "")
    assert told.HasField("error") is (state in (OperationState.FAILED, OperationState.UNCERTAIN))


def test_events_that_a_client_cannot_tell_apart_become_one_entry() -> None:
    events = [
        event(1, OperationState.PENDING, "Accepted"),
        event(2, OperationState.LEASED, "Leased"),
        event(3, OperationState.LEASED, "Imported"),
        event(4, OperationState.PENDING, "Given back"),
        event(5, OperationState.CANCELLED, "Cancelled"),
    ]
    told = translation.transitions(events)
    assert [(t.status, t.reason) for t in told] == [
        (operation_pb2.OPERATION_STATUS_PENDING, "Accepted"),
        (operation_pb2.OPERATION_STATUS_PROCESSING, "Imported"),
        (operation_pb2.OPERATION_STATUS_PENDING, "Given back"),
        (operation_pb2.OPERATION_STATUS_CANCELLED, "Cancelled"),
    ]
    assert translation.milliseconds(told[1].at) == NOW + 2


@pytest.mark.parametrize("number", [0, 1, 10**17])
def test_a_cursor_is_opaque_and_comes_back(number: int) -> None:
    assert str(number) not in translation.cursor(number)
    assert translation.cursor_number(translation.cursor(number)) == number


@pytest.mark.parametrize("text", ["x", "123", "%%%", "bWgxOg", "bWgxOi0x", "é", "A" * 500])
def test_anything_else_is_no_cursor(text: str) -> None:
    with pytest.raises(ValidationFailed):
        translation.cursor_number(text)


def test_times_keep_their_milliseconds() -> None:
    stamp = translation.timestamp(NOW + 7)
    assert stamp is not None
    assert stamp.ToJsonString() == "2026-11-24T10:00:00.007Z"
    assert translation.milliseconds(stamp) == NOW + 7
