"""The hub's parts, wired together: everything below the doors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from messenger_hub.admin.v1 import (
    agent_admin_service_pb2,
    channel_admin_service_pb2,
    hub_admin_service_pb2,
    operation_admin_service_pb2,
    person_admin_service_pb2,
    session_api_admin_service_pb2,
)
from messenger_hub.agent.v1 import agent_service_pb2
from messenger_hub.runtime.clock import Clock
from messenger_hub.v1 import channel_service_pb2, contact_service_pb2, message_service_pb2, operation_service_pb2

from messenger_hub_server.assignments import Assignments
from messenger_hub_server.data_folder import DataFolder
from messenger_hub_server.depths import Depths
from messenger_hub_server.errors import StoreUnavailable
from messenger_hub_server.identity.callers import Caller, Callers
from messenger_hub_server.identity.keys import Keys
from messenger_hub_server.identity.limits import Limits
from messenger_hub_server.identity.signins import SignIns
from messenger_hub_server.lines import Lines
from messenger_hub_server.metrics import Metrics
from messenger_hub_server.model import OperationId
from messenger_hub_server.nodes.desktops import SharedDesktops
from messenger_hub_server.nodes.notices import Notices
from messenger_hub_server.nodes.overview import Overview
from messenger_hub_server.nodes.reporting import Reporting
from messenger_hub_server.nodes.turns import SharedRegistry
from messenger_hub_server.nodes.wakes import ToldLines, ToldNews
from messenger_hub_server.nodes.wishes import SharedWishes
from messenger_hub_server.operation_ids import FreshIds
from messenger_hub_server.persons import Persons
from messenger_hub_server.presence import Presence
from messenger_hub_server.queue import Queue
from messenger_hub_server.readings import Reader
from messenger_hub_server.registry import Registry
from messenger_hub_server.rpc.chain import Chain, Vouched, Vouching
from messenger_hub_server.rpc.method import compiled
from messenger_hub_server.services.admin.agents import AgentAdminHandlers
from messenger_hub_server.services.admin.asked import Asked
from messenger_hub_server.services.admin.channels import ChannelAdminHandlers
from messenger_hub_server.services.admin.checkup import Checkup
from messenger_hub_server.services.admin.examinations import Examinations
from messenger_hub_server.services.admin.facts import HubFacts
from messenger_hub_server.services.admin.hub import HubAdminHandlers
from messenger_hub_server.services.admin.moves import Moves
from messenger_hub_server.services.admin.operations import AdminSights, OperationAdminHandlers
from messenger_hub_server.services.admin.persons import PersonAdminHandlers
from messenger_hub_server.services.admin.pictures import Pictures
from messenger_hub_server.services.admin.session_apis import SessionApiAdminHandlers
from messenger_hub_server.services.admin.updates import Updates
from messenger_hub_server.services.agents import AgentHandlers
from messenger_hub_server.services.backlogs import Backlogs
from messenger_hub_server.services.channels import ChannelHandlers
from messenger_hub_server.services.contacts import ContactHandlers
from messenger_hub_server.services.formats import FORMATS
from messenger_hub_server.services.intake import Intake
from messenger_hub_server.services.messages import MessageHandlers
from messenger_hub_server.services.operations import OperationHandlers
from messenger_hub_server.services.sights import Sights
from messenger_hub_server.store.base import Store
from messenger_hub_server.stores import Storage
from messenger_hub_server.streams import Numbers, Streams
from messenger_hub_server.upkeep.due import Due
from messenger_hub_server.upkeep.retention import Keep, Retention
from messenger_hub_server.upkeep.rounds import Rounds
from messenger_hub_server.watch import News, Watch

CONTRACT = (
    message_service_pb2,
    contact_service_pb2,
    operation_service_pb2,
    channel_service_pb2,
    agent_service_pb2,
    channel_admin_service_pb2,
    session_api_admin_service_pb2,
    agent_admin_service_pb2,
    operation_admin_service_pb2,
    person_admin_service_pb2,
    hub_admin_service_pb2,
)


class Wishes(Assignments):
    """Streams hear of changed queue depths too, which the icon shows."""

    def __init__(self, *, depths: Depths, **fields: object) -> None:
        super().__init__(queue_depth=depths.of, uncertain=depths.uncertain, **fields)  # type: ignore[arg-type]
        self._depths = depths

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """After every change of the registry or of a depth."""
        ends = (super().on_change(callback), self._depths.on_change(callback))

        def end() -> None:
            for one in ends:
                one()

        return end


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the composition root starts, stops and hands to the doors."""

    clock: Clock
    store: Store
    queue: Queue
    lines: Lines
    news: News
    watch: Watch
    registry: Registry
    presence: Presence
    depths: Depths
    streams: Streams
    backlogs: Backlogs
    rounds: Rounds
    metrics: Metrics
    readings: Reader
    notices: Notices
    sharing: SharedRegistry | None
    desktops: SharedDesktops
    chain: Chain
    sign_ins: SignIns


