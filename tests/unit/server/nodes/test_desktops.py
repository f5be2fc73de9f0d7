"""Every node knows of every desktop what the node knows to which it is connected."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.v1 import channel_service_pb2
from messenger_hub_server.assignments import Assignments
from messenger_hub_server.errors import HubError, NoPicture, Replaced
from messenger_hub_server.model import Agent, AgentId, Channel, ChannelId, LinkState, WaId
from messenger_hub_server.nodes import telling
from messenger_hub_server.nodes.desktops import TOPIC, SharedDesktops
from messenger_hub_server.nodes.reporting import Reporting
from messenger_hub_server.nodes.wishes import SharedWishes
from messenger_hub_server.presence import Presence
from messenger_hub_server.registry import Registry
from messenger_hub_server.reports import ChannelPresence, LinkReport
from messenger_hub_server.services.admin import answers
from messenger_hub_server.services.admin.pictures import Pictures
from messenger_hub_server.store import base

from tests.fakes.clock import FakeClock
from tests.fakes.nodes import Wire, WiredNotices

CHANNEL, OTHER = ChannelId(1), ChannelId(2)
DESK = Agent(id=AgentId(1), name="desk", credential_digest=b"1", channel_ids=frozenset({CHANNEL}), enrolled_at_ms=0)
LAPTOP = Agent(id=AgentId(2), name="laptop", credential_digest=b"2", channel_ids=frozenset({CHANNEL}), enrolled_at_ms=0)
MOST_SECONDS = 5
QR = "2@the-text-that-links-an-account"
ACCOUNT = "491700000001"


class Commits:
    """A database that takes everything."""

    async def commit(self, writes: Sequence[base.Write]) -> Sequence[base.Outcome]:
        return [None for _ in writes]


@dataclass
class Streams:
    """The streams of a node, and what was done to them."""

    open: set[AgentId] = field(default_factory=set)
    ended: list[tuple[AgentId, type[HubError]]] = field(default_factory=list)
    asked: list[tuple[AgentId, pb.ConnectResponse]] = field(default_factory=list)
    erased: list[tuple[ChannelId, Sequence[WaId]]] = field(default_factory=list)

    def end_agent(self, agent_id: AgentId, error: HubError) -> None:
        if agent_id in self.open:
            self.ended.append((agent_id, type(error)))

    def ask(self, agent_id: AgentId, frame: pb.ConnectResponse) -> bool:
        if agent_id in self.open:
            self.asked.append((agent_id, frame))
        return agent_id in self.open

    def erase(self, channel_id: ChannelId, wa_ids: Sequence[WaId]) -> None:
        self.erased.append((channel_id, wa_ids))


@dataclass
class Marks:
    """What was heard of restored channels."""

    heard: list[tuple[ChannelId, bool]] = field(default_factory=list)
    looks: int = 0

    def mark(self, channel_id: ChannelId, *, restored: bool) -> None:
        self.heard.append((channel_id, restored))

    def look(self) -> None:
        self.looks += 1


class OneNode:
    """All of a node that has to do with desktops, and no stream of theirs but what a test says."""

    def __init__(self, wire: Wire, name: str, clock: FakeClock) -> None:
        self.clock = clock
        self.notices: WiredNotices = wire.joins(name)
        self.presence = Presence(clock)
        self.registry = Registry(Commits(), mint=None, numbers=None, clock=clock)  # type: ignore[arg-type]  # makes none
        channels = [Channel(id=CHANNEL, name="shop", agent_id=DESK.id), Channel(id=OTHER, name="other")]
        self.registry.load(
            base.Registry(channels=channels, session_apis=[], keys=[], agents=[DESK, LAPTOP], enrolments=[])
        )
        self.streams, self.marks = Streams(), Marks()
        self.desktops = SharedDesktops(self.notices, self.registry, self.presence, clock)
        self.pictures = Pictures(self.desktops.ask)
        self.assignments = Assignments(
            registry=self.registry,
            presence=self.presence,
            commits=Commits(),
            queue_depth=lambda _: 0,
            uncertain=lambda _: 0,
            pictured=self.pictures.came,
            answered=lambda _agent, _report: None,
            examined=lambda _agent, _told: None,
            left=self.pictures.gone,
            api_address=lambda: "",
            clock=clock,
        )
        self.reports = Reporting(self.assignments, self.desktops, self.registry, self.presence)
        self.desktops.start(self.streams, self, self.marks)
        SharedWishes(self.registry, self.notices)

    def came(self, agent_id: AgentId, frame: pb.ConnectRequest) -> None:
        self.pictures.came(agent_id, frame.page_picture)

    def gone(self, agent_id: AgentId) -> None:
        self.pictures.gone(agent_id)

    def connects(self, agent: Agent = DESK, version: str = "1.0.0") -> None:
        self.streams.open.add(agent.id)
        self.reports.connected(agent, pb.AgentHello(version=version, platform="Linux", examines=True))

    def leaves(self, agent: Agent = DESK) -> None:
        self.streams.open.discard(agent.id)
        self.reports.gone(agent)

    async def reports_qr(self) -> None:
        await self.reports.channel(
            CHANNEL, pb.ChannelReport(state=channel_service_pb2.CHANNEL_STATE_UNLINKED, qr_text=QR)
        )

    async def reports_linked(self) -> None:
        linked = pb.ChannelReport(state=channel_service_pb2.CHANNEL_STATE_LINKED, account=ACCOUNT)
        await self.reports.channel(CHANNEL, linked)

    def is_connected(self, agent: Agent = DESK) -> bool:
        known = self.presence.agent(agent.id)
        return known is not None and known.connected

    def state(self) -> LinkState | None:
        known = self.presence.of(CHANNEL)
        return known.report.state if known is not None else None

    def assignment(self, agent: Agent = DESK) -> pb.Assignments.Assignment:
        return self.assignments.assignments(agent.id).assignments[0]


async def while_asked(asking: Sequence[Awaitable[bytes]], happens: Callable[[], None]) -> Sequence[object]:
    """What becomes of the questions when that happens once they are out."""

    async def then() -> None:
        happens()

    async with asyncio.timeout(MOST_SECONDS):
        *came, happened = await asyncio.gather(*asking, then(), return_exceptions=True)
    if isinstance(happened, BaseException):
        raise happened
    return came


@dataclass
class Hub:
    wire: Wire
    clock: FakeClock
    first: OneNode
    second: OneNode

    def third(self) -> OneNode:
        return OneNode(self.wire, "third", self.clock)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setattr(answers, "SECONDS", 1_000.0)  # nobody is told by the time alone
    wire, clock = Wire(), FakeClock()
    made = Hub(wire, clock, OneNode(wire, "first", clock), OneNode(wire, "second", clock))
    wire.carry_all()
    return made


async def test_what_a_desktop_reports_to_one_node_is_known_on_the_others(hub: Hub) -> None:
    hub.first.connects(version="2.3.4")
    await hub.first.reports_qr()
    hub.wire.carry_all()
    known, shown = hub.second.presence.agent(DESK.id), hub.second.presence.of(CHANNEL)
    assert known is not None and shown is not None
    assert (known.connected, known.version, known.examines, known.node) == (True, "2.3.4", True, "first")
    assert (shown.report.state, shown.report.qr_text) == (LinkState.UNLINKED, QR)
    here = hub.first.presence.of(CHANNEL)
    assert here == shown


async def test_what_was_heard_is_never_told_again(hub: Hub) -> None:
    hub.first.connects()
    await hub.first.reports_qr()
    before = len(hub.wire.told)
    hub.wire.carry_all()
    assert {node for node, _ in hub.wire.told[before:]} == {hub.first.notices.own.id}


async def test_a_node_that_starts_late_learns_everything(hub: Hub) -> None:
    hub.first.connects()
    await hub.first.reports_qr()
    hub.second.connects(LAPTOP)
    hub.first.registry.set_linking(CHANNEL, "491700000009")
    hub.second.registry.set_unlinking(OTHER)
    hub.wire.carry_all()
    third = hub.third()
    hub.wire.carry_all()
    assert third.is_connected(DESK) and third.is_connected(LAPTOP)
    assert third.state() is LinkState.UNLINKED
    linking = third.registry.linking(CHANNEL)
    assert linking is not None and linking.phone == "491700000009"
    assert third.registry.unlinking(OTHER)
    assert third.marks.looks == 2  # one for each node that told it everything


def test_a_node_that_dies_takes_its_desktops_along_and_no_others(hub: Hub) -> None:
    hub.first.connects(DESK)
    hub.second.connects(LAPTOP)
    third = hub.third()
    hub.wire.carry_all()
    hub.wire.dies(hub.first.notices)
    assert (third.is_connected(DESK), third.is_connected(LAPTOP)) == (False, True)
    assert (hub.second.is_connected(DESK), hub.second.is_connected(LAPTOP)) == (False, True)


def test_a_desktop_that_has_moved_to_another_node_stays_connected_when_its_old_node_tells_its_end_late(
    hub: Hub,
) -> None:
    third = hub.third()
    hub.wire.carry_all()
    hub.first.connects()
    hub.wire.carry_all()
    hub.wire.hold(hub.first.notices)
    hub.first.leaves()
    hub.second.connects()
    hub.wire.carry()
    assert third.is_connected()
    hub.wire.carry_all()
    assert third.is_connected() and hub.first.is_connected() and hub.second.is_connected()
    hub.second.leaves()
    hub.wire.carry_all()
    assert not third.is_connected() and not hub.first.is_connected()


def test_a_desktop_that_connects_to_another_node_ends_its_old_stream(hub: Hub) -> None:
    hub.first.connects()
    hub.wire.carry_all()
    hub.second.connects()
    hub.wire.carry_all()
    assert hub.first.streams.ended == [(DESK.id, Replaced)]
    assert hub.second.streams.ended == []
    hub.first.leaves()
    hub.wire.carry_all()
    assert hub.first.is_connected() and hub.second.is_connected()


def test_of_two_nodes_that_a_desktop_reaches_at_once_exactly_one_keeps_it(hub: Hub) -> None:
    hub.first.connects()
    hub.second.connects()
    hub.wire.carry_all()
    assert len(hub.first.streams.ended) + len(hub.second.streams.ended) == 1
    loser = hub.first if hub.first.streams.ended else hub.second
    loser.leaves()
    hub.wire.carry_all()
    assert hub.first.is_connected() and hub.second.is_connected()


async def test_what_still_comes_over_the_old_stream_is_not_shown(hub: Hub) -> None:
    hub.first.connects()
    hub.wire.carry_all()
    hub.second.connects()
    await hub.second.reports_linked()
    await hub.first.registry.linked(CHANNEL, ACCOUNT)
    hub.wire.hold(hub.first.notices)
    await hub.first.reports_qr()  # it has not heard yet that its stream is replaced
    hub.wire.carry()
    await hub.first.reports_qr()  # and now it has
    hub.wire.carry_all()
    assert (hub.first.state(), hub.second.state()) == (LinkState.LINKED, LinkState.LINKED)


async def test_a_wish_to_link_reaches_the_desktop_through_the_node_that_has_it_and_ends_when_it_is_linked(
    hub: Hub,
) -> None:
    hub.first.connects()
    hub.second.registry.set_linking(CHANNEL, "491700000009")
    hub.wire.carry_all()
    assert (hub.first.assignment().linking, hub.first.assignment().pairing_number) == (True, "491700000009")
    await hub.first.reports_linked()
    assert not hub.first.assignment().linking
    hub.wire.carry_all()
    await hub.second.registry.linked(CHANNEL, ACCOUNT)  # what the registry told it
    hub.wire.carry_all()
    assert hub.second.registry.linking(CHANNEL) is None and not hub.first.assignment().linking


def test_a_person_who_gives_up_linking_on_one_node_leaves_the_wish_of_another_one(hub: Hub) -> None:
    hub.first.registry.set_linking(CHANNEL)
    hub.second.registry.set_linking(CHANNEL)
    hub.wire.carry_all()
    hub.first.registry.clear_linking(CHANNEL)
    hub.wire.carry_all()
    assert hub.first.registry.linking(CHANNEL) is not None
    hub.second.registry.clear_linking(CHANNEL)
    hub.wire.carry_all()
    assert hub.first.registry.linking(CHANNEL) is None


def test_what_a_dead_node_was_asked_to_link_is_wished_no_more(hub: Hub) -> None:
    hub.first.registry.set_linking(CHANNEL)
    hub.wire.carry_all()
    assert hub.second.registry.linking(CHANNEL) is not None
    hub.wire.dies(hub.first.notices)
    assert hub.second.registry.linking(CHANNEL) is None


async def test_a_wish_to_unlink_ends_on_all_nodes_when_the_channel_is_reported_unlinked(hub: Hub) -> None:
    hub.first.connects()
    hub.second.registry.set_unlinking(CHANNEL)
    hub.wire.carry_all()
    assert hub.first.assignment().unlink
    await hub.first.reports_qr()
    hub.wire.carry_all()
    assert not hub.first.assignment().unlink and not hub.second.registry.unlinking(CHANNEL)


async def test_a_linked_channel_is_not_shown_before_its_number_is_known(hub: Hub) -> None:
    hub.first.connects()
    await hub.first.reports_qr()
    await hub.first.reports_linked()
    hub.wire.carry_all()
    assert hub.second.state() is LinkState.UNLINKED
    await hub.second.registry.linked(CHANNEL, ACCOUNT)
    assert hub.second.state() is LinkState.LINKED


async def test_a_channel_that_is_moved_shows_what_its_new_desktop_reports_and_no_more_of_the_old_one(hub: Hub) -> None:
    hub.first.connects(DESK)
    hub.second.connects(LAPTOP)
    await hub.first.reports_qr()
    hub.wire.carry_all()
    await hub.second.registry.own(CHANNEL, LAPTOP.id)
    assert hub.second.state() is None
    await hub.second.reports_linked()
    hub.wire.carry_all()
    assert hub.first.state() is LinkState.UNLINKED  # its registry does not know of the move yet
    await hub.first.registry.own(CHANNEL, LAPTOP.id)
    await hub.first.registry.linked(CHANNEL, ACCOUNT)
    assert hub.first.state() is LinkState.LINKED


async def test_a_picture_is_asked_of_a_desktop_on_another_node_and_comes_back_to_who_asked(hub: Hub) -> None:
    hub.first.connects()
    third = hub.third()
    hub.wire.carry_all()

    def answer() -> None:
        hub.wire.carry_all()
        ((asked, frame),) = hub.first.streams.asked
        assert (asked, frame.channel_id) == (DESK.id, CHANNEL)
        hub.first.reports.picture(DESK, pb.PagePicture(number=frame.show_page.number, jpeg=b"a picture"))
        hub.wire.carry_all()

    assert await while_asked([hub.second.pictures.take(DESK.id, CHANNEL)], answer) == [b"a picture"]
    assert third.streams.asked == [] and hub.second.streams.asked == []


async def test_whoever_asks_a_desktop_that_has_just_left_another_node_hears_so_at_once(hub: Hub) -> None:
    hub.first.connects()
    hub.wire.carry_all()

    def leaves() -> None:
        hub.first.streams.open.discard(DESK.id)  # before it can tell
        hub.wire.carry_all()

    (came,) = await while_asked([hub.second.pictures.take(DESK.id, CHANNEL)], leaves)
    assert isinstance(came, NoPicture)


async def test_whoever_waits_for_a_desktop_whose_node_dies_hears_so_at_once(hub: Hub) -> None:
    hub.first.connects()
    hub.wire.carry_all()
    asking = [hub.second.pictures.take(DESK.id, CHANNEL)]
    (came,) = await while_asked(asking, lambda: hub.wire.dies(hub.first.notices))
    assert isinstance(came, NoPicture)


async def test_two_nodes_that_ask_one_desktop_do_not_take_each_others_answers(hub: Hub) -> None:
    hub.first.connects()
    hub.wire.carry_all()

    def answer() -> None:
        hub.wire.carry_all()
        mine, theirs = (frame.show_page.number for _, frame in hub.first.streams.asked)
        hub.first.reports.picture(DESK, pb.PagePicture(number=theirs, jpeg=b"for the second"))
        hub.first.reports.picture(DESK, pb.PagePicture(number=mine, jpeg=b"for the first"))
        hub.wire.carry_all()

    asking = [one.pictures.take(DESK.id, CHANNEL) for one in (hub.first, hub.second)]
    assert await while_asked(asking, answer) == [b"for the first", b"for the second"]


def test_another_wa_js_is_known_on_all_nodes(hub: Hub) -> None:
    hub.first.reports.connected(DESK, pb.AgentHello(version="1.0.0", wa_js_standing=pb.WaJsStanding(in_use="4.0.1")))
    standing = pb.WaJsStanding(in_use="4.1.0", stage=pb.WA_JS_STAGE_ADOPTED)
    hub.first.reports.wa_js(DESK, pb.WaJsReport(standing=standing))
    hub.wire.carry_all()
    known = hub.second.presence.agent(DESK.id)
    assert known is not None and known.wa_js_standing == standing


def test_when_a_desktop_was_last_seen_is_told_now_and_then_and_only_when_it_is_news(hub: Hub) -> None:
    hub.first.connects()
    hub.wire.carry_all()
    hub.clock.goes(20)
    hub.first.reports.seen(DESK)
    hub.first.desktops.tell_seen()
    hub.wire.carry_all()
    known = hub.second.presence.agent(DESK.id)
    assert known is not None and known.last_seen_ms == hub.clock.now_ms()
    before = len(hub.wire.told)
    hub.first.desktops.tell_seen()
    hub.wire.carry_all()
    assert len(hub.wire.told) == before


async def test_what_a_node_told_over_a_connection_that_was_lost_the_others_learn_when_it_has_another_one(
    hub: Hub,
) -> None:
    hub.first.connects(DESK)
    await hub.first.reports_qr()
    hub.first.notices.drops()
    hub.first.notices.misses()
    hub.wire.carry_all()
    assert hub.second.is_connected(DESK) and hub.second.state() is LinkState.UNLINKED


def test_what_a_node_did_not_hear_it_learns_when_it_can_hear_again(hub: Hub) -> None:
    hub.second.connects(LAPTOP)
    hub.wire.carry_all()
    hub.second.leaves(LAPTOP)
    hub.second.notices.drops()
    hub.first.notices.misses()
    hub.wire.carry_all()
    assert not hub.first.is_connected(LAPTOP)
    assert hub.first.marks.looks > 0


def test_what_is_erased_and_marked_reaches_every_node(hub: Hub) -> None:
    hub.first.desktops.erase(CHANNEL, [WaId("3EB0AA")])
    hub.first.desktops.marked(CHANNEL, True)
    hub.first.desktops.marked(CHANNEL, False)
    hub.wire.carry_all()
    assert hub.first.streams.erased == hub.second.streams.erased == [(CHANNEL, ["3EB0AA"])]
    assert hub.second.marks.heard == [(CHANNEL, True), (CHANNEL, False)]


def test_what_a_node_of_another_version_tells_is_left_alone_and_not_quoted_in_the_log(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hub.first.notices.tell(TOPIC, b"\x81\xa4type\xb249170000000012345")
    hub.first.notices.tell(TOPIC, telling.encode(telling.WhoIsThere()))
    hub.wire.carry_all()
    assert "491700000000" not in caplog.text
    hub.first.connects()
    hub.wire.carry_all()
    assert hub.second.is_connected()


def test_nothing_that_is_told_is_printed() -> None:
    report = LinkReport(state=LinkState.UNLINKED, qr_text=QR, account=ACCOUNT)
    channel = telling.channel_told(1, 1, 1, ChannelPresence(report=report, since_ms=1, reported_at_ms=2))
    printed = repr([channel, telling.Everything(agents=[], channels=[channel])])
    assert QR not in printed and ACCOUNT not in printed
    assert telling.channel_presence(channel).report == report
