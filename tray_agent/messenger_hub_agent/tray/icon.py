"""The icon itself: the only importer of pystray, which holds the main thread while the agent works in another.

A click is handed on as a `Command`, on the UI's thread; nothing is decided here. The end has an order: the command `Quit` (or
a signal) asks the agent to finish, it closes its stream and browser, and only then somebody calls `TrayIcon.stop`.
"""

# ruff: noqa: PLC0415 (pystray opens the display as it is imported)
# ruff: noqa: SLF001 (pystray has no public hook for the moment at which its loop is ready)

from __future__ import annotations

import contextlib
import html
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol, cast

from PIL import Image

from messenger_hub_agent.tray import clipboard, verbs
from messenger_hub_agent.tray.artwork import picture
from messenger_hub_agent.tray.availability import TrayUnavailable, tray_backend
from messenger_hub_agent.tray.menu import (
    Action,
    Command,
    CopyAddress,
    Entry,
    Face,
    Line,
    OpenConsole,
    Separator,
    StartAtLogin,
    Submenu,
    TrayView,
    face,
)
from messenger_hub_agent.tray.notices import Notice, merged, notices

PROGRAM_NAME: Final = "messenger-hub"
"""Panels remember an icon's place and visibility under this name."""

_EMPTY: Final = TrayView(channels=(), api_address="", connected=False)
_log = logging.getLogger(__name__)


class _Menu(Protocol):
    """A built menu of pystray's."""


class _Icon(Protocol):
    """What is used of pystray.Icon, which has no type hints."""

    icon: Image.Image
    title: str
    menu: _Menu
    visible: bool
    _mark_ready: Callable[[], None]

    def run(self, setup: Callable[[_Icon], None]) -> None: ...
    def stop(self) -> None: ...
    def notify(self, message: str, title: str) -> None: ...


class _MenuClass(Protocol):
    SEPARATOR: object

    def __call__(self, *items: object) -> _Menu: ...


class _Pystray(Protocol):
    """What is used of the module pystray."""

    Menu: _MenuClass

    def Icon(self, name: str, icon: Image.Image, title: str, menu: _Menu) -> _Icon: ...  # noqa: N802
    def MenuItem(  # noqa: N802
        self,
        text: str,
        action: Callable[[_Icon, object], None] | _Menu | None,
        checked: Callable[[object], bool] | None = None,
        enabled: bool = True,
    ) -> object: ...


