"""Channels, session APIs, keys, agents and enrolments: all in memory, every change committed first.

One change at a time, of all nodes' on one database: ids and names are decided in a turn, the commit decides whether the change happened,
and only then does memory know it. What is linked right now, and by whom it is watched, lives in memory alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Protocol

from messenger_hub.runtime.clock import Clock

from messenger_hub_server.errors import InvalidToken, NotFound, ValidationFailed
from messenger_hub_server.model import (
    Agent,
    AgentId,
    ApiKey,
    Channel,
    ChannelId,
    Enrolment,
    Pace,
    SessionApi,
    SessionApiId,
)
from messenger_hub_server.records import Records
from messenger_hub_server.store import base

ENROLMENT_SECONDS = 600
MINUTE_MS = 60_000
PAUSED = "Paused by an operator"


class Commits(Protocol):
    """What the registry needs of the queue."""

    async def commit(self, writes: Sequence[base.Write]) -> Sequence[base.Outcome]:
        """One transaction; raises HubError."""
        ...


class Mint(Protocol):
    """Makes secrets and their digests."""

    def api_key(self) -> tuple[str, bytes, str]:
        """Public id, digest, and the text that is shown once."""
        ...

    def imported_key(self, text: str) -> tuple[str, bytes]:
        """Public id and digest of a key of the hosted product."""
        ...

    def token(self) -> tuple[str, bytes]:
        """A one-time token or credential: the text that is shown once, and its digest."""
        ...

    def digest(self, text: str) -> bytes:
        """The digest of a token or credential."""
        ...


class Numbers(Protocol):
    """Gives ids that no deleted record ever had."""

    async def next(self, kind: str, taken: int) -> int:
        """A number above `taken` and above all given before."""
        ...


class Registry(Records):
    """Changes are coroutines that raise HubError; reads are those of Records. `turn`: in which nobody else changes anything; None: this
    process is the only one that does."""

    def __init__(
        self,
        commits: Commits,
        mint: Mint,
        numbers: Numbers,
        clock: Clock,
        turn: AbstractAsyncContextManager[object] | None = None,
    ) -> None:
        super().__init__(clock)
        self._commits = commits
        self._mint = mint
        self._numbers = numbers
        self._turn: AbstractAsyncContextManager[object] = turn if turn is not None else asyncio.Lock()
        self._noticed: set[tuple[type[Channel | SessionApi | Agent], int]] = set()

    async def create_channel(self, name: str, pace: Pace) -> Channel:
        """Raises NameTaken."""
        async with self._turn:
            self._free("channel", name, self._channels.values())
            number = await self._numbers.next("channel", max(self._channels, default=0))
            channel = Channel(id=ChannelId(number), name=name, pace=pace, created_at_ms=self._clock.now_ms())
            return await self._put_channel(channel)

    async def set_pace(self, channel_id: ChannelId, pace: Pace) -> Channel:
        """Waiting operations keep their place."""
        return await self._change_channel(channel_id, lambda c: replace(c, pace=pace))

    async def pause(self, channel_id: ChannelId, reason: str) -> Channel:
        """Nothing more starts on it."""
        paused = await self._change_channel(channel_id, lambda c: replace(c, paused_reason=reason or PAUSED))
        self._paused_since[channel_id] = self._clock.now_ms()
        return paused

    async def resume(self, channel_id: ChannelId) -> Channel:
        """Ends a pause, and confirms another account; where neither was there, sends a backlog."""
        channel = self._existing(channel_id)
        if channel.paused_reason is None and not channel.changed_account:
            return await self.end_backlog(channel_id)
        self._paused_since.pop(channel_id, None)
        return await self._change_channel(
            channel_id,
            lambda c: replace(c, paused_reason=None, account=c.changed_account or c.account, changed_account=""),
        )

    async def hold_backlog(self, channel_id: ChannelId, oldest_ms: int, judged_sent_ms: int) -> Channel:
        """Nothing more starts on it until a person decides, unless one has since it was judged with that `backlog_sent_ms`."""

        async with self._turn:
            channel = self._existing(channel_id)
            if channel.backlog_sent_ms != judged_sent_ms:
                return channel
            self._paused_since.setdefault(channel_id, self._clock.now_ms())
            return await self._put_channel(replace(channel, backlog_oldest_ms=oldest_ms))

    async def end_backlog(self, channel_id: ChannelId) -> Channel:
        """What waits by now is no backlog any more. A pause stays."""
        now_ms = self._clock.now_ms()
        ended = await self._change_channel(
            channel_id, lambda c: replace(c, backlog_oldest_ms=None, backlog_sent_ms=now_ms)
        )
        if ended.paused_reason is None and not ended.changed_account:
            self._paused_since.pop(channel_id, None)
        return ended

    def worked(self, channel_id: ChannelId) -> None:
        """It is fit to send: remembered to the minute, written by `flush`."""
        channel = self._channels.get(channel_id)
        minute = self._clock.now_ms() // MINUTE_MS * MINUTE_MS
        if channel is not None and channel.worked_at_ms != minute:
            self._channels[channel_id] = replace(channel, worked_at_ms=minute)
            self._noticed.add((Channel, channel_id))

    async def linked(self, channel_id: ChannelId, account: str) -> Channel:
        """An agent reports the account. The first one is kept; another one waits until a person confirms it with `resume`."""
        self.clear_linking(channel_id)
        self._fulfil(channel_id, linking=True)
        channel = self._existing(channel_id)
        if account in ("", channel.changed_account) or (account == channel.account and not channel.changed_account):
            return channel
        if channel.account in ("", account):
            return await self._change_channel(channel_id, lambda c: replace(c, account=account, changed_account=""))
        self._paused_since[channel_id] = self._clock.now_ms()
        return await self._change_channel(channel_id, lambda c: replace(c, changed_account=account))

    async def own(self, channel_id: ChannelId, agent_id: AgentId | None) -> Channel:
        """The channel belongs to this agent from now on, which may serve it; ends a move."""
        async with self._turn:
            channel = replace(self._existing(channel_id), agent_id=agent_id, moving_to=None)
            agent = self._agents.get(agent_id) if agent_id is not None else None
            writes: list[base.Write] = [base.Put(record=channel)]
            if agent is not None:
                agent = replace(agent, channel_ids=agent.channel_ids | {channel_id})
                writes.append(base.Put(record=agent))
            await self._commits.commit(writes)
            if agent is not None:
                self._remember(agent)
            self._channels[channel_id] = channel
            self._changed()
            return channel

    async def moving(self, channel_id: ChannelId, to: AgentId | None) -> Channel:
        """A move has begun (its agent drains), or was given up."""
        return await self._change_channel(channel_id, lambda c: replace(c, moving_to=to))

    async def delete_channel(self, channel_id: ChannelId, failing: base.ChangeQueue) -> int:
        """The channel, its session APIs and their keys are gone. What waits on it then fails in the same transaction, as nothing would ever
        happen to it: says how many."""
        async with self._turn:
            self._existing(channel_id)
            _, failed = await self._commits.commit([base.Remove(channel_id=channel_id), failing])
            del self._channels[channel_id]
            gone = {s.id for s in self._session_apis.values() if s.channel_id == channel_id}
            self._session_apis = {i: s for i, s in self._session_apis.items() if i not in gone}
            self._keys = {i: k for i, k in self._keys.items() if k.session_api_id not in gone}
            self._linking.pop(channel_id, None)
            self._unlinking.discard(channel_id)
            self._changed()
            return len(failed) if isinstance(failed, Sequence) else 0

    async def create_session_api(self, wanted: SessionApi, expires_at_ms: int | None) -> tuple[SessionApi, str]:
        """Gives `wanted` an id and a key; the key's text is shown once. Raises NameTaken."""
        async with self._turn:
            self._free("session API", wanted.name, self._session_apis.values())
            session_api = await self._numbered(wanted, max(self._session_apis, default=0))
            key, shown = self._new_key(session_api.id, expires_at_ms)
            await self._commits.commit([base.Put(record=session_api), base.Put(record=key)])
            self._session_apis[session_api.id] = session_api
            self._keys[key.key_id] = key
            self._changed()
            return session_api, shown

    async def change_session_api(
        self, session_api_id: SessionApiId, change: Callable[[SessionApi], SessionApi]
    ) -> SessionApi:
        """Settings, scopes, activity."""
        async with self._turn:
            session_api = change(self._existing_session_api(session_api_id))
            await self._commits.commit([base.Put(record=session_api)])
            self._session_apis[session_api_id] = session_api
            self._changed()
            return session_api

    async def rotate(self, session_api_id: SessionApiId, overlap_ms: int) -> str:
        """A new key, shown once; the newest old one works on for the overlap, all others end now."""
        async with self._turn:
            self._existing_session_api(session_api_id)
            now = self._clock.now_ms()
            old = [k for k in self._keys.values() if k.session_api_id == session_api_id]
            newest = next(reversed(self.keys_of(session_api_id)), None)
            keep = newest.expires_at_ms if newest else None
            key, shown = self._new_key(session_api_id, keep)
            writes: list[base.Write] = [base.Put(record=key)]
            ended: dict[str, ApiKey] = {}
            if newest is not None and overlap_ms > 0:
                until = min(now + overlap_ms, keep or now + overlap_ms)
                ended[newest.key_id] = replace(newest, expires_at_ms=until)
            writes += [base.Put(record=k) for k in ended.values()]
            writes += [base.Remove(key_id=k.key_id) for k in old if k.key_id not in ended]
            await self._commits.commit(writes)
            self._keys = {i: k for i, k in self._keys.items() if k.session_api_id != session_api_id}
            self._keys |= ended | {key.key_id: key}
            self._changed()
            return shown

    async def import_keys(
        self, channel_id: ChannelId, keys: Mapping[str, str], scopes: frozenset[int]
    ) -> Sequence[SessionApi]:
        """Name → key of the hosted product: all or none become session APIs. Raises NameTaken, ValidationFailed."""
        async with self._turn:
            made: list[tuple[SessionApi, ApiKey]] = []
            for name, text in keys.items():
                self._free("session API", name, self._session_apis.values())
                key_id, digest = self._mint.imported_key(text)
                if key_id in self._keys or any(k.key_id == key_id for _, k in made):
                    raise ValidationFailed({"imports": [f"The key of {name} is known already: take it out."]})
                wanted = SessionApi(
                    id=SessionApiId(0),
                    name=name,
                    channel_id=channel_id,
                    scopes=scopes,
                    created_at_ms=self._clock.now_ms(),
                )
                session_api = await self._numbered(wanted, max(self._session_apis, default=0))
                key = ApiKey(
                    key_id=key_id, session_api_id=session_api.id, digest=digest, created_at_ms=self._clock.now_ms()
                )
                made.append((session_api, key))
            await self._commits.commit([base.Put(record=r) for pair in made for r in pair])
            for session_api, key in made:
                self._session_apis[session_api.id] = session_api
                self._keys[key.key_id] = key
            self._changed()
            return [session_api for session_api, _ in made]

    def used(self, session_api_id: SessionApiId) -> None:
        """A key of it was used: remembered to the minute, written by `flush`."""
        session_api = self._session_apis.get(session_api_id)
        if session_api is None:
            return
        minute = self._clock.now_ms() // MINUTE_MS * MINUTE_MS
        if session_api.last_used_at_ms != minute:
            self._session_apis[session_api_id] = replace(session_api, last_used_at_ms=minute)
            self._noticed.add((SessionApi, session_api_id))

    def agent_by_credential(self, credential: str) -> Agent | None:
        """The active agent whose credential it is."""
        return self.agent_of(self._mint.digest(credential))

    async def create_enrolment(self, name: str, channel_id: ChannelId) -> tuple[str, int]:
        """A token that is shown once, and when it ends. Raises NameTaken for an agent that has enrolled."""
        async with self._turn:
            self._existing(channel_id)
            self._free("agent", name, self._agents.values())
            token, digest = self._mint.token()
            expires = self._clock.now_ms() + ENROLMENT_SECONDS * 1000
            enrolment = Enrolment(token_digest=digest, name=name, channel_id=channel_id, expires_at_ms=expires)
            await self._commits.commit([base.Put(record=enrolment)])
            self._enrolments[digest] = enrolment
            return token, expires

    async def redeem(self, token: str) -> tuple[Agent, str]:
        """Trades a token for an agent and its credential, once. Raises InvalidToken."""
        async with self._turn:
            now = self._clock.now_ms()
            enrolment = self._enrolments.get(self._mint.digest(token))
            usable = enrolment is not None and not enrolment.used and enrolment.expires_at_ms > now
            if enrolment is None or not usable or enrolment.channel_id not in self._channels:
                raise InvalidToken
            self._free("agent", enrolment.name, self._agents.values())
            credential, digest = self._mint.token()
            agent = Agent(
                id=AgentId(await self._numbers.next("agent", max(self._agents, default=0))),
                name=enrolment.name,
                credential_digest=digest,
                channel_ids=frozenset({enrolment.channel_id}),
                enrolled_at_ms=now,
            )
            await self._spend(enrolment, agent, now)
            return agent, credential

    async def revoke_agent(self, agent_id: AgentId) -> Agent:
        """Its credential works no more, and its channels have no owner."""
        async with self._turn:
            agent = self._agents.get(agent_id)
            if agent is None:
                raise NotFound
            agent = replace(agent, active=False)
            freed = [
                replace(c, agent_id=None, moving_to=None) for c in self._channels.values() if c.agent_id == agent_id
            ]
            await self._commits.commit([base.Put(record=agent), *(base.Put(record=c) for c in freed)])
            self._remember(agent)
            self._channels |= {c.id: c for c in freed}
            self._changed()
            return agent

    def agent_seen(self, agent_id: AgentId, at_ms: int, version: str, wa_js_version: str) -> None:
        """When it was last there and as what: written by `flush`."""
        agent = self._agents.get(agent_id)
        if agent is None:
            return
        seen = replace(agent, last_seen_at_ms=at_ms, version=version, wa_js_version=wa_js_version)
        if seen != agent:
            self._agents[agent_id] = seen
            self._noticed.add((Agent, agent_id))

    async def flush(self) -> None:
        """Writes what was noticed since the last time, in one batch."""
        if not self._noticed:
            return
        async with self._turn:
            noticed, self._noticed = self._noticed, set()
            records: Mapping[type, Mapping[int, Channel | SessionApi | Agent]] = {
                Channel: self._channels,  # type: ignore[dict-item]  # ids are numbers
                SessionApi: self._session_apis,  # type: ignore[dict-item]
                Agent: self._agents,  # type: ignore[dict-item]
            }
            writes = [base.Put(record=records[kind][number]) for kind, number in noticed if number in records[kind]]
            if writes:
                await self._commits.commit(writes)

    async def _spend(self, enrolment: Enrolment, agent: Agent, now: int) -> None:
        channel = self._channels[enrolment.channel_id]
        owned = replace(channel, agent_id=agent.id) if channel.agent_id is None else None
        redeem = base.Redeem(token_digest=enrolment.token_digest, now_ms=now, agent=agent, channel=owned)
        if not (await self._commits.commit([redeem]))[0]:
            raise InvalidToken
        self._enrolments[enrolment.token_digest] = replace(enrolment, used=True)
        self._remember(agent)
        if owned is not None:
            self._channels[owned.id] = owned
        self._changed()

    async def _numbered(self, wanted: SessionApi, taken: int) -> SessionApi:
        return replace(wanted, id=SessionApiId(await self._numbers.next("session_api", taken)))

    def _new_key(self, session_api_id: SessionApiId, expires_at_ms: int | None) -> tuple[ApiKey, str]:
        key_id, digest, shown = self._mint.api_key()
        key = ApiKey(
            key_id=key_id,
            session_api_id=session_api_id,
            digest=digest,
            created_at_ms=self._clock.now_ms(),
            expires_at_ms=expires_at_ms,
        )
        return key, shown

    async def _change_channel(self, channel_id: ChannelId, change: Callable[[Channel], Channel]) -> Channel:
        async with self._turn:
            return await self._put_channel(change(self._existing(channel_id)))

    async def _put_channel(self, channel: Channel) -> Channel:
        await self._commits.commit([base.Put(record=channel)])
        self._channels[channel.id] = channel
        self._changed()
        return channel
