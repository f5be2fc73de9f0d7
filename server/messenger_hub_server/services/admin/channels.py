"""ChannelAdminService: channels, for operators."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

from messenger_hub.admin.v1 import channel_admin_service_pb2 as pb
from messenger_hub.runtime.clock import Clock
from messenger_hub.v1.channel_service_pb2 import GetStatusResponse

from messenger_hub_server.errors import InProgress, LinkingTimedOut, NoAgentConnected, NoPicture, ValidationFailed
from messenger_hub_server.model import AgentId, Channel, ChannelId, JournalId, LinkState, OperationState, Problem
from messenger_hub_server.presence import Presence
from messenger_hub_server.queue import Queue
from messenger_hub_server.registry import Registry
from messenger_hub_server.rpc.chain import CallContext
from messenger_hub_server.services import recipients
from messenger_hub_server.services.admin.moves import Moves
from messenger_hub_server.services.admin.pictures import Pictures
from messenger_hub_server.services.backlogs import Backlogs
from messenger_hub_server.services.sights import Sights
from messenger_hub_server.services.translation import PACES, milliseconds, pace_of, timestamp
from messenger_hub_server.store.base import ChangeQueue

LINKING_SECONDS = 600
CLEARED = "Cancelled by an operator who cleared the queue"
DELETED = "The channel was deleted"
UNOPENED = (
    "The desktop has not opened the channel yet: try again in a moment, and look at the log there if that goes on."
)
_LINKED = frozenset({LinkState.LINKED, LinkState.RESTRICTED})


class ChannelAdminHandlers:
    """Handlers of ChannelAdminService."""

    def __init__(
        self,
        queue: Queue,
        registry: Registry,
        presence: Presence,
        sights: Sights,
        moves: Moves,
        backlogs: Backlogs,
        pictures: Pictures,
        clock: Clock,
    ) -> None:
        self._queue = queue
        self._registry = registry
        self._presence = presence
        self._sights = sights
        self._moves = moves
        self._backlogs = backlogs
        self._pictures = pictures
        self._clock = clock
        self._linkers: Counter[ChannelId] = Counter()

    async def create_channel(self, request: pb.CreateChannelRequest, _: CallContext) -> pb.CreateChannelResponse:
        """Makes a channel."""
        channel = await self._registry.create_channel(request.name, pace_of(request.pace))
        return pb.CreateChannelResponse(channel=await self._message(channel))

    async def list_channels(self, _: pb.ListChannelsRequest, __: CallContext) -> pb.ListChannelsResponse:
        """All, by name; depths in one read."""
        depths = await self._queue.store.queue_depths()
        channels = self._registry.channels()
        return pb.ListChannelsResponse(
            channels=[self._with_status(c, self._sights.status_with(c, depths.get(c.id))) for c in channels]
        )

    async def get_channel(self, request: pb.GetChannelRequest, _: CallContext) -> pb.GetChannelResponse:
        """One channel."""
        return pb.GetChannelResponse(channel=await self._message(self._registry.channel_named(request.channel)))

    async def update_channel(self, request: pb.UpdateChannelRequest, _: CallContext) -> pb.UpdateChannelResponse:
        """Changes the pace."""
        channel = self._registry.channel_named(request.channel)
        channel = await self._registry.set_pace(channel.id, pace_of(request.pace))
        return pb.UpdateChannelResponse(channel=await self._message(channel))

    async def link_channel(
        self, request: pb.LinkChannelRequest, _: CallContext
    ) -> AsyncIterator[pb.LinkChannelResponse]:
        """Every state and QR text until the channel is linked, for 10 minutes at most."""
        channel = self._registry.channel_named(request.channel)
        self._require_agent(channel)
        changed = asyncio.Event()
        unsubscribe = (self._presence.on_change(changed.set), self._registry.on_change(changed.set))
        self._linkers[channel.id] += 1
        self._registry.set_linking(channel.id, _phone(request.phone))
        try:
            async for response in self._linking(channel.id, changed):
                yield response
        finally:
            for end in unsubscribe:
                end()
            self._linkers[channel.id] -= 1
            if not self._linkers[channel.id]:
                self._registry.clear_linking(channel.id)

    async def pause_channel(self, request: pb.PauseChannelRequest, _: CallContext) -> pb.PauseChannelResponse:
        """Starts nothing more."""
        channel = self._registry.channel_named(request.channel)
        channel = await self._registry.pause(channel.id, request.reason)
        return pb.PauseChannelResponse(channel=await self._message(channel))

    async def resume_channel(self, request: pb.ResumeChannelRequest, _: CallContext) -> pb.ResumeChannelResponse:
        """Ends a pause, and confirms another account."""
        channel = self._registry.channel_named(request.channel)
        channel = await self._registry.resume(channel.id)
        return pb.ResumeChannelResponse(channel=await self._message(channel))

    async def decide_backlog(self, request: pb.DecideBacklogRequest, _: CallContext) -> pb.DecideBacklogResponse:
        """Sends it, perhaps without the oldest of it."""
        channel = self._registry.channel_named(request.channel)
        before_ms = milliseconds(request.cancel_accepted_before) if request.HasField("cancel_accepted_before") else None
        if request.validate_only:
            found = await self._backlogs.older(channel.id, before_ms or 0)
            told = pb.DecideBacklogResponse(cancelled=len(found.operations), more=found.more)
        else:
            told = pb.DecideBacklogResponse(cancelled=await self._backlogs.decide(channel, before_ms))
        told.channel.CopyFrom(await self._message(self._registry.channel_named(str(channel.id))))
        return told

    async def get_page_picture(self, request: pb.GetPagePictureRequest, _: CallContext) -> pb.GetPagePictureResponse:
        """As it is now. A desktop that has not opened the channel would not answer."""
        channel = self._registry.channel_named(request.channel)
        agent_id = self._require_agent(channel)
        sight = self._sights.of(channel.id)
        if sight is None or sight.current is None:
            raise NoPicture(UNOPENED)
        return pb.GetPagePictureResponse(jpeg=await self._pictures.take(agent_id, channel.id))

    async def clear_queue(self, request: pb.ClearQueueRequest, _: CallContext) -> pb.ClearQueueResponse:
        """Cancels what has not started."""
        channel = self._registry.channel_named(request.channel)
        if request.validate_only:
            return pb.ClearQueueResponse(cancelled=await self._unstarted(channel.id))
        return pb.ClearQueueResponse(cancelled=await self._queue.cancel_all(channel.id, reason=CLEARED))

    async def unlink_channel(self, request: pb.UnlinkChannelRequest, _: CallContext) -> pb.UnlinkChannelResponse:
        """Logs the account out of its desktop."""
        channel = self._registry.channel_named(request.channel)
        self._require_agent(channel)
        self._registry.set_unlinking(channel.id)
        return pb.UnlinkChannelResponse(channel=await self._message(channel))

    async def move_channel(self, request: pb.MoveChannelRequest, _: CallContext) -> pb.MoveChannelResponse:
        """Gives the channel to another agent."""
        channel = self._registry.channel_named(request.channel)
        agent = self._registry.agent_named(request.agent)
        if not agent.active:
            raise ValidationFailed({"agent": ["The selected agent is revoked: enrol it again."]})
        await self._moves.move(channel, agent.id, request.force)
        return pb.MoveChannelResponse(channel=await self._message(self._registry.channel_named(str(channel.id))))

    async def delete_channel(self, request: pb.DeleteChannelRequest, _: CallContext) -> pb.DeleteChannelResponse:
        """What waits fails; nothing that has started may be left."""
        channel = self._registry.channel_named(request.channel)
        session_apis = sum(1 for s in self._registry.session_apis() if s.channel_id == channel.id)
        await self._queue.restored.require_told(channel.id)
        await self._require_nothing_started(channel.id)
        if request.validate_only:
            return pb.DeleteChannelResponse(failed=await self._unstarted(channel.id), session_apis=session_apis)
        await self._registry.pause(channel.id, DELETED)
        failed = await self._fail_all(channel.id)
        # What was leased when the check was made may have started before the queue was failed.
        await self._require_nothing_started(channel.id)
        failed += await self._registry.delete_channel(channel.id, self._failing(channel.id))
        self._presence.forget(channel.id)
        return pb.DeleteChannelResponse(failed=failed, session_apis=session_apis)

    async def _linking(self, channel_id: ChannelId, changed: asyncio.Event) -> AsyncIterator[pb.LinkChannelResponse]:
        told: tuple[object, ...] = ()
        deadline = asyncio.get_running_loop().time() + LINKING_SECONDS
        while True:
            changed.clear()
            channel = self._registry.channel_named(str(channel_id))
            presence = self._presence.of(channel_id) if self._connected(channel) else None
            qr, code = (presence.report.qr_text, presence.report.pairing_code) if presence else ("", "")
            view = self._sights.view(channel)
            if (view.state, view.reason, qr, code) != told:
                told = (view.state, view.reason, qr, code)
                yield pb.LinkChannelResponse(channel=await self._message(channel), qr_text=qr, pairing_code=code)
            if presence is not None and presence.report.state in _LINKED and presence.report.account:
                return
            try:
                async with asyncio.timeout_at(deadline):
                    await changed.wait()
            except TimeoutError as error:
                raise LinkingTimedOut from error

    async def _require_nothing_started(self, channel_id: ChannelId) -> None:
        delivery = await self._queue.store.delivery(channel_id, JournalId(""))
        if any(o.lease is not None and o.lease.started for o in delivery.leased):
            raise InProgress

    async def _unstarted(self, channel_id: ChannelId) -> int:
        delivery = await self._queue.store.delivery(channel_id, JournalId(""))
        leased = sum(1 for o in delivery.leased if o.lease is None or not o.lease.started)
        return leased + (await self._queue.store.queue_depth(channel_id)).pending

    def _failing(self, channel_id: ChannelId) -> ChangeQueue:
        return ChangeQueue(
            channel_id=channel_id,
            leased_too=True,
            to=OperationState.FAILED,
            at_ms=self._clock.now_ms(),
            reason=DELETED,
            problem=Problem(code="channel_deleted", message="The channel was deleted before it was sent."),
        )

    async def _fail_all(self, channel_id: ChannelId) -> int:
        (changed,) = await self._queue.commit([self._failing(channel_id)])
        return len(changed) if isinstance(changed, list | tuple) else 0

    def _connected(self, channel: Channel) -> bool:
        agent = self._presence.agent(channel.agent_id) if channel.agent_id is not None else None
        return agent is not None and agent.connected

    def _require_agent(self, channel: Channel) -> AgentId:
        if channel.agent_id is None or not self._connected(channel):
            raise NoAgentConnected
        return channel.agent_id

    async def _message(self, channel: Channel) -> pb.Channel:
        return self._with_status(channel, await self._sights.status(channel))

    def _with_status(self, channel: Channel, status: GetStatusResponse) -> pb.Channel:
        agent = self._registry.agent(channel.agent_id) if channel.agent_id is not None else None
        told = self._presence.of(channel.id) if self._connected(channel) else None
        return pb.Channel(
            id=channel.id,
            name=channel.name,
            pace=PACES[channel.pace],
            status=status,
            agent_id=channel.agent_id or 0,
            agent_name=agent.name if agent is not None else "",
            created_at=timestamp(channel.created_at_ms),
            backlog_oldest=timestamp(channel.backlog_oldest_ms),
            browser_bytes=told.report.browser_bytes if told is not None else 0,
            browser_restarts=told.report.browser_restarts if told is not None else 0,
        )


def _phone(text: str) -> str:
    found = recipients.mobile(text) if text else None
    if text and found is None:
        raise ValidationFailed({"phone": ["The phone field format is invalid."]})
    return found.shown if found is not None else ""
