"""What the executor makes of what a page shows."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_agent.delivery.work import Clear, Ended, Found, GiveBack, Impossible, Unclear
from messenger_hub_agent.executor import CONTACT_SECONDS, NO_ANSWER, PENDING_SECONDS, Executor
from messenger_hub_agent.updating.choice import Stage
from messenger_hub_agent.updating.trial import Trial
from messenger_hub_agent.whatsapp.page import (
    Existence,
    PageError,
    PageGone,
    PageTimeout,
    SeenMessage,
    SendResult,
)

from tests.fakes.clock import FakeClock
from tests.fakes.page import LINKED, OWN, UNLINKED, FakePage
from tests.fakes.trial import NEWER, FakeMemory, no_trial, trying

CHAT = "12025550111@c.us"
WA_ID = "3EB0" + "0" * 18
MESSAGE = pb.Lease(lease_id="1", whatsapp_id=WA_ID, send_text=pb.SendText(chat=CHAT, text="Hi"))
SAVE = pb.Lease(lease_id="2", save_contact=pb.SaveContact(contact=CHAT, name="Ana"))
REMOVE = pb.Lease(lease_id="3", remove_contact=pb.RemoveContact(contact=CHAT))
HOUR = 3600.0


def seen(ack: int, code: int | None = None) -> SeenMessage:
    return SeenMessage(message_id=f"true_{CHAT}_{WA_ID}", wa_id=WA_ID, chat=CHAT, ack=ack, error_code=code)


def somebody() -> Existence:
    return Existence(wid=CHAT, lid=None)


class Room:
    """An executor with its page and its clock; a wait for the page is over at once, and half a minute has gone."""

    def __init__(self, trial: Trial | None = None, **page: object) -> None:
        self.page = FakePage(**page)  # type: ignore[arg-type]
        self.clock = FakeClock()
        self.executor = Executor(self.page, self.clock, trial or no_trial())
        self.executor.wake = _Over(self.clock)


class _Over(asyncio.Event):
    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    async def wait(self) -> bool:  # type: ignore[override]
        self._clock.goes(30)
        return True


async def test_a_page_that_is_not_ready_gives_everything_back() -> None:
    assert isinstance(await Room(now=UNLINKED).executor.check(MESSAGE), GiveBack)
    assert isinstance(await Room(now=replace(LINKED, synced=False)).executor.check(SAVE), GiveBack)
    assert isinstance(await Room(now=PageTimeout("hung")).executor.check(MESSAGE), GiveBack)


async def test_a_message_that_is_there_already_is_found_before_anything_is_sent() -> None:
    assert await Room(held={WA_ID: seen(1)}).executor.check(MESSAGE) == Found()


async def test_a_chat_that_exists_needs_no_look_up_of_its_number() -> None:
    assert await Room(chats={CHAT}).executor.check(MESSAGE) == Clear(new_chat=False)


async def test_a_number_that_is_found_may_start_a_new_chat() -> None:
    assert await Room(numbers={CHAT: somebody()}).executor.check(MESSAGE) == Clear(new_chat=True)


async def test_a_restricted_account_gives_new_chats_back_until_the_time_that_whatsapp_names() -> None:
    room = Room(numbers={CHAT: somebody()})
    room.page.now = replace(LINKED, restricted_until=room.clock.seconds + HOUR)
    assert await room.executor.check(MESSAGE) == GiveBack(
        reason="WhatsApp lets this account write to existing chats only", wait_ms=3_600_000
    )
    room.page.chats.add(CHAT)
    assert await room.executor.check(MESSAGE) == Clear(new_chat=False)


async def test_not_on_whatsapp_needs_two_noes_apart_and_a_yes_for_the_own_number() -> None:
    room = Room(numbers={OWN: somebody()})
    assert isinstance(await room.executor.check(MESSAGE), GiveBack)
    room.clock.goes(19)
    assert isinstance(await room.executor.check(MESSAGE), GiveBack)
    room.clock.goes(1)
    answer = await room.executor.check(MESSAGE)
    assert isinstance(answer, Impossible)
    assert answer.code == "not_on_whatsapp"


async def test_a_no_while_the_own_number_is_not_found_either_proves_nothing() -> None:
    room = Room()
    for _ in range(5):
        assert isinstance(await room.executor.check(MESSAGE), GiveBack)
        room.clock.goes(21)


async def test_a_look_up_that_breaks_gives_back() -> None:
    broken = PageError("script_error", "the network did not answer")
    assert isinstance(await Room(numbers={CHAT: broken}).executor.check(MESSAGE), GiveBack)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (SendResult(ack=1, result="OK", error_code=None, message_id="m"), Ended(kind=pb.Outcome.KIND_SENT)),
        (SendResult(ack=0, result="OK", error_code=None, message_id="m"), Unclear()),
        (SendResult(ack=-1, result="ERROR_UNKNOWN", error_code=463, message_id="m"), Unclear()),
        (SendResult(ack=1, result="EXISTS", error_code=None, message_id="m"), Unclear()),
        (PageTimeout("no ack"), Unclear()),
        (PageGone("crashed"), Unclear()),
        (PageError("script_error", "something new"), Unclear()),
    ],
)
async def test_only_ok_with_an_ack_is_sent_and_all_doubts_are_looked_up(
    answer: SendResult | PageError, expected: object
) -> None:
    assert await Room(sends=answer).executor.perform(MESSAGE) == expected


LOST = PageTimeout("its answer got lost")


async def test_a_page_that_leaves_a_number_unanswered_twice_is_to_go_and_the_number_waits_longer_each_time() -> None:
    room = Room(numbers={CHAT: LOST})
    for page_is_to_go, wait in ((False, 5), (True, 10)):
        assert await room.executor.check(MESSAGE) == GiveBack(reason=NO_ANSWER, wait_ms=wait * 1000)
        assert room.executor.page_is_to_go.is_set() is page_is_to_go
        room.clock.goes(wait)


async def test_a_number_that_waits_is_given_back_without_a_word_to_the_page() -> None:
    room = Room(numbers={CHAT: LOST})
    await room.executor.check(MESSAGE)
    room.page.now = PageError("script_error", "nobody was to ask")
    room.clock.goes(2)
    assert await room.executor.check(MESSAGE) == GiveBack(reason=NO_ANSWER, wait_ms=3_000)
    assert await Room(chats={CHAT}).executor.check(MESSAGE) == Clear(new_chat=False)


async def test_a_page_that_answers_nothing_at_all_is_not_the_executors_to_end() -> None:
    room = Room(now=LOST)
    for _ in range(3):
        assert await room.executor.check(MESSAGE) == GiveBack(reason=NO_ANSWER, wait_ms=5_000)
    assert not room.executor.page_is_to_go.is_set()


async def test_a_chat_whose_name_is_asked_for_twice_in_vain_lets_the_page_go_too() -> None:
    room = Room(numbers={CHAT: somebody()}, keys=LOST)
    for page_is_to_go in (False, True):
        assert await room.executor.check(MESSAGE) == Clear(new_chat=True)
        assert await room.executor.perform(MESSAGE) == Ended(kind=pb.Outcome.KIND_VOID)
        assert room.executor.page_is_to_go.is_set() is page_is_to_go
        room.clock.goes(60)
    assert "send_text" not in room.page.asked


async def test_a_doubt_that_is_looked_up_twice_in_vain_stays_a_doubt_and_lets_the_page_go() -> None:
    room = Room(held={WA_ID: LOST})
    for page_is_to_go in (False, True):
        assert await room.executor.reconcile(MESSAGE) == Unclear()
        assert room.executor.page_is_to_go.is_set() is page_is_to_go


async def test_a_message_that_is_sent_in_between_begins_the_count_anew() -> None:
    room = Room(numbers={CHAT: LOST})
    await room.executor.check(MESSAGE)
    assert await room.executor.perform(MESSAGE) == Ended(kind=pb.Outcome.KIND_SENT)
    await room.executor.check(MESSAGE)
    assert not room.executor.page_is_to_go.is_set()


async def test_a_page_that_was_opened_anew_begins_the_count_anew() -> None:
    room = Room(held={WA_ID: LOST})
    await room.executor.reconcile(MESSAGE)
    room.executor.page_loaded()
    await room.executor.reconcile(MESSAGE)
    assert not room.executor.page_is_to_go.is_set()


@pytest.mark.parametrize("problem", [PageTimeout("WhatsApp went away"), PageGone("crashed")])
async def test_a_page_that_fails_before_it_is_told_to_send_has_sent_nothing(problem: PageError) -> None:
    room = Room(keys=problem)
    assert await room.executor.perform(MESSAGE) == Ended(kind=pb.Outcome.KIND_VOID)
    assert "send_text" not in room.page.asked


async def test_what_wa_js_throws_before_a_message_is_made_fails_with_its_code() -> None:
    failed = await Room(sends=PageError("invalid_wid", "")).executor.perform(MESSAGE)
    assert isinstance(failed, Ended)
    assert (failed.kind, failed.code) == (pb.Outcome.KIND_FAILED, "invalid_wid")


@pytest.mark.parametrize(
    ("found", "kind", "code"),
    [
        (seen(1), pb.Outcome.KIND_SENT, ""),
        (seen(3), pb.Outcome.KIND_SENT, ""),
        (seen(-1, 463), pb.Outcome.KIND_FAILED, "account_restricted"),
        (seen(-1, 479), pb.Outcome.KIND_FAILED, "whatsapp_479"),
        (seen(-1), pb.Outcome.KIND_UNCERTAIN, "whatsapp_error"),
        (None, pb.Outcome.KIND_UNCERTAIN, "not_found_afterwards"),
        (seen(0), pb.Outcome.KIND_UNCERTAIN, "no_answer"),
    ],
)
async def test_the_table_of_a_doubt(found: SeenMessage | None, kind: int, code: str) -> None:
    room = Room(held={WA_ID: found} if found else {})
    began = room.clock.seconds
    ended = await room.executor.reconcile(MESSAGE)
    assert isinstance(ended, Ended)
    assert (ended.kind, ended.code) == (kind, code)
    waited = room.clock.seconds - began
    assert waited > PENDING_SECONDS if code == "no_answer" else waited == 0


async def test_nothing_is_called_absent_by_a_page_that_is_not_synchronised() -> None:
    assert await Room(now=replace(LINKED, synced=False)).executor.reconcile(MESSAGE) == Unclear()
    assert await Room(held={WA_ID: PageGone("crashed")}).executor.reconcile(MESSAGE) == Unclear()


async def test_a_contact_is_read_back_before_it_succeeds() -> None:
    room = Room()
    assert await room.executor.perform(SAVE) == Ended(kind=pb.Outcome.KIND_SUCCEEDED)
    assert room.page.book == {CHAT: "Ana"}
    assert await room.executor.perform(REMOVE) == Ended(kind=pb.Outcome.KIND_SUCCEEDED)
    assert room.page.book == {}


async def test_a_phone_that_does_not_store_is_waited_for_then_told() -> None:
    room = Room(stores=False)
    began = room.clock.seconds
    failed = await room.executor.perform(SAVE)
    assert isinstance(failed, Ended)
    assert failed.code == "phone_did_not_store"
    assert room.clock.seconds - began > CONTACT_SECONDS


@pytest.mark.parametrize("code", ["contact_not_found", "number_is_not_your_contact"])
async def test_removing_what_is_not_there_succeeds(code: str) -> None:
    assert await Room(refuses=PageError(code, "")).executor.perform(REMOVE) == Ended(kind=pb.Outcome.KIND_SUCCEEDED)


@pytest.mark.parametrize("code", ["not_ready", "not_injected"])
@pytest.mark.parametrize("change", [SAVE, REMOVE])
async def test_a_contact_on_a_page_that_loads_again_is_looked_up_later_instead_of_failing(
    code: str, change: pb.Lease
) -> None:
    room = Room(refuses=PageError(code, "WhatsApp Web is still loading"))
    assert await room.executor.perform(change) == Unclear()


@pytest.mark.parametrize("change", [SAVE, REMOVE])
async def test_a_contact_in_doubt_is_looked_at_and_never_changed_without_a_new_go(change: pb.Lease) -> None:
    as_it_was = {CHAT: "Ana before"}
    room = Room(book=dict(as_it_was))
    assert await room.executor.reconcile(change) == Ended(kind=pb.Outcome.KIND_VOID)
    assert room.page.book == as_it_was
    as_asked = Room(book={CHAT: "Ana"} if change is SAVE else {})
    assert await as_asked.executor.reconcile(change) == Ended(kind=pb.Outcome.KIND_SUCCEEDED)


async def test_a_contact_on_a_page_that_is_not_synchronised_is_looked_up_later() -> None:
    assert await Room(now=replace(LINKED, synced=False)).executor.reconcile(SAVE) == Unclear()


# ---- a wa-js on trial -----------------------------------------------------------------------------------------------------------


class Tried(Room):
    """A page with a newer wa-js that has passed its check."""

    def __init__(self, **page: object) -> None:
        self.memory = FakeMemory()
        self.trial = trying(self.memory)
        self.trial.checked(NEWER.version, [])
        super().__init__(self.trial, wa_js_version=NEWER.version, chats={CHAT}, **page)

    @property
    def stage(self) -> Stage:
        return self.memory.kept[-1].stage


async def test_a_message_that_whatsapp_has_taken_adopts_it() -> None:
    room = Tried()
    assert await room.executor.perform(MESSAGE) == Ended(kind=pb.Outcome.KIND_SENT)
    assert room.stage is Stage.ADOPTED


@pytest.mark.parametrize("problem", [PageError("script_error", "x is no function"), PageError("unknown_answer", "")])
async def test_a_script_that_fails_while_sending_rejects_it_and_what_it_did_is_looked_up(problem: PageError) -> None:
    room = Tried(sends=problem)
    assert await room.executor.perform(MESSAGE) == Unclear()
    assert room.stage is Stage.REJECTED


async def test_a_script_that_fails_before_it_sends_rejects_it_and_the_message_goes_back() -> None:
    room = Tried(keys=PageError("script_error", "x is no function"))
    assert await room.executor.perform(MESSAGE) == Ended(kind=pb.Outcome.KIND_VOID)
    assert room.stage is Stage.REJECTED


async def test_a_contact_on_which_it_fails_is_looked_at_instead_of_failing() -> None:
    room = Tried(refuses=PageError("script_error", "x is no function"))
    assert await room.executor.perform(SAVE) == Unclear()
    assert room.stage is Stage.REJECTED


async def test_a_check_on_which_it_fails_gives_the_message_back_and_rejects_it() -> None:
    room = Tried(held={WA_ID: PageError("script_error", "x is no function")})
    assert isinstance(await room.executor.check(MESSAGE), GiveBack)
    assert room.stage is Stage.REJECTED


@pytest.mark.parametrize(
    "answer",
    [
        PageError("invalid_wid", ""),
        PageGone("crashed"),
        PageTimeout("no ack"),
        SendResult(ack=-1, result="ERROR_UNKNOWN", error_code=463, message_id="m"),
    ],
)
async def test_a_failure_that_does_not_point_at_it_decides_nothing(answer: PageError | SendResult) -> None:
    room = Tried(sends=answer)
    await room.executor.perform(MESSAGE)
    assert room.stage is Stage.PROVING


async def test_a_message_that_it_never_answered_for_and_that_is_nowhere_rejects_it() -> None:
    room = Tried(sends=PageTimeout("no answer"))
    assert await room.executor.perform(MESSAGE) == Unclear()
    ended = await room.executor.reconcile(MESSAGE)
    assert isinstance(ended, Ended) and ended.code == "not_found_afterwards"
    assert room.stage is Stage.REJECTED


async def test_a_message_from_before_the_trial_that_is_nowhere_decides_nothing() -> None:
    room = Tried()
    await room.executor.reconcile(MESSAGE)
    assert room.stage is Stage.PROVING


async def test_a_chat_that_it_leaves_unanswered_twice_rejects_it_and_the_page_goes_with_it() -> None:
    room = Tried(held={WA_ID: LOST})
    for stage in (Stage.PROVING, Stage.REJECTED):
        assert isinstance(await room.executor.check(MESSAGE), GiveBack)
        assert room.stage is stage
        room.clock.goes(60)
    assert not room.executor.page_is_to_go.is_set()


async def test_nothing_is_begun_on_a_page_whose_wa_js_is_to_go() -> None:
    room = Room(trying(FakeMemory()), chats={CHAT})
    assert isinstance(await room.executor.check(MESSAGE), GiveBack)
    assert await room.executor.perform(MESSAGE) == Ended(kind=pb.Outcome.KIND_VOID)
    assert "send_text" not in room.page.asked
