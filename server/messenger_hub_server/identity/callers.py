"""From a credential to who calls: a program's key, an agent's credential, the operators' token."""

from __future__ import annotations

import hmac
from typing import Protocol

from messenger_hub.runtime.clock import Clock
from msgspec import Struct

from messenger_hub_server.errors import InvalidApiKey, InvalidCredential
from messenger_hub_server.identity.keys import Keys, Names, parse
from messenger_hub_server.model import Agent, AgentId, ApiKey, SessionApi, SessionApiId

NOBODY = bytes(32)


class Caller(Struct, frozen=True, kw_only=True):
    """Who calls; all unset for a call that needs nobody. `key_id`: the key of a session API."""

    session_api: SessionApi | None = None
    key_id: str = ""
    agent: Agent | None = None
    operator: bool = False


class Known(Protocol):
    """The registry, as far as callers need it."""

    def key(self, key_id: str) -> ApiKey | None:
        """By its public id."""
        ...

    def session_api(self, session_api_id: SessionApiId) -> SessionApi | None:
        """By id."""
        ...

    def agent_by_credential(self, credential: str) -> Agent | None:
        """The active agent with that credential."""
        ...

    def agent(self, agent_id: AgentId) -> Agent | None:
        """By id."""
        ...

    def used(self, session_api_id: SessionApiId) -> None:
        """A key was used just now."""
        ...


class Callers:
    """Answers who a credential belongs to."""

    def __init__(self, known: Known, keys: Keys, operator_token: str, clock: Clock) -> None:
        self._known = known
        self._keys = keys
        self._operator_token = operator_token.encode()
        self._clock = clock
        self._names = Names()
        self._seen: dict[
            bytes, ApiKey
        ] = {}  # what a key was found to be holds as long as its record stands; as many as there are keys

    def program(self, key: str) -> Caller:
        """The session API of a key. Raises InvalidApiKey, for every reason alike."""
        name = self._names.name(key)
        record = self._seen.get(name)
        if record is None or self._known.key(record.key_id) is not record:
            self._seen.pop(name, None)
            record = self._seen[name] = self._judged(key)
        session_api = self._known.session_api(record.session_api_id)
        if session_api is None or not session_api.active or not self._lives(record):
            raise InvalidApiKey
        self._known.used(session_api.id)
        return Caller(session_api=session_api, key_id=record.key_id)

    def _judged(self, key: str) -> ApiKey:
        """The record of a right key."""
        parsed = parse(key)
        if parsed is not None:
            record = self._known.key(parsed.key_id)
            good = self._keys.matches(parsed.secret, record.digest if record else NOBODY)
        else:
            key_id, digest = self._keys.imported_key(key)
            record = self._known.key(key_id)
            good = hmac.compare_digest(digest, record.digest if record else NOBODY)
        if record is None or not good:
            raise InvalidApiKey
        return record

    def _lives(self, key: ApiKey) -> bool:
        return key.expires_at_ms is None or key.expires_at_ms > self._clock.now_ms()

    def agent(self, credential: str) -> Caller:
        """The agent of a credential. Raises InvalidCredential."""
        agent = self._known.agent_by_credential(credential)
        if agent is None:
            raise InvalidCredential
        return Caller(agent=agent)

    def confirm(self, caller: Caller) -> None:
        """Who was let in a moment ago would be let in now. Raises InvalidApiKey or InvalidCredential."""
        if caller.session_api is not None:
            record, session_api = self._known.key(caller.key_id), self._known.session_api(caller.session_api.id)
            if record is None or session_api is None or not session_api.active or not self._lives(record):
                raise InvalidApiKey
        if caller.agent is not None:
            agent = self._known.agent(caller.agent.id)
            if agent is None or not agent.active:
                raise InvalidCredential

    def operator(self, token: str) -> Caller:
        """Raises InvalidCredential."""
        if not hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._operator_token):
            raise InvalidCredential("The operators' token is wrong: it stands in the hub's data folder.")
        return Caller(operator=True)
