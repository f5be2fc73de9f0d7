"""A desktop for tests: a panel's end of the tray over D-Bus, and a notification daemon.

A panel is a D-Bus name that icons register with (`org.kde.StatusNotifierWatcher`), and a client of the icon's properties and
of its menu (`com.canonical.dbusmenu`). Ids of menu items change with each rebuild, so items are found by their labels.

No `from __future__ import annotations` here: dbus-fast reads the annotations themselves.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Self

from dbus_fast import Message, MessageType, PropertyAccess, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusBool, DBusDict, DBusInt32, DBusSignature, DBusStr, DBusUInt32
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property
from PIL import Image

WAIT_SECONDS = 60.0  # of a busy machine, on which a desktop app starts
WATCHER = "org.kde.StatusNotifierWatcher"
NOTIFICATIONS = "org.freedesktop.Notifications"
ITEM = "org.kde.StatusNotifierItem"
MENU = "com.canonical.dbusmenu"

Strings = Annotated[list[str], DBusSignature("as")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of the menu as a panel sees it."""

    id: int
    label: str
    enabled: bool
    checked: bool | None
    items: "tuple[Item, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    title: str
    message: str


class Watcher(ServiceInterface):
    """Where icons register."""

    def __init__(self) -> None:
        super().__init__(WATCHER)

    @dbus_method()
    def RegisterStatusNotifierItem(self, service: DBusStr) -> None:  # noqa: N802
        """The bus's message handler has seen it, with its sender."""

    @dbus_property(access=PropertyAccess.READ)
    def IsStatusNotifierHostRegistered(self) -> DBusBool:  # noqa: N802
        return True


class Notifications(ServiceInterface):
    """The notification daemon."""

    def __init__(self, seen: Callable[[Notification], None]) -> None:
        super().__init__(NOTIFICATIONS)
        self._seen = seen

    @dbus_method()
    def Notify(  # noqa: N802
        self,
        app_name: DBusStr,
        replaces: DBusUInt32,
        icon: DBusStr,
        title: DBusStr,
        message: DBusStr,
        actions: Strings,
        hints: DBusDict,
        expires: DBusInt32,
    ) -> DBusUInt32:
        self._seen(Notification(title=title, message=message))
        return 1

    @dbus_method()
    def CloseNotification(self, number: DBusUInt32) -> None:  # noqa: N802
        """Nothing to do."""


class Gone(Exception):
    """What was asked is not on the bus (any more)."""


class Desktop:
    """The panel's and the notification daemon's end of one session bus."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self._news = asyncio.Event()
        self._owner = ""
        self._path = ""
        self.notifications: list[Notification] = []

    @classmethod
    async def start(cls, address: str, *, panel: bool = True, notifications: bool = True) -> Self:
        desktop = cls(await MessageBus(bus_address=address).connect())
        bus = desktop._bus
        bus.add_message_handler(desktop._heard)
        await desktop._listen(ITEM)
        await desktop._listen(MENU)
        if notifications:
            bus.export("/org/freedesktop/Notifications", Notifications(desktop._notified))
            await bus.request_name(NOTIFICATIONS)
        if panel:
            bus.export("/StatusNotifierWatcher", Watcher())
            await bus.request_name(WATCHER)
        return desktop

    async def stop(self) -> None:
        self._bus.disconnect()
        with contextlib.suppress(EOFError):  # the bus itself was ended by the test
            await asyncio.wait_for(self._bus.wait_for_disconnect(), WAIT_SECONDS)

    async def icon_title(self) -> str:
        return str((await self._properties())["Title"])

    async def icon_file(self) -> str:
        return str((await self._properties())["IconName"])

    async def menu(self) -> tuple[Item, ...]:
        path = (await self._properties())["Menu"]
        _, root = await self._call(self._owner, path, MENU, "GetLayout", "iias", 0, -1, [])
        return _items(root)

    async def labels(self) -> list[str]:
        return [item.label for item in await self.menu()]

    async def click(self, *labels: str) -> None:
        """Clicks the item with the last label, found in the submenus of those before it."""
        path, items = (await self._properties())["Menu"], await self.menu()
        for label in labels:
            item = next(item for item in items if item.label == label)
            items = item.items
        await self._call(self._owner, path, MENU, "Event", "isvu", item.id, "clicked", Variant("i", 0), 0)

    async def until_registered(self) -> None:
        await self._until(self._is_registered)

    async def until_title(self, title: str) -> None:
        async def has_title() -> bool:
            return await self.icon_title() == title

        await self._until(has_title)

    async def until_picture(self, picture: Image.Image) -> None:
        """Waits until the icon's file shows this picture; the file of the one before is removed under our hands."""

        async def is_shown() -> bool:
            try:
                with Image.open(await self.icon_file()) as shown:
                    return shown.tobytes() == picture.tobytes()
            except FileNotFoundError:
                return False

        await self._until(is_shown)

    async def until_item(self, matches: Callable[[Item], bool]) -> None:
        """Waits until some line at the menu's top level matches."""

        async def has_item() -> bool:
            return any(matches(item) for item in await self.menu())

        await self._until(has_item)

    async def until_notified(self, title: str) -> Notification:
        async def has_it() -> bool:
            return any(seen.title == title for seen in self.notifications)

        await self._until(has_it)
        return next(seen for seen in self.notifications if seen.title == title)

    async def _until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Asks at the start and again at each signal of the icon; an event taken before asking cannot be missed."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                news = self._news
                with suppress(Gone):  # a menu that is being replaced is not there for a moment
                    if await condition():
                        return
                await news.wait()

    async def _is_registered(self) -> bool:
        return bool(self._owner)

    def _heard(self, message: Message) -> None:
        if message.member == "RegisterStatusNotifierItem" and message.sender:
            self._owner, self._path = message.sender, message.body[0]
        self._tell()

    def _notified(self, notification: Notification) -> None:
        self.notifications.append(notification)
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _listen(self, interface: str) -> None:
        bus, rule = "org.freedesktop.DBus", f"type='signal',interface='{interface}'"
        await self._call(bus, "/org/freedesktop/DBus", bus, "AddMatch", "s", rule)

    async def _properties(self) -> dict[str, Any]:
        (values,) = await self._call(self._owner, self._path, "org.freedesktop.DBus.Properties", "GetAll", "s", ITEM)
        return {name: value.value for name, value in values.items()}

    async def _call(
        self, owner: str, path: str, interface: str, member: str, signature: str, *body: object
    ) -> list[Any]:
        message = Message(
            destination=owner, path=path, interface=interface, member=member, signature=signature, body=list(body)
        )
        answer = await asyncio.wait_for(self._bus.call(message), WAIT_SECONDS)
        assert answer is not None
        if answer.message_type is MessageType.ERROR:
            raise Gone(answer.body)
        return list(answer.body)


def _items(node: list[Any]) -> tuple[Item, ...]:
    """The children of a dbusmenu node `(id, properties, children)`; separators have no label and are left out."""
    return tuple(_item(child.value) for child in node[2] if "label" in child.value[1])


def _item(node: list[Any]) -> Item:
    properties = {name: variant.value for name, variant in node[1].items()}
    return Item(
        id=node[0],
        label=properties["label"],
        enabled=properties.get("enabled", True),
        checked=bool(properties["toggle-state"]) if "toggle-type" in properties else None,
        items=_items(node),
    )
