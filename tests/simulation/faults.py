"""What can go wrong, each as one step. A fault excuses only what it touches."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from messenger_hub_server.model import JournalId, OperationState

from tests.simulation.desk import Desk, Disk
from tests.simulation.hub import CHANNEL, File
from tests.simulation.whatsapp import body_of
from tests.simulation.world import KEPT_COPIES, UNSTARTED, Copy, World

Fault = Callable[[World], bool]

UNTOLD = UNSTARTED | {OperationState.UNCERTAIN}  # what only a desktop may know to have been sent


def cut(world: World) -> bool:
    """A stream breaks; each end notices by itself, and what was on its way may be lost."""
    wires = [wire for wire in world.hub.wires if not wire.cut]
    if not wires:
        return False
    world.dice.choice(wires).break_off(world.dice)
    return True


def server_crash(world: World) -> bool:
    """The server's process is gone."""
    if not world.hub.running:
        return False
    world.hub.crash()
    return True


def agent_crash(world: World) -> bool:
    """An agent's process is gone; its browser ends with it."""
    desk = world.desk()
    if desk is None:
        return False
    desk.crash()
    _page_goes(world, desk)
    return True


def page_crash(world: World) -> bool:
    """A page or a browser is gone, the agent goes on."""
    desk = world.desk()
    if desk is None or not desk.profile.up:
        return False
    world.oracle.leave_open(desk.open_leases(), "the page went between intent and end")
    _page_goes(world, desk)
    desk.judge()
    return True


def _page_goes(world: World, desk: Desk) -> None:
    world.oracle.doubt(
        (m.body for m in desk.profile.messages.values() if m.ack == 0), "it was in the outbox of a page that went"
    )
    desk.profile.crash()


def network_away(world: World) -> bool:
    """The phone network is away for a while, or back."""
    world.network.up = not world.network.up
    return True


def restriction(world: World) -> bool:
    """WhatsApp restricts the account: no new chats for a while."""
    world.network.restricted_until_ms = world.now_ms + world.dice.randrange(5, 40)
    return True


def clock_jump(world: World) -> bool:
    """The hub's clock is set forward or back, or its machine slept. A desk whose clocks part ends its stream."""
    world.now_ms += world.dice.choice((-30, -5, 20, 100))
    for desk in world.desks:
        if desk.wire is not None and world.dice.random() < 0.5:
            desk.wire.break_off(world.dice)
    return True


def move(world: World) -> bool:
    """The channel goes to the other desk once nothing is leased any more."""
    if world.hub.moving_to is not None:
        return False
    world.hub.moving_to = next(d.agent_id for d in world.desks if d.agent_id != world.hub.owner)
    world.hub.configure()
    return True


def forced_move(world: World) -> bool:
    """The old desk is given up: what it had started is uncertain then."""
    moved = {row.body for row in world.open_rows() if row.state is OperationState.LEASED}
    world.oracle.doubt(moved, "moved by force")
    world.oracle.unordered |= moved
    world.hub.hand_over(next(d.agent_id for d in world.desks if d.agent_id != world.hub.owner))
    return True


def _lost_for_good(world: World, bodies: set[str], why: str) -> None:
    world.oracle.doubt(bodies, why, lost=True)
    world.oracle.unordered |= bodies


def folder_lost(world: World) -> bool:
    """A desk's folder is gone; a new one has another journal and a browser that was linked anew."""
    desk = world.desk()
    if desk is None:
        return False
    desk.crash()
    _folder_fault(world, desk)
    desk.disk = Disk(world.fresh("j"))
    desk.profile = desk.profile.linked_anew()
    desk.start()
    return True


def folder_rolled_back(world: World) -> bool:
    """A desk's folder is an older copy of itself."""
    desk = world.desk()
    older = world.folders.get(desk.name) if desk is not None else None
    if desk is None or older is None:
        return False
    desk.crash()
    _folder_fault(world, desk)
    world.rolled_back = True  # what it writes from here on has numbers that the hub knows already
    disk, profile = older
    desk.disk, desk.profile = disk.copied(), profile.copied()
    desk.start()
    desk.synchronise()
    return True


def _folder_fault(world: World, desk: Desk) -> None:
    """What this folder had in its hands, and what it sent and has not told yet, may be uncertain."""
    rows = {row.body for row in world.hub.store.operations_now() if row.state in UNTOLD}
    # What ended while nobody knew of the older copy: only this folder could have told that it was sent.
    blindly = world.oracle.blindly if world.restoring else set()
    opened = {body_of(lease) for lease in desk.open_leases().values()}
    _lost_for_good(world, rows | opened | blindly, "a desk's folder was lost")
    if world.restoring:
        world.oracle.lost |= world.oracle.accepted.keys() - {row.body for row in world.hub.store.operations_now()}
        # An older database and an older journal at once: nobody is left who knows.
        world.oracle.unguarded |= rows | world.oracle.lost


