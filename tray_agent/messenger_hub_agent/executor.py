"""Carries operations out in one channel's page: checks before, the act itself, and the look-up after a doubt.

Nothing here decides what the protocol does next; it answers the machine's questions with what WhatsApp shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import assert_never

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime.clock import Clock
from messenger_hub.runtime.failpoints import Failpoint, passing

from messenger_hub_agent.delivery.existence import APART_MS, Doubts
from messenger_hub_agent.delivery.silences import FIRST_WAIT_MS, Silences
from messenger_hub_agent.delivery.work import Checked, Clear, Ended, Found, GiveBack, Impossible, Performed, Unclear
from messenger_hub_agent.updating.trial import Trial
from messenger_hub_agent.whatsapp.page import (
    ACK_ERROR,
    ACK_PENDING,
    SCRIPT_CODES,
    Page,
    PageError,
    PageGone,
    PageTimeout,
    SeenMessage,
)

SEND_SECONDS = 30.0
PENDING_SECONDS = 60.0  # how long a message that WhatsApp's server has not taken is waited for
CONTACT_SECONDS = 60.0  # how long the phone may take to store a contact
LOOK_SECONDS = 1.0  # between two looks

NO_ANSWER = "WhatsApp Web did not answer"
RESTRICTED_CODE = 463
# What wa-js throws before the page has made a message: proof that nothing was sent. Any other error is looked up.
NOTHING_MADE = frozenset(
    {
        "chat_not_found",
        "invalid_wid",
        "not_in_chat",
        "can_not_send_message_to_this_groupType",
        "message_key_is_not_from_me",
        "message_key_remote_id_is_not_same_of_chat",
    }
)
# The page loads again: its answer is about that, not about what was asked.
LOADING = frozenset({"not_injected", "not_ready"})
NOT_HERE = frozenset({"contact_not_found", "number_is_not_your_contact"})

PHONE_DID_NOT_STORE = Ended(
    kind=pb.Outcome.KIND_FAILED,
    code="phone_did_not_store",
    message="The phone did not store the contact: allow WhatsApp to use the contacts in the phone's settings, then try again.",
)
NOTHING_DONE = Ended(kind=pb.Outcome.KIND_VOID)
CHANGING = GiveBack(reason="wa-js is being changed", wait_ms=2_000)
ABSENT = Ended(
    kind=pb.Outcome.KIND_UNCERTAIN,
    code="not_found_afterwards",
    message="WhatsApp Web went away while sending and does not know the message now: look into the chat, then resolve it.",
)
STAYED_PENDING = Ended(
    kind=pb.Outcome.KIND_UNCERTAIN,
    code="no_answer",
    message="WhatsApp's server did not answer within a minute; the message may still go out: look into the chat, then resolve it.",
)
NO_REASON = Ended(
    kind=pb.Outcome.KIND_UNCERTAIN,
    code="whatsapp_error",
    message="WhatsApp marked the message as failed without saying why: look into the chat, then resolve it.",
)


class Executor:
    """One channel's hands. `wake` is set by the channel whenever the page told something, so that waits end early; `page_is_to_go` is set
    for the channel when the page leaves one chat without an answer, as `Silences` decides.

    The trial hears of what a wa-js has done well, and of what points at it: a script's error, a chat that stays without an answer, or a
    message that it took and that WhatsApp Web does not know afterwards. A number that is not on WhatsApp, a refusal or a lost connection does not.
    """

    def __init__(self, page: Page, clock: Clock, trial: Trial) -> None:
        self._page = page
        self._clock = clock
        self._trial = trial
        self._handed_over: dict[str, str] = {}  # to which wa-js, by lease: messages that nobody knows the end of
        self._doubts = Doubts()
        self._silences = Silences()
        self.wake = asyncio.Event()
        self.page_is_to_go = asyncio.Event()

    def page_loaded(self) -> None:
        """The page was opened, or opened anew."""
        self._silences.page_loaded()
        self.page_is_to_go.clear()  # which meant the one before

    @contextmanager
    def _looking_up(self, chat: str) -> Iterator[None]:
        """Something is asked of a chat inside; what follows when it gets no answer is for `Silences` to say."""
        try:
            yield
        except PageTimeout:
            if self._silences.unanswered(chat, self._now_ms()):
                self._let_page_go()
            raise

    def _let_page_go(self) -> None:
        version = self._page.wa_js_version
        if self._trial.on_trial(version):
            # The page goes with it.
            self._trial.failed(version, "it leaves a chat that is looked up without an answer")
        else:
            self.page_is_to_go.set()

    def _now_ms(self) -> int:
        return round(self._clock.monotonic() * 1000)

    # ---- before -------------------------------------------------------------------------------------------------------------

    async def check(self, lease: pb.Lease) -> Checked:
        """Whether the operation may start."""
        passing(Failpoint.AGENT_BEFORE_CHECK)
        checked = await self._check(lease)
        passing(Failpoint.AGENT_AFTER_CHECK)
        return checked

    async def _check(self, lease: pb.Lease) -> Checked:
        if self._page.wa_js_version != self._trial.version:
            return CHANGING
        chat = lease.send_text.chat
        if wait_ms := self._silences.wait_ms(chat, self._now_ms()):
            return GiveBack(reason=NO_ANSWER, wait_ms=wait_ms)
        try:
            state = await self._page.state()
            if not (state.can_send and state.synced):
                return GiveBack(reason="WhatsApp Web is not ready")
            if lease.WhichOneof("action") != "send_text":
                return Clear()
            with self._looking_up(chat):
                return await self._check_message(lease, state.own_id or "", state.restricted_until)
        except (PageGone, PageTimeout):
            return GiveBack(reason=NO_ANSWER, wait_ms=self._silences.wait_ms(chat, self._now_ms()) or FIRST_WAIT_MS)
        except PageError as error:
            self._blame(error)
            return GiveBack(reason=f"WhatsApp Web could not look it up ({error.code})", wait_ms=APART_MS)

    async def _check_message(self, lease: pb.Lease, own_id: str, restricted_until: float | None) -> Checked:
        chat = lease.send_text.chat
        if await self._page.find_message(chat, lease.whatsapp_id) is not None:
            return Found()
        known = await self._page.chat_exists(chat)
        if not known and restricted_until is not None and restricted_until * 1000 > self._clock.now_ms():
            wait_ms = int(restricted_until * 1000) - self._clock.now_ms()
            return GiveBack(reason="WhatsApp lets this account write to existing chats only", wait_ms=wait_ms)
        if known or chat.endswith("@g.us"):
            return Clear(new_chat=not known)
        return await self._check_number(chat, own_id)

    async def _check_number(self, chat: str, own_id: str) -> Checked:
        if await self._page.exists(chat) is not None:
            self._doubts.found(chat)
            return Clear(new_chat=True)
        own = await self._page.exists(own_id) is not None if own_id else False
        state = await self._page.state()
        sound = own and state.can_send
        if self._doubts.not_found(chat, own_number_found=sound, now_ms=self._now_ms()):
            return Impossible(code="not_on_whatsapp", message="The number is not on WhatsApp: check its country code.")
        return GiveBack(reason="Making sure whether the number is on WhatsApp", wait_ms=APART_MS + 1_000)

    # ---- the act ------------------------------------------------------------------------------------------------------------

    async def perform(self, lease: pb.Lease) -> Performed:
        """Carries it out. Unclear when what happened has to be looked up."""
        passing(Failpoint.AGENT_BEFORE_ACT)
        performed = await self._perform(lease)
        passing(Failpoint.AGENT_AFTER_ACT)
        return performed

    async def _perform(self, lease: pb.Lease) -> Performed:
        if self._page.wa_js_version != self._trial.version:
            return NOTHING_DONE
        try:
            match lease.WhichOneof("action"):
                case "send_text":
                    return await self._send(lease)
                case "save_contact":
                    return await self._save(lease.save_contact.contact, lease.save_contact.name)
                case "remove_contact":
                    return await self._remove(lease.remove_contact.contact)
                case None:
                    return Ended(kind=pb.Outcome.KIND_FAILED, code="unknown_action", message="Update the desktop app.")
                case action:
                    assert_never(action)
        except (PageGone, PageTimeout):
            return Unclear()
        except PageError as error:
            is_message = lease.WhichOneof("action") == "send_text"
            if self._blame(error) or error.code in LOADING or (is_message and error.code not in NOTHING_MADE):
                return Unclear()
            message = f"WhatsApp Web refused it ({error.code}): check the recipient."
            return Ended(kind=pb.Outcome.KIND_FAILED, code=error.code, message=message)

    async def _send(self, lease: pb.Lease) -> Performed:
        chat = lease.send_text.chat
        try:
            with self._looking_up(chat):
                message_id = await self._page.serialized_id(chat, lease.whatsapp_id)
        except PageError as error:
            # WhatsApp was only asked how it calls the chat.
            if isinstance(error, PageGone | PageTimeout) or error.code in LOADING or self._blame(error):
                return NOTHING_DONE
            raise
        self._silences.answered(chat)
        passing(Failpoint.AGENT_BEFORE_SEND)
        succeeded = await self._hand_over(lease, message_id)
        passing(Failpoint.AGENT_AFTER_SEND)
        return Ended(kind=pb.Outcome.KIND_SENT) if succeeded else Unclear()

    async def _hand_over(self, lease: pb.Lease, message_id: str) -> bool:
        """Whether WhatsApp's server has it; if not, which wa-js took it is remembered until it was looked up."""
        message, version = lease.send_text, self._page.wa_js_version
        try:
            sent = await self._page.send_text(message.chat, message.text, message_id, timeout_seconds=SEND_SECONDS)
        except PageTimeout:
            self._handed_over[lease.lease_id] = version
            raise
        if sent.succeeded:
            self._trial.sent(version)
        else:
            self._handed_over[lease.lease_id] = version
        return sent.succeeded

    def _blame(self, error: PageError) -> bool:
        """Whether a wa-js on trial is rejected for it: what it could not do is left to the one before."""
        version = self._page.wa_js_version
        blamed = error.code in SCRIPT_CODES and self._trial.on_trial(version)
        if blamed:
            self._trial.failed(version, f"a script of the page failed: {error.code}")
        return blamed

    async def _save(self, contact: str, name: str) -> Performed:
        passing(Failpoint.AGENT_BEFORE_SAVE)
        await self._page.save_contact(contact, name)
        passing(Failpoint.AGENT_AFTER_SAVE)
        deadline = self._clock.monotonic() + CONTACT_SECONDS
        while True:
            if await self._is_saved(contact, name):
                return Ended(kind=pb.Outcome.KIND_SUCCEEDED)
            if self._clock.monotonic() > deadline:
                return PHONE_DID_NOT_STORE
            await self._pause()

    async def _remove(self, contact: str) -> Performed:
        try:
            await self._page.remove_contact(contact)
        except (PageGone, PageTimeout):
            raise
        except PageError as error:
            if error.code not in NOT_HERE:
                raise
        deadline = self._clock.monotonic() + CONTACT_SECONDS
        while True:
            if await self._is_removed(contact):
                return Ended(kind=pb.Outcome.KIND_SUCCEEDED)
            if self._clock.monotonic() > deadline:
                return PHONE_DID_NOT_STORE
            await self._pause()

    async def _is_saved(self, contact: str, name: str) -> bool:
        stored = await self._page.contact(contact)
        return stored is not None and stored.is_my_contact and stored.name == name

    async def _is_removed(self, contact: str) -> bool:
        stored = await self._page.contact(contact)
        return stored is None or not stored.is_my_contact

    async def _pause(self) -> None:
        """Until the page tells something, at most LOOK_SECONDS."""
        self.wake.clear()
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self.wake.wait()
        except TimeoutError:
            return

    # ---- after a doubt ------------------------------------------------------------------------------------------------------

    async def reconcile(self, lease: pb.Lease) -> Performed:
        """What became of it: rule 7. Changes nothing, because nobody knows whether it had go, or has been cancelled since."""
        deadline = self._clock.monotonic() + PENDING_SECONDS
        try:
            while True:
                state = await self._page.state()
                if not (state.main and state.normal and state.synced):
                    return Unclear()
                if lease.WhichOneof("action") != "send_text":
                    return await self._judge_contact(lease)
                with self._looking_up(lease.send_text.chat):
                    seen = await self._page.find_message(lease.send_text.chat, lease.whatsapp_id)
                self._silences.answered(lease.send_text.chat)
                if seen is None or seen.ack != ACK_PENDING:
                    self._look_back(lease.lease_id, seen)
                    return judge(seen)
                if self._clock.monotonic() > deadline:
                    return STAYED_PENDING
                await self._pause()
        except PageError as error:
            self._blame(error)
            return Unclear()

    def _look_back(self, lease_id: str, seen: SeenMessage | None) -> None:
        version = self._handed_over.pop(lease_id, None)
        if seen is None and version is not None:
            self._trial.failed(version, "it took a message that WhatsApp Web does not know afterwards")

    async def _judge_contact(self, lease: pb.Lease) -> Ended:
        """A contact that is not as asked goes back to the queue: a change is safe to repeat, in its turn."""
        if lease.WhichOneof("action") == "save_contact":
            done = await self._is_saved(lease.save_contact.contact, lease.save_contact.name)
        else:
            done = await self._is_removed(lease.remove_contact.contact)
        return Ended(kind=pb.Outcome.KIND_SUCCEEDED) if done else NOTHING_DONE


def judge(seen: SeenMessage | None) -> Ended:
    """The table of rule 7 for a message that a synchronised page shows, or does not show. Not for ack 0."""
    if seen is None:
        return ABSENT
    if seen.ack != ACK_ERROR:
        return Ended(kind=pb.Outcome.KIND_SENT)
    if seen.error_code is None:
        return NO_REASON
    if seen.error_code == RESTRICTED_CODE:
        message = "WhatsApp refused a message to a new chat: the account is restricted for a while. Nothing was sent."
        return Ended(kind=pb.Outcome.KIND_FAILED, code="account_restricted", message=message)
    message = f"WhatsApp refused the message with its code {seen.error_code}. Nothing was sent."
    return Ended(kind=pb.Outcome.KIND_FAILED, code=f"whatsapp_{seen.error_code}", message=message)
