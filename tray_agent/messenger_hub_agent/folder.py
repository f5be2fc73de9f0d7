"""The agent's folder: its credential, what was paused here, a newer wa-js, and one folder for each channel. One process at a time."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
from messenger_hub.runtime.folder import FolderUnusable, PrivateFolder

from messenger_hub_agent.pauses import Pauses

LAYOUT = 1
CREDENTIAL = "credential.json"
PAUSED = "paused.json"
WA_JS = "wa-js"


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """What the hub gave for the one-time token whose hash is kept, so that starting with the same token again is no error."""

    agent_id: int
    name: str
    credential: str
    token_hash: str

    def is_for(self, token: str) -> bool:
        """Whether this came of that token, or no other is asked for."""
        return not token or self.token_hash == hash_of(token)

    def __repr__(self) -> str:
        return f"Credential(agent_id={self.agent_id})"


def hash_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


class AgentFolder:
    """Use `open`. Raises FolderError where a file cannot be read or written."""

    def __init__(self, private: PrivateFolder) -> None:
        self._private = private

    @classmethod
    def open(cls, path: Path) -> AgentFolder:
        """Takes the folder until `close`. Raises FolderError."""
        private = PrivateFolder(path)
        private.lock("messenger-hub agent")
        try:
            private.claim_version(LAYOUT)
        except BaseException:
            private.unlock()
            raise
        return cls(private)

    def close(self) -> None:
        """Gives the folder back."""
        self._private.unlock()

    @property
    def credential(self) -> Credential | None:
        """The agent's credential; None before the enrolment."""
        content = self._private.read(CREDENTIAL)
        try:
            return msgspec.json.decode(content, type=Credential) if content else None
        except msgspec.DecodeError as error:
            path = self._private.file(CREDENTIAL)
            raise FolderUnusable(f"{path} is damaged: delete it and enrol this desktop anew.") from error

    def keep(self, credential: Credential) -> None:
        """Makes the credential durable."""
        self._private.write_private(CREDENTIAL, msgspec.json.encode(credential))

    @property
    def pauses(self) -> Pauses:
        """What a person has paused on this desktop."""
        content = self._private.read(PAUSED)
        kept = msgspec.json.decode(content, type=dict[int, int | None] | list[int]) if content else {}
        # A list is what versions wrote that knew no end of a pause.
        return Pauses(kept if isinstance(kept, dict) else dict.fromkeys(kept))

    def set_pauses(self, pauses: Pauses) -> None:
        """Keeps them over a restart."""
        self._private.write_private(PAUSED, msgspec.json.encode(pauses.until_ms))

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._private.path

    @property
    def wa_js(self) -> Path:
        """Where a fetched wa-js lies (`updating.shelf`)."""
        return self._private.file(WA_JS)

    def channel(self, channel_id: int) -> PrivateFolder:
        """The folder of one channel."""
        channels = PrivateFolder(self._private.path / "channels")
        return PrivateFolder(channels.path / str(channel_id))