def folder_kept(world: World) -> bool:
    """Somebody makes a copy of a desk's folder."""
    desk = world.desk()
    if desk is None:
        return False
    world.folders[desk.name] = (desk.disk.copied(), desk.profile.copied())
    return True


def copy_started(world: World) -> bool:
    """A copy of a desk's folder runs beside it, with the same credential."""
    if len(world.desks) > 2:
        world.desks.pop().crash()
        return True
    desk = world.desk()
    if desk is None:
        return False
    _folder_fault(world, desk)
    world.forked = True
    world.desks.append(Desk(world, "copy", desk.agent_id, desk.disk.copied(), desk.profile.copied()))
    world.desks[-1].synchronise()
    return True


def database_kept(world: World) -> bool:
    """Somebody makes a copy of the database."""
    copy = Copy(world.hub.store.snapshot(), world.hub.file.copied(), len(world.oracle.epochs), len(world.oracle.goes))
    world.copies = [*world.copies, copy][-KEPT_COPIES:]
    return True


def database_restored(world: World) -> bool:
    """An older copy of the database is put back. The high-water file is that of now; or it is lost, which a person is asked about;
    or, with the whole machine's disk, as old as the copy, which only a desk can notice."""
    if not world.copies:
        return False
    kept = world.dice.choice(world.copies)
    way = world.dice.choice(world.ways)
    if way == "file of now" and world.hub.file.is_behind(kept.store):
        way = "file lost"  # the copy is of a time that an older one has undone: the hub does not start, and a person is asked
    world.hub.crash()
    alone = _journals_since(world, kept) == {world.owner.disk.journal_id}
    world.file_trusted = world.file_trusted and (way == "file of now" or (way == "disk of then" and alone))
    witness = _witness(world, kept, noticed=way != "disk of then")
    world.hub.store = kept.store.snapshot()
    relieved = way == "disk of then" and not alone
    world.oracle.restored(world.hub.store, kept.goes, witnessed=witness is not None, relieved=relieved)
    world.restoring = True
    behind = kept.store.delivery_now(CHANNEL, world.hub.file.mark.journal_id).epoch >= world.hub.file.stored
    world.unbetrayed = way == "disk of then" or (way == "file of now" and behind)
    world.hub.undecided = ""
    if world.hub.restored:
        # A copy from within a restore: that nobody leased anything then is all that is known of what was accepted meanwhile.
        world.oracle.unguarded |= world.oracle.arrived.keys()
        world.hub.undecided = (
            "a copy from within a restore: what was accepted since is not told apart from what it held"
        )
    if way != "file of now":
        world.oracle.epoch_streams.clear()  # what was given out since is not known any more
    if way == "file lost":
        world.hub.file = File()
        world.hub.mark_restored(file_lost=True)
    elif way == "disk of then":
        world.hub.file = kept.file.copied()
        world.oracle.numbers_reused = True  # nobody can know which were given out since
    return True


def _witness(world: World, kept: Copy, *, noticed: bool) -> str | None:
    """The journal under which every epoch since the copy was taken, if it is that of the owner's desk and the file says so. A roll-back
    of the whole disk is noticed when that journal was told more than the copy has."""
    marked = kept.store.delivery_now(CHANNEL, kept.file.mark.journal_id).restored is not None
    if marked or not kept.epochs or not world.file_trusted or world.forked:
        return None
    since, owner = _journals_since(world, kept), world.owner.disk
    stored = kept.store.delivery_now(CHANNEL, JournalId(owner.journal_id)).sequence
    old = kept.store.delivery_now(CHANNEL, world.hub.file.mark.journal_id).epoch < world.hub.file.mark.taken_over_at
    noticed = noticed or owner.acknowledged > stored
    told = noticed and since == {owner.journal_id} and owner.first <= stored + 1
    return owner.journal_id if told and not old else None


def _journals_since(world: World, kept: Copy) -> set[str]:
    return {journal for _, journal in world.oracle.epochs[max(0, kept.epochs - 1) :]}


FAULTS: Mapping[Fault, float] = {
    cut: 1.0,
    server_crash: 0.4,
    agent_crash: 0.5,
    page_crash: 0.5,
    network_away: 0.3,
    restriction: 0.1,
    clock_jump: 0.2,
    move: 0.2,
    forced_move: 0.1,
    folder_lost: 0.08,
    folder_kept: 0.3,
    folder_rolled_back: 0.1,
    copy_started: 0.15,
    database_kept: 0.4,
    database_restored: 0.25,
}
