"""Between pages and network: answers what pages ask, tells them what happens, and lets faults have their way.

Everything happens on one thread, a frame at a time. What a page sends is logged before anybody hears of it.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial

from messenger_hub_twin.faults import Fate, Faults, Verdict
from messenger_hub_twin.fields import BadField, Fields
from messenger_hub_twin.log import ArrivalLog
from messenger_hub_twin.mailbox import ACK_DELIVERED, ACK_READ, ACK_SERVER, Message
from messenger_hub_twin.network import Account, Contact, Link, Network, UnknownChat
from messenger_hub_twin.pages import Page, Pages, PageState
from messenger_hub_twin.people import GROUP_SUFFIX, PERSON_SUFFIX, lid_of, number_in
from messenger_hub_twin.timetable import Timetable

PASTE_ERROR = 479
"""The error that a page is told for a recipient who does not exist."""


class Exchange:
    """The phone network's side of every page's connection."""

    def __init__(
        self, *, network: Network, pages: Pages, faults: Faults, log: ArrivalLog, timetable: Timetable
    ) -> None:
        self.network = network
        self.pages = pages
        self.faults = faults
        self.log = log
        self._later = timetable.after
        self._logged: set[tuple[str, str]] = set()
        self._handlers: Mapping[str, Callable[[Page, Fields], None]] = {
            "refresh_qr": lambda page, _: self._refresh_codes(page),
            "pairing_code": self._pairing_code,
            "exists": self._exists,
            "send": self._send,
            "contact_save": self._contact_save,
            "contact_remove": self._contact_remove,
            "logout": lambda page, _: self.log_out(page, "user_initiated"),
            "presence": lambda page, _: None,
        }

    # ---- what pages say -----------------------------------------------------------------------------------------------------

    def greet(self, hello: Fields) -> Page:
        """A page has connected and says who it is; it is shown a code, or linked."""
        page = Page(hello.text("page"), hello.count("build"))
        self.pages.add(page)
        link = self.network.find_link(hello.text("token", ""))
        if page.build < self.faults.needs_update_below:
            page.send("needs_update")
        if link is None:
            self.show_codes(page)
        elif link.ended_by is not None:
            page.send("logout", cause=link.ended_by)  # it forgets its credentials and comes back
        else:
            self._linked(page, link, since=hello.count("since", 0))
        return page

    def receive(self, page: Page, frame: Fields) -> None:
        """A frame of an open page. Raises BadField for one that no page of ours sends."""
        if self.faults.mute:
            return
        handler = self._handlers.get(frame.text("op"))
        if handler is None:
            raise BadField(f"There is no op {frame.text('op')!r}.")
        handler(page, frame)

    def gone(self, page: Page) -> None:
        """The page's connection has ended."""
        self.pages.remove(page)

    # ---- linking ------------------------------------------------------------------------------------------------------------

    def show_codes(self, page: Page) -> None:
        """Give a page without a link its codes, one after the other; when they are used up it is idle."""
        page.state = PageState.QR
        page.account = page.link = None
        self._show_code(page, self.faults.codes.count)

    def _show_code(self, page: Page, left: int) -> None:
        if left == 0:
            page.state = PageState.IDLE
            page.send("idle")
            return
        page.qr_count += 1
        shown = page.qr_count
        reference = "2@" + base64.b64encode(secrets.token_bytes(96)).decode()
        page.send("qr", reference=reference)

        def next_one() -> None:
            if page.state is PageState.QR and page.qr_count == shown and self.pages.find(page.id) is page:
                self._show_code(page, left - 1)

        self._later(self.faults.codes.shown_seconds(left), next_one)

    def _refresh_codes(self, page: Page) -> None:
        """As WhatsApp does it, by connecting anew: what a phone has begun with this page is over."""
        if page.link is None:
            page.pairing_code = page.pairing_number = None
            self.show_codes(page)

    def _pairing_code(self, page: Page, frame: Fields) -> None:
        page.pairing_number = frame.text("number")
        page.pairing_code = "".join(secrets.choice("ABCDEFGHJKLMNPQRSTUVWXYZ123456789") for _ in range(8))
        page.reply(frame.count("n"), {"code": page.pairing_code})

    def link(self, page: Page, account: str) -> None:
        """The phone of an account has scanned the page's code."""
        if self.faults.passkey:
            page.state = PageState.PASSKEY
            page.account = account
            page.send("passkey")
            return
        link = self.network.link(secrets.token_hex(16), account, time.time())
        page.send("paired", token=link.token)
        self._linked(page, link, since=0)

    def _linked(self, page: Page, link: Link, *, since: int) -> None:
        account = self.network.accounts[link.account]
        page.state, page.account, page.link = PageState.LINKED, account.number, link.token
        page.pairing_code = page.pairing_number = None
        page.send(
            "linked",
            me={"pn": account.person.id, "lid": account.person.lid, "name": account.person.name},
            lid_chats=account.lid_chats,
            contacts=[asdict(contact) for contact in self.network.contacts_of(account.number)],
            groups=[asdict(group) for group in self.network.groups_of(account.number)],
            restricted_until=self.faults.restricted_until,
        )
        if since == 0 and self.faults.history_seconds > 0:
            self._later(self.faults.history_seconds, lambda: self._history(page, account, since))
        else:
            self._history(page, account, since)

    def _history(self, page: Page, account: Account, since: int) -> None:
        """Everything that the page has not seen; afterwards it may call absent what it does not hold."""
        if page.account != account.number or page.link is None:
            return
        changes = self.network.mailbox.changes_for(account.number, page.link, since)
        for start in range(0, len(changes), 500):
            page.send("messages", messages=[self._shown(m) for m in changes[start : start + 500]])
        page.send("history_done", version=self.network.mailbox.version)

    def log_out(self, page: Page, cause: str) -> None:
        """End the page's link."""
        if page.link is None:
            return
        self.network.end_link(page.link, cause)
        page.state, page.account, page.link = PageState.OPENING, None, None
        page.send("logout", cause=cause)  # it forgets its credentials and comes back for a code

    # ---- numbers and contacts -----------------------------------------------------------------------------------------------

    def _exists(self, page: Page, frame: Fields) -> None:
        number = frame.count("n")
        if self.faults.lookup_swallowed():
            return
        if self.faults.lookup_fails(time.time()):
            page.reply(number, {"broken": True})
            return
        try:
            asked = self.network.directory.number_of(frame.text("id"))
        except KeyError:
            page.reply(number, {"exists": False})
            return
        person = self.network.directory.find(asked)
        if person is None:
            page.reply(number, {"exists": False})
        else:
            page.reply(number, {"exists": True, "pn": person.id, "lid": person.lid, "name": person.name})

    def _contact_save(self, page: Page, frame: Fields) -> None:
        account = page.account
        if account is None:
            return
        contact = Contact(
            account=account,
            number=self.network.directory.number_of(frame.text("id")),  # on WhatsApp or not
            first_name=frame.text("first"),
            last_name=frame.text("last", ""),
        )
        page.reply(frame.count("n"), {"ok": True})
        if self.faults.contacts_stored:
            self._later(self.faults.contacts_seconds, lambda: self._store(contact))

    def _store(self, contact: Contact) -> None:
        self.network.save_contact(contact)
        for page in self.pages.linked_to(contact.account):
            page.send("contact", **asdict(contact))

    def _contact_remove(self, page: Page, frame: Fields) -> None:
        account = page.account
        if account is None:
            return
        number = self.network.directory.number_of(frame.text("id"))
        page.reply(frame.count("n"), {"ok": True})
        if self.faults.contacts_stored:
            self._later(self.faults.contacts_seconds, lambda: self._remove(account, number))

    def _remove(self, account: str, number: str) -> None:
        self.network.remove_contact(account, number)
        for page in self.pages.linked_to(account):
            page.send("contact_removed", number=number)

    # ---- messages -----------------------------------------------------------------------------------------------------------

    def _send(self, page: Page, frame: Fields) -> None:
        link = self.network.find_link(page.link or "")
        if link is None or link.ended_by is not None:
            return
        number, message_id, body = frame.count("n"), frame.text("id"), frame.text("body")
        try:
            chat = self.network.resolve_chat(link.account, frame.text("chat"))
        except UnknownChat:
            page.reply(number, {"error": True, "code": PASTE_ERROR})
            return
        verdict = self.faults.judge(
            now=time.time(),
            chat_exists=chat.endswith(GROUP_SUFFIX) or self.network.mailbox.has_chat(link.account, chat),
            repeat=(link.account, message_id) in self._logged or self._received(link.account, message_id),
        )
        self._carry(page, link, number, message_id, chat, body, verdict)

    def _received(self, account: str, message_id: str) -> bool:
        return self.network.mailbox.find(account, message_id) is not None

    def _carry(
        self, page: Page, link: Link, number: int, message_id: str, chat: str, body: str, verdict: Verdict
    ) -> None:
        now = time.time()
        if verdict.fate is Fate.REFUSE:
            page.reply(number, {"error": True, "code": verdict.code})
            return
        if verdict.fate is not Fate.DROP_REPEAT:
            self.log.write(at=now, message_id=message_id, sender=link.account + PERSON_SUFFIX, chat=chat, body=body)
            self._logged.add((link.account, message_id))
        acknowledged = verdict.fate in (Fate.DELIVER, Fate.DROP_REPEAT)
        message, copies = self.network.receive(
            link=link, message_id=message_id, chat=chat, body=body, now=now, acknowledged=acknowledged
        )
        for copy in copies:
            self._show(copy)
        self._show(message, except_for=page)
        if verdict.fate is Fate.DELIVER_AND_REFUSE:
            page.reply(number, {"error": True, "code": verdict.code})
        elif acknowledged:
            self._later(self.faults.delay_seconds, lambda: self._acknowledge(page, number, message))

    def _acknowledge(self, page: Page, number: int, message: Message) -> None:
        if self.faults.mute:
            return
        page.reply(number, {"ok": True, "t": int(message.at)})
        receipts = self.faults.receipts
        if receipts.automatic:
            self._later(receipts.delivered_seconds, lambda: self.receipt(message.account, message.id, ACK_DELIVERED))
            self._later(receipts.read_seconds, lambda: self.receipt(message.account, message.id, ACK_READ))

    def resume_receipts(self) -> None:
        """After a restart: receipts that were still to come."""
        if self.faults.receipts.automatic:
            for message in self.network.mailbox.unread():
                self._later(1.0, partial(self.receipt, message.account, message.id, ACK_READ))

    def receipt(self, account: str, message_id: str, ack: int) -> bool:
        """The recipient's phone got or showed a message; False where that changes nothing."""
        changed = self.network.receipt(account, message_id, ack)
        if changed is None:
            return False
        for page in self.pages.linked_to(account):
            page.send("receipt", chat=changed.chat, id=changed.id, ack=ack, version=changed.version)
        return True

    def incoming(self, account: str, *, sender: str, chat: str, body: str, message_id: str) -> Message:
        """Somebody writes to an account."""
        message = self.network.deliver(
            account=account, message_id=message_id, sender=sender, chat=chat, body=body, now=time.time()
        )
        self._show(message)
        return message

    def _show(self, message: Message, except_for: Page | None = None) -> None:
        if message.outgoing and message.ack < ACK_SERVER:
            return
        for page in self.pages.linked_to(message.account):
            if page is not except_for:
                page.send("messages", messages=[self._shown(message)])

    def _shown(self, message: Message) -> Mapping[str, object]:
        """A message as a page gets it: with both ids and the name of its sender."""
        number = number_in(message.sender)
        return {
            "id": message.id,
            "chat": message.chat,
            "sender": message.sender,
            "lid": lid_of(number),
            "chat_lid": "" if message.chat.endswith(GROUP_SUFFIX) else lid_of(number_in(message.chat)),
            "name": self.network.directory.named(number),
            "chat_name": self.network.directory.named(number_in(message.chat)),
            "body": message.body,
            "t": int(message.at),
            "ack": message.ack,
            "outgoing": message.outgoing,
            "version": message.version,
        }