class TrayIcon:
    """The agent's icon on the desktop. Made, run and stopped once."""

    def __init__(self, commands: Callable[[Command], None]) -> None:
        """`commands` gets each click's command on the UI's thread; it must return at once and must not raise."""
        self._commands = commands
        self._lock = threading.Lock()
        self._view: TrayView | None = None
        self._face: Face = face(_EMPTY)
        self._icon: _Icon | None = None
        self._pystray: _Pystray | None = None
        self._running = False
        self._stopped = False
        self._at_login: bool | None = None

    def run(self, on_ready: Callable[[], None]) -> None:
        """Shows the icon until `stop`; call it on the main thread.

        `on_ready` is called once the icon is up, in a thread of its own, which `stop` joins.

        Raises:
            TrayUnavailable: no icon could be shown after all; `on_ready` was not called and nothing is left behind.
        """
        self._pystray = _import_pystray()
        self._icon = self._build(self._pystray)
        _keep_signal_handlers(self._icon)
        _outlive_the_session_bus()
        try:
            self._icon.run(lambda icon: self._start(icon, on_ready))
        except _ui_errors() as problem:
            self._ended_early(problem)

    def show(self, view: TrayView) -> None:
        """Shows this view from now on, and a notice where the change calls for one. Any thread may call it, any time."""
        with self._lock:
            view = replace(view, at_login=self._at_login)
            before, self._view = self._view, view
            if self._icon is not None and self._running:
                self._apply(self._icon, view)
                self._tell(self._icon, merged(notices(before, view)))

    def stop(self) -> None:
        """Takes the icon away and lets `run` return. Any thread may call it, any time, more than once."""
        with self._lock:
            self._stopped = True
            running, self._running = self._running, False
        if running and self._icon is not None:
            self._icon.stop()

    def _build(self, pystray: _Pystray) -> _Icon:
        with self._lock:
            self._face = face(self._view or _EMPTY)
            return pystray.Icon(
                PROGRAM_NAME, picture(self._face.icon), self._face.title, self._menu(pystray, self._face.entries)
            )

    def _start(self, icon: _Icon, on_ready: Callable[[], None]) -> None:
        """Runs in pystray's thread, once the loop turns."""
        with self._lock:
            self._running = not self._stopped
            if self._running:
                icon.visible = True
                self._apply(icon, self._view or _EMPTY)
        if self._running:
            # Not on this thread, whose end `stop` waits for.
            _beside(lambda: self._tell_login(verbs.starts_at_login()))
            on_ready()
        else:
            icon.stop()

    def _ended_early(self, problem: Exception) -> None:
        """The loop raised: harmless at the end of a run, but before its start nobody has seen an icon."""
        with self._lock:
            was_up, self._running = self._running or self._stopped, False
            self._stopped = True
        if not was_up and self._icon is not None:
            # pystray's own thread waits, and keeps the process alive, until somebody says that the icon is ready.
            self._icon._mark_ready()
            raise TrayUnavailable(f"The tray icon could not be shown: {problem}.") from problem
        _log.debug("the tray ended with an error: %s", problem)

    def _apply(self, icon: _Icon, view: TrayView) -> None:
        """Only what changed: each touch makes panels close an open menu."""
        now = face(view)
        if now.icon is not self._face.icon:
            icon.icon = picture(now.icon)
        if now.title != self._face.title:
            icon.title = now.title
        if now.entries != self._face.entries and self._pystray is not None:
            icon.menu = self._menu(self._pystray, now.entries)
        self._face = now

    def _tell(self, icon: _Icon, notice: Notice | None) -> None:
        if notice is None:
            return
        # Notifications on Linux read a little markup, in which a channel called "A & B" would be an error.
        message = html.escape(notice.message, quote=False) if sys.platform.startswith("linux") else notice.message
        icon.notify(message, notice.title)

    def _menu(self, pystray: _Pystray, entries: Sequence[Entry]) -> _Menu:
        return pystray.Menu(*(self._item(pystray, entry) for entry in entries))

    def _item(self, pystray: _Pystray, entry: Entry) -> object:
        match entry:
            case Line(text=text):
                return pystray.MenuItem(_label(text), None, enabled=False)
            case Submenu(text=text, entries=entries):
                return pystray.MenuItem(_label(text), self._menu(pystray, entries))
            case Separator():
                return pystray.Menu.SEPARATOR
            case Action(text=text, command=command, enabled=enabled, checked=checked):
                mark = None if checked is None else (lambda _: checked)
                return pystray.MenuItem(
                    _label(text), lambda icon, _: self._clicked(icon, command), mark, enabled=enabled
                )

    def _clicked(self, icon: _Icon, command: Command) -> None:
        match command:
            case CopyAddress(address=address):
                self._copy(icon, address)
            case OpenConsole(address=address):
                _beside(lambda: self._open_console(icon, address))
            case StartAtLogin(wanted=wanted):
                _beside(lambda: self._tell_login(verbs.start_at_login(wanted)))
            case _:
                pass
        self._commands(command)

    def _open_console(self, icon: _Icon, address: str) -> None:
        if not verbs.open_console(address):
            self._tell(
                icon, Notice(title="No browser could be opened", message=f"The console is at {address}/console/")
            )

    def _tell_login(self, at_login: bool | None) -> None:
        """Shows whether the app starts at login, in the view that is there by now."""
        with self._lock:
            self._at_login = at_login
            view = self._view
        if view is not None:
            self.show(view)

    def _copy(self, icon: _Icon, address: str) -> None:
        problem = clipboard.copy(address)
        if problem is None:
            self._tell(icon, Notice(title="API address copied", message=address))
        else:
            self._tell(icon, Notice(title="The API's address could not be copied", message=f"{address} – {problem}"))


def _beside(work: Callable[[], None]) -> None:
    """On a thread of its own, which the end of the program does not wait for."""
    threading.Thread(target=work, name="tray", daemon=True).start()


def _import_pystray() -> _Pystray:
    # pystray would take the first backend that imports, which is not the one that works.
    os.environ["PYSTRAY_BACKEND"] = tray_backend()
    try:
        import pystray

    except (ImportError, ValueError) as problem:
        raise TrayUnavailable(f"The tray icon could not be shown: {problem}.") from problem
    module: _Pystray = pystray
    return module


def _keep_signal_handlers(icon: _Icon) -> None:
    """GTK's backends set SIGINT back to its default just before they are ready; the program's handlers are put back then."""
    ready = icon._mark_ready
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def mark_ready() -> None:
        for number, handler in kept.items():
            if handler is not None and threading.current_thread() is threading.main_thread():
                signal.signal(number, handler)
        ready()

    icon._mark_ready = mark_ready


def _outlive_the_session_bus() -> None:
    """GLib ends a program with SIGTERM when its session bus goes; the agent has more to do than to show an icon."""
    if sys.platform.startswith("linux"):
        from gi.repository import Gio, GLib

        with contextlib.suppress(GLib.Error):
            Gio.bus_get_sync(Gio.BusType.SESSION, None).set_exit_on_close(False)


def _ui_errors() -> tuple[type[Exception], ...]:
    """What a backend's loop is known to raise, e.g. at its end where there is no notification daemon."""
    if not sys.platform.startswith("linux"):
        return (OSError,)
    from gi.repository import GLib

    return (cast(type[Exception], GLib.Error), OSError)


def _label(text: str) -> str:
    """Windows takes an ampersand for the mark of a shortcut key."""
    return text.replace("&", "&&") if sys.platform == "win32" else text