async def assemble(
    storage: Storage,
    *,
    folder: DataFolder,
    clock: Clock,
    rate_per_minute: int,
    keep: Keep,
    asks_about_backlogs: bool,
    facts: Callable[[], HubFacts],
    api_address: Callable[[], str],
) -> Parts:
    """Wires everything; nothing runs yet."""
    store, highwater, notices, records = storage.store, storage.highwater, storage.notices, storage.records
    keys, metrics, lines, news = Keys(folder.pepper), Metrics(), Lines(), ToldNews(notices)
    everywhere = ToldLines(lines, notices)
    queue = Queue(store, highwater, everywhere, news, clock, observe=metrics.committed)
    watch, depths, presence = Watch(store, news), Depths(store, news), Presence(clock)
    sharing = SharedRegistry(records, notices, clock) if records is not None else None
    registry = Registry(queue, keys, storage.registry_ids, clock, turn=sharing)
    registry.load(await (store.registry() if records is None else records.records()))
    queue.load(await store.restored(), await store.latest_place_ms())
    registry.on_change(news.tell)

    desktops = SharedDesktops(notices, registry, presence, clock)
    pictures, updates = Pictures(desktops.ask), Updates(desktops.ask)
    examinations = Examinations(desktops.ask, clock)
    asked = Asked(pictures, updates, examinations)
    wishes = Wishes(
        depths=depths,
        registry=registry,
        presence=presence,
        commits=queue,
        pictured=pictures.came,
        answered=updates.came,
        examined=examinations.came,
        left=asked.gone,
        api_address=api_address,
        clock=clock,
    )
    sign_ins = SignIns(storage.console, keys, folder.admin_token, clock)
    numbers = Numbers(
        lease_ids=queue.lease_ids,
        spare_ids=queue.operation_ids.spare,
        prepare=queue.operation_ids.prepare,
        first_id=lambda: queue.operation_ids.first,
        high_mark=highwater.mark,
    )
    streams = Streams(
        commits=queue,
        deliveries=store,
        reports=Reporting(wishes, desktops, registry, presence),
        wishes=wishes,
        lines=lines,
        numbers=numbers,
        clock=clock,
    )

    def failed_over(counted: OperationId) -> None:
        queue.operation_ids.failed_over(counted)
        _end_all(streams, registry)

    storage.on_failover(failed_over)
    queue.restored.on_change(desktops.marked)
    desktops.start(streams, asked, queue.restored)
    overview = Overview(notices, desktops)
    sights = Sights(registry, presence, queue, clock)
    admin_sights = AdminSights(registry, sights)
    moves = Moves(queue, registry, presence, news)
    intake = Intake(queue, clock)
    backlogs = Backlogs(queue, registry, sights, clock, asks=asks_about_backlogs)
    callers = Callers(registry, keys, folder.admin_token, clock)

    vouching: Vouching = sharing if sharing is not None else Vouched()

    async def confirm(caller: Caller) -> None:
        await vouching.look()
        callers.confirm(caller)

    handlers: Mapping[str, object] = {
        "messenger_hub.v1.MessageService": MessageHandlers(queue, intake),
        "messenger_hub.v1.ContactService": ContactHandlers(intake),
        "messenger_hub.v1.OperationService": OperationHandlers(queue, watch, sights, confirm),
        "messenger_hub.v1.ChannelService": ChannelHandlers(queue, registry, sights),
        "messenger_hub.agent.v1.AgentService": AgentHandlers(registry, streams, backlogs),
        "messenger_hub.admin.v1.ChannelAdminService": ChannelAdminHandlers(
            queue, registry, presence, sights, moves, backlogs, pictures, clock
        ),
        "messenger_hub.admin.v1.SessionApiAdminService": SessionApiAdminHandlers(queue, registry, clock),
        "messenger_hub.admin.v1.AgentAdminService": AgentAdminHandlers(
            registry, presence, streams, updates, lambda: facts().reach, overview.node_of
        ),
        "messenger_hub.admin.v1.OperationAdminService": OperationAdminHandlers(queue, registry, admin_sights, clock),
        "messenger_hub.admin.v1.PersonAdminService": PersonAdminHandlers(
            Persons(queue, desktops.erase, clock), queue, admin_sights
        ),
        "messenger_hub.admin.v1.HubAdminService": HubAdminHandlers(
            queue,
            registry,
            presence,
            sights,
            watch,
            sign_ins,
            Checkup(queue, registry, presence, sights, examinations, clock, facts, overview),
            facts,
            overview.nodes,
            clock,
        ),
    }
    chain = Chain(
        compiled([module.DESCRIPTOR for module in CONTRACT]),
        handlers,
        callers=callers,
        limits=Limits(rate_per_minute),
        formats=FORMATS,
        observer=metrics,
        clock=clock,
        vouching=vouching,
    )
    if sharing is not None:
        sharing.serve(registry, streams.end_agent)
    SharedWishes(registry, notices)
    return Parts(
        clock=clock,
        store=store,
        queue=queue,
        lines=lines,
        news=news,
        watch=watch,
        registry=registry,
        presence=presence,
        depths=depths,
        streams=streams,
        backlogs=backlogs,
        rounds=Rounds(
            [Due(queue, lines, everywhere), Retention(queue, keep), backlogs, FreshIds(queue.operation_ids)],
            news,
            clock,
        ),
        metrics=metrics,
        readings=Reader(
            queue=queue,
            registry=registry,
            presence=presence,
            sights=sights,
            confirmed_ms=metrics.confirmed_ms,
            folder=folder.private.path,
            clock=clock,
        ),
        notices=notices,
        sharing=sharing,
        desktops=desktops,
        chain=chain,
        sign_ins=sign_ins,
    )


def _end_all(streams: Streams, registry: Registry) -> None:
    """Every desktop says hello again, by which an older copy of the database is noticed."""
    for agent in registry.agents():
        streams.end_agent(agent.id, StoreUnavailable())
