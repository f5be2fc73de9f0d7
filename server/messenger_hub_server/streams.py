"""Live agent streams: frames to their channel's machine, the machine's actions to store and streams.

Each channel has one line: its actions are performed in order by one task, and neighbouring commits share a transaction. A commit
that fails ends the channel's streams: the next hello finds out what is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime.clock import Clock
from messenger_hub.runtime.failpoints import Failpoint, passing, passing_frame
from messenger_hub.runtime.log import logger

from messenger_hub_server.delivery import actions
from messenger_hub_server.delivery.channel import Channel
from messenger_hub_server.errors import (
    HubError,
    Internal,
    InvalidCredential,
    Replaced,
    Stopping,
    StoreUnavailable,
    UnexpectedFrame,
)
from messenger_hub_server.frames import admit
from messenger_hub_server.line import ChannelLine
from messenger_hub_server.lines import Line
from messenger_hub_server.model import (
    JOURNAL_DAYS,
    Agent,
    AgentId,
    ChannelId,
    HighMark,
    JournalId,
    LeaseId,
    OperationId,
    OperationState,
    WaId,
)
from messenger_hub_server.store.base import (
    ChangeQueue,
    Delivery,
    EndRestored,
    MarkRestored,
    Outcome,
    StoreError,
    Write,
)

log = logger(__name__)

OUTGOING = 1_000  # frames a stream may lag behind before it is ended
ERASED = 1_000  # WhatsApp ids a frame
JOURNAL_KEEPS_MS = JOURNAL_DAYS * 86_400_000
SILENCE_SECONDS = 45  # then a heartbeat
DEAF_SECONDS = 3 * SILENCE_SECONDS  # of a desktop that says nothing: then the stream is ended

BEFORE_FRAME = {
    "assignments": Failpoint.SERVER_BEFORE_ASSIGNMENTS,
    "recall": Failpoint.SERVER_BEFORE_RECALL,
    "journal_refused": Failpoint.SERVER_BEFORE_REFUSAL,
    "welcome": Failpoint.SERVER_BEFORE_WELCOME,
    "leases": Failpoint.SERVER_BEFORE_LEASES,
    "goes": Failpoint.SERVER_BEFORE_GOES,
    "acknowledged": Failpoint.SERVER_BEFORE_ACK,
}
AFTER_FRAME = {
    "assignments": Failpoint.SERVER_AFTER_ASSIGNMENTS,
    "recall": Failpoint.SERVER_AFTER_RECALL,
    "journal_refused": Failpoint.SERVER_AFTER_REFUSAL,
    "welcome": Failpoint.SERVER_AFTER_WELCOME,
    "leases": Failpoint.SERVER_AFTER_LEASES,
    "goes": Failpoint.SERVER_AFTER_GOES,
    "acknowledged": Failpoint.SERVER_AFTER_ACK,
}
GOT_FRAME = {
    "channel_hello": Failpoint.SERVER_GOT_HELLO,
    "journal_page": Failpoint.SERVER_GOT_PAGE,
    "credit": Failpoint.SERVER_GOT_CREDIT,
    "intent": Failpoint.SERVER_GOT_INTENT,
    "end": Failpoint.SERVER_GOT_END,
    "receipt": Failpoint.SERVER_GOT_RECEIPT,
    "returns": Failpoint.SERVER_GOT_RETURNS,
}

ABOUT_THE_AGENT = frozenset({"heartbeat", "wa_js_report", "examination"})
RESTORING = frozenset({MarkRestored, ChangeQueue, EndRestored})

Frames = AsyncIterator[pb.ConnectRequest]
Sender = Callable[[pb.ConnectResponse], Awaitable[None]]


class Commits(Protocol):
    """The queue, as streams need it."""

    async def commit(self, writes: Sequence[Write], *, frees: Collection[ChannelId] | None = None) -> Sequence[Outcome]:
        """One durable transaction; raises HubError. `frees`: the channels that it wakes; None is any."""
        ...


class Deliveries(Protocol):
    """The store, as streams need it."""

    async def delivery(self, channel_id: ChannelId, journal_id: JournalId) -> Delivery:
        """What a hello needs of a channel."""
        ...

    async def erased(self, channel_id: ChannelId, changed_since_ms: int) -> Sequence[WaId]:
        """Of a channel's operations that changed since then, those that are erased."""
        ...


