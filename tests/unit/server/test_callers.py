"""Who a key belongs to: judged once, and again as soon as its record changes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from messenger_hub_server.errors import InvalidApiKey
from messenger_hub_server.identity.callers import Callers
from messenger_hub_server.identity.keys import Keys
from messenger_hub_server.model import Agent, ApiKey, ChannelId, SessionApi, SessionApiId

from tests.fakes.clock import FakeClock

SESSION_API = SessionApi(id=SessionApiId(1), name="shop", channel_id=ChannelId(1))


@dataclass
class Registry:
    """Records by their ids."""

    keys: dict[str, ApiKey] = field(default_factory=dict)
    session_apis: dict[SessionApiId, SessionApi] = field(default_factory=lambda: {SESSION_API.id: SESSION_API})

    def key(self, key_id: str) -> ApiKey | None:
        return self.keys.get(key_id)

    def session_api(self, session_api_id: SessionApiId) -> SessionApi | None:
        return self.session_apis.get(session_api_id)

    def agent_by_credential(self, credential: str) -> Agent | None:
        raise AssertionError(credential)

    def used(self, session_api_id: SessionApiId) -> None:
        assert session_api_id == SESSION_API.id


@dataclass
class Door:
    """Callers over a registry with one key, which was used."""

    registry: Registry
    callers: Callers
    clock: FakeClock
    text: str
    key_id: str

    def caller(self) -> SessionApi | None:
        return self.callers.program(self.text).session_api


@pytest.fixture
def door() -> Door:
    keys, registry, clock = Keys(bytes(32)), Registry(), FakeClock()
    key_id, digest, text = keys.api_key()
    registry.keys[key_id] = ApiKey(key_id=key_id, session_api_id=SESSION_API.id, digest=digest)
    opened = Door(registry, Callers(registry, keys, "token", clock), clock, text, key_id)
    assert opened.caller() == SESSION_API
    return opened


def test_a_key_that_was_used_is_dead_once_its_record_is_gone(door: Door) -> None:
    del door.registry.keys[door.key_id]
    with pytest.raises(InvalidApiKey):
        door.caller()


def test_a_key_that_was_used_is_dead_once_another_secret_has_its_id(door: Door) -> None:
    door.registry.keys[door.key_id] = replace(door.registry.keys[door.key_id], digest=bytes(32))
    with pytest.raises(InvalidApiKey):
        door.caller()


def test_a_key_that_was_used_ends_at_its_time(door: Door) -> None:
    ends = replace(door.registry.keys[door.key_id], expires_at_ms=door.clock.now_ms() + 1_000)
    door.registry.keys[door.key_id] = ends
    assert door.caller() == SESSION_API
    door.clock.goes(1)
    with pytest.raises(InvalidApiKey):
        door.caller()


def test_a_key_that_was_used_gives_its_session_api_as_it_is_now(door: Door) -> None:
    renamed = replace(SESSION_API, name="other")
    door.registry.session_apis[SESSION_API.id] = renamed
    assert door.caller() == renamed
    door.registry.session_apis[SESSION_API.id] = replace(renamed, active=False)
    with pytest.raises(InvalidApiKey):
        door.caller()


def test_a_wrong_key_stays_wrong_beside_one_that_was_used(door: Door) -> None:
    for wrong in (door.text[:-1], door.text + "0", door.text.upper(), ""):
        with pytest.raises(InvalidApiKey):
            door.callers.program(wrong)
    assert door.caller() == SESSION_API
