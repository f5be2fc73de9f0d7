"""The phone network, as far as WhatsApp's servers and phones matter to a linked page. No input or output here.

Accounts are the phones that pages can be linked to; each has its contacts and its history. Whatever must survive a kill is
handed to ``remember`` as a *fact*: a kind, a key, and a JSON object, or None when the fact ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass

from messenger_hub_twin.mailbox import ACK_PENDING, ACK_READ, ACK_SERVER, Mailbox, Message
from messenger_hub_twin.people import GROUP_SUFFIX, PERSON_SUFFIX, Directory, Group, Person

FactValue = str | int | float | bool | None
Fact = Mapping[str, FactValue]
Remember = Callable[[str, str, Fact | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A phone that pages can be linked to. ``lid_chats`` tells whether its chats are keyed by LID or by number."""

    person: Person
    lid_chats: bool = True

    @property
    def number(self) -> str:
        """The phone number, digits only."""
        return self.person.number


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A page's credentials for an account. ``ended_by`` is the cause of the log-out, None while it is good."""

    token: str
    account: str
    made_at: float
    ended_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """An entry of an account's address book. ``in_phone`` tells whether the phone's own address book has it too."""

    account: str
    number: str
    first_name: str
    last_name: str = ""
    in_phone: bool = True

    @property
    def name(self) -> str:
        """Both names, as WhatsApp shows them."""
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def key(self) -> str:
        """Unique on the network."""
        return f"{self.account}/{self.number}"


class UnknownChat(LookupError):
    """The chat is no person on WhatsApp and no group of the account."""


class Network:
    """Accounts, links, contacts, groups and messages."""

    def __init__(
        self, *, accounts: Iterable[Account], people: tuple[Person, ...], groups: Iterable[Group], remember: Remember
    ) -> None:
        self._remember = remember
        self.accounts = {account.number: account for account in accounts}
        own = tuple(account.person for account in self.accounts.values())
        self.directory = Directory(own + people, lambda p: remember("person", p.number, asdict(p)))
        self.mailbox = Mailbox(lambda m: remember("message", m.key, asdict(m)))
        self._groups = {group.id: group for group in groups}
        self._links: dict[str, Link] = {}
        self._contacts: dict[str, Contact] = {}

    def restore(
        self,
        *,
        people: Iterable[Person],
        links: Iterable[Link],
        contacts: Iterable[Contact],
        messages: Iterable[Message],
    ) -> None:
        """Take what an earlier run remembered."""
        for person in people:
            self.directory.restore(person)
        self._links.update({link.token: link for link in links})
        self._contacts.update({contact.key: contact for contact in contacts})
        self.mailbox.restore(messages)

    def link(self, token: str, account: str, now: float) -> Link:
        """Link a page, whose credentials will be the token, to an account."""
        return self._keep_link(Link(token=token, account=account, made_at=now))

    def find_link(self, token: str) -> Link | None:
        """The link with this token, ended or not."""
        return self._links.get(token)

    def links_of(self, account: str) -> list[Link]:
        """The account's links that are still good."""
        return [link for link in self._links.values() if link.account == account and link.ended_by is None]

    def end_link(self, token: str, cause: str) -> None:
        """Log a page out; its credentials are worthless from now on."""
        link = self._links[token]
        self._keep_link(Link(token=token, account=link.account, made_at=link.made_at, ended_by=cause))

    def save_contact(self, contact: Contact) -> Contact:
        """Add an entry to an account's address book, or rename it."""
        self._contacts[contact.key] = contact
        self._remember("contact", contact.key, asdict(contact))
        return contact

    def remove_contact(self, account: str, number: str) -> bool:
        """Remove an entry; False where there was none."""
        key = f"{account}/{number}"
        if self._contacts.pop(key, None) is None:
            return False
        self._remember("contact", key, None)
        return True

    def contacts_of(self, account: str) -> list[Contact]:
        """The account's address book."""
        return [contact for contact in self._contacts.values() if contact.account == account]

    def contact_name(self, account: str, number: str) -> str:
        """The name under which the account saved a number, or an empty text."""
        contact = self._contacts.get(f"{account}/{number}")
        return contact.name if contact else ""

    def groups_of(self, account: str) -> list[Group]:
        """The groups that the account is a member of."""
        return [group for group in self._groups.values() if account in group.members]

    def resolve_chat(self, account: str, chat: str) -> str:
        """The person id or group id behind what a page calls a chat (a number, a LID or a group)."""
        if chat.endswith(GROUP_SUFFIX):
            if chat not in {group.id for group in self.groups_of(account)}:
                raise UnknownChat(chat)
            return chat
        try:
            person = self.directory.find(self.directory.number_of(chat))
        except KeyError as error:
            raise UnknownChat(chat) from error
        if person is None:
            raise UnknownChat(chat)
        return person.id

    def recipients(self, account: str, chat: str) -> tuple[str, ...]:
        """The numbers at the other end of a chat."""
        if not chat.endswith(GROUP_SUFFIX):
            return (chat.removesuffix(PERSON_SUFFIX),)
        return tuple(number for number in self._groups[chat].members if number != account)

    def receive(
        self, *, link: Link, message_id: str, chat: str, body: str, now: float, acknowledged: bool
    ) -> tuple[Message, list[Message]]:
        """Take a message from a page; returns it, and what our other accounts got by it.

        A repeat of an id changes nothing at the recipient: a phone shows a message once. It only raises the message to
        acknowledged.
        """
        ack = ACK_SERVER if acknowledged else ACK_PENDING
        known = self.mailbox.find(link.account, message_id)
        if known is not None:
            return self.mailbox.raise_ack(link.account, message_id, ack) or known, []
        sender = link.account + PERSON_SUFFIX
        message = self.mailbox.put(
            Message(
                account=link.account,
                id=message_id,
                chat=chat,
                sender=sender,
                body=body,
                at=now,
                ack=ack,
                outgoing=True,
                link=link.token,
            )
        )
        copies = [
            self.deliver(account=number, message_id=message_id, sender=sender, chat=chat, body=body, now=now)
            for number in self.recipients(link.account, chat)
            if number in self.accounts and number != link.account
        ]
        return message, copies

    def deliver(self, *, account: str, message_id: str, sender: str, chat: str, body: str, now: float) -> Message:
        """Put an incoming message into an account's history; ``chat`` is a group, or else the chat is the sender."""
        return self.mailbox.put(
            Message(
                account=account,
                id=message_id,
                chat=chat if chat.endswith(GROUP_SUFFIX) else sender,
                sender=sender,
                body=body,
                at=now,
                ack=ACK_SERVER,
                outgoing=False,
            )
        )

    def receipt(self, account: str, message_id: str, ack: int) -> Message | None:
        """The recipient's phone got (2) or showed (3) a message; None where that changes nothing."""
        message = self.mailbox.find(account, message_id)
        if message is None or not message.outgoing or message.ack == ACK_PENDING or ack > ACK_READ:
            return None
        return self.mailbox.raise_ack(account, message_id, ack)

    def _keep_link(self, link: Link) -> Link:
        self._links[link.token] = link
        self._remember("link", link.token, asdict(link))
        return link