class Reports(Protocol):
    """Where what agents report about pages, groups and themselves goes."""

    def connected(self, agent: Agent, hello: pb.AgentHello) -> None:
        """The agent's stream is open."""
        ...

    def seen(self, agent: Agent) -> None:
        """A frame came."""
        ...

    def gone(self, agent: Agent) -> None:
        """The agent's stream has ended."""
        ...

    async def channel(self, channel_id: ChannelId, report: pb.ChannelReport) -> None:
        """What a channel's page shows."""
        ...

    async def groups(self, channel_id: ChannelId, report: pb.GroupReport) -> None:
        """The groups of a channel's account."""
        ...

    def picture(self, agent: Agent, picture: pb.PagePicture) -> None:
        """A page of a channel that the agent owns, as somebody asked to see it."""
        ...

    def wa_js(self, agent: Agent, report: pb.WaJsReport) -> None:
        """Where the agent's wa-js stands."""
        ...

    def examined(self, agent: Agent, told: pb.Examination) -> None:
        """What the agent sees of itself, as somebody asked to know."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What operators want of a channel."""

    owner: AgentId | None
    holding: bool


class Wishes(Protocol):
    """The registry, as streams need it."""

    def wanted(self, channel_id: ChannelId) -> Wanted | None:
        """None when there is no such channel."""
        ...

    def assignments(self, agent_id: AgentId) -> pb.Assignments:
        """All channels of an agent, with what is wanted of each."""
        ...

    def is_active(self, agent_id: AgentId) -> bool:
        """It was not revoked."""
        ...

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls back after every change; returns what ends that."""
        ...


class Lines(Protocol):
    """Who says that a channel has work, and asks for leases of what it accepts."""

    def subscribe(self, channel_id: ChannelId, line: Line) -> None:
        """From now on the channel's line."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Where numbers come from: random lease ids, spare operation ids, of which `prepare` gets enough for a journal's page, and the first one of this process, and what the high-water file holds of a channel."""

    lease_ids: Callable[[int], Sequence[LeaseId]]
    spare_ids: Callable[[int], Sequence[OperationId]]
    prepare: Callable[[], Awaitable[None]]
    first_id: Callable[[], OperationId]
    high_mark: Callable[[ChannelId], HighMark]


@dataclass(slots=True, eq=False)
class _Stream:
    """One open stream."""

    id: actions.StreamId
    agent: Agent
    channels: dict[ChannelId, bool] = field(default_factory=dict)  # those assigned, and whether the agent owns them
    assigned: bytes | None = None
    outgoing: asyncio.Queue[pb.ConnectResponse] = field(default_factory=lambda: asyncio.Queue(OUTGOING))
    ended: asyncio.Future[HubError] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    last_frame: float = 0.0

    def end(self, error: HubError) -> None:
        if not self.ended.done():
            self.ended.set_result(error)

    def assign(self, assignments: pb.Assignments) -> None:
        """Tells the agent, unless it knows."""
        written = assignments.SerializeToString(deterministic=True)
        if written != self.assigned:
            self.assigned = written
            self.channels = {ChannelId(one.channel_id): one.owned for one in assignments.assignments}
            self.send(pb.ConnectResponse(assignments=assignments))

    def send(self, frame: pb.ConnectResponse) -> None:
        try:
            self.outgoing.put_nowait(frame)
        except asyncio.QueueFull:
            self.end(UnexpectedFrame("The stream does not take its frames: it was ended."))


class Streams:
    """All agent streams of this process. `run` performs what the machines want; it ends with its task group."""

    def __init__(
        self,
        *,
        commits: Commits,
        deliveries: Deliveries,
        reports: Reports,
        wishes: Wishes,
        lines: Lines,
        numbers: Numbers,
        clock: Clock,
    ) -> None:
        self._commits = commits
        self._deliveries = deliveries
        self._reports = reports
        self._wishes = wishes
        self._subscribe = lines.subscribe
        self._numbers = numbers
        self._clock = clock
        self._streams: dict[actions.StreamId, _Stream] = {}
        self._lines: dict[ChannelId, ChannelLine] = {}
        self._group: asyncio.TaskGroup | None = None
        self._next_id = 0

    # ---- life ---------------------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until `stop`; then ends every stream."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            forget = self._wishes.on_change(self._wishes_changed)
            await stop.wait()
            forget()
            self._group = None
            for stream in list(self._streams.values()):
                stream.end(Stopping())
            for line in self._lines.values():
                line.clear()
                line.filled.set()

    async def connect(self, agent: Agent, frames: Frames, send: Sender) -> None:
        """Serves one stream until it ends. Raises the HubError that ended it; returns when the agent ended it."""
        if self._group is None:
            raise Stopping
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                first = await anext(frames, None)
        except TimeoutError as silence:
            raise UnexpectedFrame(f"No AgentHello came within {SILENCE_SECONDS} s.") from silence
        if first is None or first.WhichOneof("frame") != "agent_hello":
            raise UnexpectedFrame("The first frame must be AgentHello.")
        admit(first)
        if not self._wishes.is_active(agent.id):  # since it was let in: nobody ends a stream that is not open yet
            raise InvalidCredential
        stream = self._open(agent, first.agent_hello)
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(self._write(stream, send))
                reader = group.create_task(self._read(stream, frames))
                listener = group.create_task(self._listen(stream))
                both: set[asyncio.Future[Any]] = {reader, stream.ended}
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                for task in (writer, reader, listener):
                    task.cancel()
        finally:
            self._close(stream)
        if stream.ended.done():
            raise stream.ended.result()

    def end_agent(self, agent_id: AgentId, error: HubError) -> None:
        """Ends the streams of an agent: revoked, or replaced."""
        for stream in list(self._streams.values()):
            if stream.agent.id == agent_id:
                stream.end(error)

    def ask(self, agent_id: AgentId, frame: pb.ConnectResponse) -> bool:
        """Sends a frame to the agent's stream; False when there is none."""
        mine = [stream for stream in self._streams.values() if stream.agent.id == agent_id]
        for stream in mine:
            stream.send(frame)
        return bool(mine)

    def erase(self, channel_id: ChannelId, wa_ids: Sequence[WaId]) -> None:
        """A person's data was erased: the journals that may hold it follow."""
        for stream in self._streams.values():
            if channel_id in stream.channels:
                _tell_erased(stream, channel_id, wa_ids)

    def _open(self, agent: Agent, hello: pb.AgentHello) -> _Stream:
        self.end_agent(agent.id, Replaced())
        self._next_id += 1
        stream = _Stream(id=actions.StreamId(self._next_id), agent=agent, last_frame=self._clock.monotonic())
        self._streams[stream.id] = stream
        passing(Failpoint.SERVER_STREAM_OPEN)
        self._reports.connected(agent, hello)
        stream.assign(self._wishes.assignments(agent.id))
        log.info("agent connected", agent=agent.id, version=hello.version)
        return stream

    def _close(self, stream: _Stream) -> None:
        del self._streams[stream.id]
        passing(Failpoint.SERVER_STREAM_LOST)
        now_ms = self._clock.now_ms()
        for line in self._lines.values():
            self._perform(line, line.machine.lost(stream.id, now_ms))
        if not any(other.agent.id == stream.agent.id for other in self._streams.values()):
            self._reports.gone(stream.agent)
        log.info("agent gone", agent=stream.agent.id)

    # ---- frames -------------------------------------------------------------------------------------------------------------

    async def _write(self, stream: _Stream, send: Sender) -> None:
        while True:
            frame = await self._next_frame(stream) if stream.outgoing.empty() else stream.outgoing.get_nowait()
            passing_frame(BEFORE_FRAME, frame)
            await send(frame)
            passing_frame(AFTER_FRAME, frame)

    async def _next_frame(self, stream: _Stream) -> pb.ConnectResponse:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                return await stream.outgoing.get()
        except TimeoutError:
            return pb.ConnectResponse(heartbeat=pb.Heartbeat())

    async def _listen(self, stream: _Stream) -> None:
        """Ends the stream of a desktop that says nothing, however much the hub says meanwhile, or cannot get through."""
        while (left := stream.last_frame + DEAF_SECONDS - self._clock.monotonic()) > 0:  # noqa: ASYNC110 nothing tells of silence
            await asyncio.sleep(left)
        stream.end(UnexpectedFrame("The stream was silent for too long."))

    async def _read(self, stream: _Stream, frames: Frames) -> None:
        try:
            async for frame in frames:
                stream.last_frame = self._clock.monotonic()
                self._reports.seen(stream.agent)
                passing_frame(GOT_FRAME, frame)
                await self._received(stream, frame)
        except HubError as error:
            stream.end(error)

    async def _received(self, stream: _Stream, frame: pb.ConnectRequest) -> None:
        kind = frame.WhichOneof("frame")
        if kind in ABOUT_THE_AGENT:
            self._told_of_itself(stream.agent, frame)
            return
        channel_id, mine = ChannelId(frame.channel_id), stream.channels
        if channel_id not in mine:
            # A frame may have been on its way when the channel was taken away: nothing is stored, nothing is told.
            return
        admit(frame)
        match kind:
            case "channel_report" if mine[channel_id]:
                await self._reports.channel(channel_id, frame.channel_report)
            case "group_report" if mine[channel_id]:
                await self._reports.groups(channel_id, frame.group_report)
            case "page_picture" if mine[channel_id]:
                self._reports.picture(stream.agent, frame.page_picture)
            case "channel_report" | "group_report" | "page_picture":
                return
            case None | "agent_hello":
                stream.end(UnexpectedFrame(f"A frame of kind {kind} is out of place."))
            case _:
                line = self._line(channel_id)
                await line.roomy.wait()
                if kind == "journal_page":
                    await self._numbers.prepare()  # nothing waits between this and what takes them
                self._perform(line, line.machine.receive(stream.id, stream.agent.id, frame, self._clock.now_ms()))
        if kind == "channel_hello":
            await self._recall_erased(stream, channel_id)

    def _told_of_itself(self, agent: Agent, frame: pb.ConnectRequest) -> None:
        admit(frame)
        if frame.HasField("wa_js_report"):
            self._reports.wa_js(agent, frame.wa_js_report)
        elif frame.HasField("examination"):
            self._reports.examined(agent, frame.examination)

    async def _recall_erased(self, stream: _Stream, channel_id: ChannelId) -> None:
        """What was erased while this journal was away."""
        try:
            erased = await self._deliveries.erased(channel_id, self._clock.now_ms() - JOURNAL_KEEPS_MS)
        except StoreError:
            log.warning("erased operations not read", channel=channel_id, exc_info=True)
            return
        _tell_erased(stream, channel_id, erased)

    # ---- channels -----------------------------------------------------------------------------------------------------------

    def _line(self, channel_id: ChannelId) -> ChannelLine:
        line = self._lines.get(channel_id)
        if line is None:
            line = self._lines[channel_id] = ChannelLine(
                self._machine(channel_id), self._perform, self._failed, self._clock
            )
            if self._group is None:
                raise Stopping
            self._group.create_task(self._serve(channel_id, line))
            self._subscribe(channel_id, line)
        return line

    def _machine(self, channel_id: ChannelId) -> Channel:
        numbers = self._numbers
        channel = Channel(
            channel_id, lease_ids=numbers.lease_ids, spare_ids=numbers.spare_ids, first_id=numbers.first_id
        )
        if wanted := self._wishes.wanted(channel_id):
            channel.configure(owner=wanted.owner, holding=wanted.holding, now_ms=self._clock.now_ms())
        return channel

    def _wishes_changed(self) -> None:
        for stream in self._streams.values():
            stream.assign(self._wishes.assignments(stream.agent.id))
        now_ms = self._clock.now_ms()
        for channel_id, line in self._lines.items():
            wanted = self._wishes.wanted(channel_id) or Wanted(owner=None, holding=True)
            self._perform(line, line.machine.configure(owner=wanted.owner, holding=wanted.holding, now_ms=now_ms))

    def _perform(self, line: ChannelLine, wanted: Sequence[actions.Action]) -> None:
        for action in wanted:
            match action:
                case actions.Send(stream=stream_id, frame=frame):
                    if stream := self._streams.get(stream_id):
                        stream.send(frame)
                case actions.End(stream=stream_id, replaced=replaced, reason=reason):
                    if stream := self._streams.get(stream_id):
                        stream.end(Replaced() if replaced else UnexpectedFrame(f"The stream was ended: {reason}."))
                case actions.Load() | actions.Commit():
                    line.add(action)

    async def _serve(self, channel_id: ChannelId, line: ChannelLine) -> None:
        while self._group is not None:
            await line.filled.wait()
            line.filled.clear()
            while line.pending:
                try:
                    await self._next(channel_id, line)
                except HubError as error:
                    self._restart(channel_id, line, error)
                except StoreError:
                    log.warning("channel not read", channel=channel_id, exc_info=True)
                    self._restart(channel_id, line, StoreUnavailable())
                except Exception:  # a fault of ours must not end the lines of other channels
                    self._failed(line)

    async def _next(self, channel_id: ChannelId, line: ChannelLine) -> None:
        """Performs the next load, or all commits up to it in one transaction."""
        if isinstance(load := line.pending[0], actions.Load):
            line.take()
            passing(Failpoint.SERVER_BEFORE_LOAD)
            stored = await self._deliveries.delivery(channel_id, load.journal_id)
            passing(Failpoint.SERVER_AFTER_LOAD)
            file = self._numbers.high_mark(channel_id)
            self._perform(line, line.machine.loaded(load.hello, stored, file, self._clock.now_ms()))
            return
        commits: list[actions.Commit] = []
        while line.pending and isinstance(commit := line.pending[0], actions.Commit):
            commits.append(commit)
            line.take()
        passing(Failpoint.SERVER_BEFORE_LINE)
        # What these writes let go is on this channel alone, and claimed below.
        outcomes = await self._commits.commit([write for commit in commits for write in commit.writes], frees=())
        passing(Failpoint.SERVER_AFTER_LINE)
        position = 0
        for commit in commits:
            mine = outcomes[position : position + len(commit.writes)]
            position += len(commit.writes)
            self._perform(line, line.machine.committed(commit.then, mine, self._clock.now_ms()))
            _tell_restored(channel_id, commit, mine)

    def _failed(self, line: ChannelLine) -> None:
        """A fault of ours; called where it is caught."""
        log.exception("channel failed", channel=line.machine.id)
        self._restart(line.machine.id, line, Internal())

    def _restart(self, channel_id: ChannelId, line: ChannelLine, error: HubError) -> None:
        """What a failed commit left behind is unknown here: every stream of the channel says hello again."""
        log.warning("channel restarted", channel=channel_id, code=error.code)
        line.clear()
        for stream in list(self._streams.values()):
            if channel_id in stream.channels:
                stream.end(error if error.retry_after_seconds else Internal())
        line.machine = self._machine(channel_id)


def _tell_restored(channel_id: ChannelId, commit: actions.Commit, outcomes: Sequence[Outcome]) -> None:
    """Says in the log what became of an older copy of the database."""
    if RESTORING.isdisjoint(map(type, commit.writes)):
        return
    for write, outcome in zip(commit.writes, outcomes, strict=True):
        match write:
            case MarkRestored():
                log.warning("the database is an older copy: the channel waits for its desktop", channel=channel_id)
            case ChangeQueue(to=OperationState.UNCERTAIN) if isinstance(outcome, Sequence):
                log.warning("open operations of the copy are uncertain", channel=channel_id, count=len(outcome))
            case EndRestored():
                log.info("the desktop has told what the copy lacked", channel=channel_id)
            case _:
                pass


def _tell_erased(stream: _Stream, channel_id: ChannelId, wa_ids: Sequence[WaId]) -> None:
    for start in range(0, len(wa_ids), ERASED):
        erase = pb.Erase(whatsapp_ids=wa_ids[start : start + ERASED])
        stream.send(pb.ConnectResponse(channel_id=channel_id, erase=erase))
