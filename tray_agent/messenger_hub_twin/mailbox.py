"""Every message of our accounts, with its receipts: what phones show.

Each change of a message gets the next *version*, one number for the whole network. A page that was away tells the last version
it has seen and is given everything that changed since, receipts that it missed among it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

ACK_PENDING, ACK_SERVER, ACK_DELIVERED, ACK_READ = 0, 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message in the history of one account.

    ``id`` is the bare hex id, ``chat`` a person id or group id, ``sender`` a person id, ``at`` Unix seconds. ``link`` is the
    link whose page sent it, None for incoming ones. ``ack`` is WhatsApp's: 0 received by the network but not acknowledged to
    the sender, 1 acknowledged, 2 delivered, 3 read.
    """

    account: str
    id: str
    chat: str
    sender: str
    body: str
    at: float
    ack: int
    outgoing: bool
    link: str | None = None
    version: int = 0

    @property
    def key(self) -> str:
        """Unique on the network: ids are unique per account only."""
        return f"{self.account}/{self.id}"


class Mailbox:
    """The messages of all accounts. ``remember`` is called with every new or changed message."""

    def __init__(self, remember: Callable[[Message], None]) -> None:
        self._remember = remember
        self._messages: dict[str, Message] = {}
        self._chats: set[tuple[str, str]] = set()
        self._version = 0

    @property
    def version(self) -> int:
        """The version of the latest change."""
        return self._version

    def restore(self, messages: Iterable[Message]) -> None:
        """Take messages that were remembered earlier."""
        for message in messages:
            self._store(message)

    def find(self, account: str, message_id: str) -> Message | None:
        """The message of an account by its bare id."""
        return self._messages.get(f"{account}/{message_id}")

    def has_chat(self, account: str, chat: str) -> bool:
        """Whether the account and the person or group have ever exchanged a message."""
        return (account, chat) in self._chats

    def put(self, message: Message) -> Message:
        """Add or change a message under a new version; returns it as stored."""
        stored = replace(message, version=self._version + 1)
        self._store(stored)
        self._remember(stored)
        return stored

    def raise_ack(self, account: str, message_id: str, ack: int) -> Message | None:
        """Raise a message's ack; None where there is no such message or it is there already (an ack never falls)."""
        message = self.find(account, message_id)
        if message is None or message.ack >= ack:
            return None
        return self.put(replace(message, ack=ack))

    def changes_for(self, account: str, link: str, since: int) -> list[Message]:
        """What a page of this link has to learn, oldest message first.

        What the link itself sent and was never acknowledged is left out: WhatsApp tells a sender nothing of that either, its
        page sends it again.
        """
        changed = [
            message
            for message in self._messages.values()
            if message.account == account
            and message.version > since
            and not (message.link == link and message.ack == ACK_PENDING)
        ]
        return sorted(changed, key=lambda message: message.at)

    def of_account(self, account: str) -> list[Message]:
        """All messages of an account, in order of arrival."""
        return [message for message in self._messages.values() if message.account == account]

    def unread(self) -> list[Message]:
        """Acknowledged outgoing messages for which a receipt can still come."""
        return [m for m in self._messages.values() if m.outgoing and ACK_SERVER <= m.ack < ACK_READ]

    def __len__(self) -> int:
        return len(self._messages)

    def _store(self, message: Message) -> None:
        self._messages[message.key] = message
        self._chats.add((message.account, message.chat))
        self._version = max(self._version, message.version)
