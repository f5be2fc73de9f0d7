"""WhatsApp as the simulator has it: one account, the log of what reached people, and browser profiles with their outbox."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_agent.delivery.existence import Doubts
from messenger_hub_agent.delivery.work import Checked, Clear, Ended, Found, GiveBack, Impossible, Performed, Unclear

SENT = Ended(kind=pb.Outcome.KIND_SENT)
SUCCEEDED = Ended(kind=pb.Outcome.KIND_SUCCEEDED)
ABSENT = Ended(kind=pb.Outcome.KIND_UNCERTAIN, code="not_found_afterwards", message="absent")
STAYED_PENDING = Ended(kind=pb.Outcome.KIND_UNCERTAIN, code="no_answer", message="still pending")
NOTHING_DONE = Ended(kind=pb.Outcome.KIND_VOID)
THROWN = Ended(kind=pb.Outcome.KIND_FAILED, code="chat_not_found", message="thrown before a message was made")
RESTRICTED = Ended(kind=pb.Outcome.KIND_FAILED, code="account_restricted", message="refused with 463")

NOT_ON_WHATSAPP = "4@c.us"
LOOK_UP_MS = 5_000  # a run is short: for look-ups each of its milliseconds counts as so many


def body_of(lease: pb.Lease) -> str:
    """What the simulator knows an operation by: every accepted request has a text of its own."""
    return lease.send_text.text or lease.save_contact.name


@dataclass
class Message:
    """A message as a page holds it."""

    chat: str
    body: str
    ack: int = 0


@dataclass
class Network:
    """What the phone network saw, in order. It drops the repeat of an id, as WhatsApp does with a page's own outbox."""

    arrivals: list[tuple[str, Message]] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    chats: set[str] = field(default_factory=set)
    contacts: dict[str, str] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)  # of contacts: under which lease each was made
    wire: list[tuple[str, Message]] = field(default_factory=list)  # bytes that outlived their page
    up: bool = True
    restricted_until_ms: int = 0

    def refuses(self, chat: str, now_ms: int) -> bool:
        """A restricted account writes to existing chats only."""
        return chat not in self.chats and now_ms < self.restricted_until_ms


class Profile:
    """One browser's profile, and the page in it while the browser runs. `luck` is below 1 where the page may fail."""

    def __init__(self, network: Network, dice: random.Random) -> None:
        self.network = network
        self.dice = dice
        self.messages: dict[str, Message] = {}
        self.up = True

    def copied(self) -> Profile:
        twin = Profile(self.network, self.dice)
        twin.messages = copy.deepcopy(self.messages)
        return twin

    def linked_anew(self) -> Profile:
        """A fresh profile knows some of the account's history."""
        fresh = Profile(self.network, self.dice)
        known = [(wa_id, message) for wa_id, message in self.network.arrivals if self.dice.random() < 0.5]
        fresh.messages = {wa_id: copy.copy(message) for wa_id, message in known}
        return fresh

    def check(self, lease: pb.Lease, doubts: Doubts, now_ms: int, *, broken: bool) -> Checked:
        if not self.up:
            return GiveBack(reason="page away")
        if lease.WhichOneof("action") != "send_text":
            return Clear()
        if lease.whatsapp_id in self.messages:
            return Found()
        if self.network.refuses(lease.send_text.chat, now_ms):
            return GiveBack(reason="restricted", wait_ms=self.network.restricted_until_ms - now_ms)
        return self._exists(lease.send_text.chat, doubts, now_ms, broken=broken)

    @staticmethod
    def _exists(chat: str, doubts: Doubts, now_ms: int, *, broken: bool) -> Checked:
        """As executor.py asks it: a network error looks like a no, and the channel's own number is not found either then."""
        if chat != NOT_ON_WHATSAPP and not broken:
            doubts.found(chat)
            return Clear()
        if doubts.not_found(chat, own_number_found=not broken, now_ms=now_ms * LOOK_UP_MS):
            return Impossible(code="not_on_whatsapp", message="no")
        return GiveBack(reason="in doubt", wait_ms=5)

    def perform(self, lease: pb.Lease, now_ms: int, *, unanswered: bool, calm: bool) -> Performed:
        """Everything but the arrival: a message that was made lies in the outbox with ack 0."""
        luck = 1.0 if calm else self.dice.random()
        if not self.up or luck < 0.05:
            return Unclear()
        if lease.WhichOneof("action") != "send_text":
            return self._set_contact(lease, unanswered=unanswered)
        if luck < 0.08:
            return THROWN
        if luck < 0.12:
            return NOTHING_DONE
        if self.network.refuses(lease.send_text.chat, now_ms):
            return RESTRICTED
        self.messages[lease.whatsapp_id] = Message(chat=lease.send_text.chat, body=lease.send_text.text)
        return Unclear() if unanswered else SENT

    def _set_contact(self, lease: pb.Lease, *, unanswered: bool) -> Performed:
        self.network.contacts[lease.save_contact.contact] = lease.save_contact.name
        self.network.changes.append(lease.lease_id)
        return Unclear() if unanswered else SUCCEEDED

    def judge_contact(self, lease: pb.Lease) -> Performed:
        as_asked = self.network.contacts.get(lease.save_contact.contact) == lease.save_contact.name
        return SUCCEEDED if as_asked else NOTHING_DONE

    def reconcile(self, lease: pb.Lease) -> Performed:
        if not self.up:
            return Unclear()
        if lease.WhichOneof("action") != "send_text":
            return self.judge_contact(lease)
        message = self.messages.get(lease.whatsapp_id)
        if message is None:
            return ABSENT
        return STAYED_PENDING if message.ack == 0 else SENT

    def crash(self) -> None:
        """The page or the browser goes: what was not written yet is forgotten, and its bytes may be on their way."""
        self.up = False
        for wa_id, message in list(self.messages.items()):
            if message.ack == 0 and self.dice.random() < 0.5:
                del self.messages[wa_id]
                self.network.wire.append((wa_id, message))
