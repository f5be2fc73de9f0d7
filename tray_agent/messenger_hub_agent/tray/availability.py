"""Why this desktop can show no tray, in one sentence, found out before pystray is imported.

Importing pystray without a display raises from deep inside, its X11 backend shows an icon without a menu, without a session
bus its `run()` leaves a thread that hangs the process, and with a bus but no tray it runs invisibly. So all of that is
looked at first.
"""

# ruff: noqa: PLC0415 (looking for what may be missing is this module's job)

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

WITH_SCREEN: Final = ("win32", "darwin")
BUS_CALL_MILLISECONDS: Final = 2_000
WATCHER: Final = "org.kde.StatusNotifierWatcher"
INDICATOR_TYPELIBS: Final = ("AyatanaAppIndicator3", "AppIndicator3")


class TrayUnavailable(Exception):
    """This desktop can show no tray icon. Its text is one sentence that says why and what would help."""


def has_screen() -> bool:
    """Whether a window can be shown here."""
    return sys.platform in WITH_SCREEN or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def tray_problem() -> str | None:
    """Why there can be no tray icon here, in one sentence; None when there can be one. Call it on the main thread."""
    try:
        tray_backend()
    except TrayUnavailable as problem:
        return str(problem)
    return None


def tray_backend() -> str:
    """The name of the pystray backend that works here.

    Raises:
        TrayUnavailable: none does.
    """
    if not has_screen():
        raise TrayUnavailable("There is no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set).")
    if find_spec("pystray") is None or find_spec("PIL") is None:
        raise TrayUnavailable("The tray icon's packages are not installed: pip install 'messenger-hub[tray]'.")
    return sys.platform if sys.platform in WITH_SCREEN else _linux_backend()


def _linux_backend() -> str:
    _require_gtk()
    if _has_watcher(_session_bus_address()) and _has_indicator_library():
        return "appindicator"
    if _has_x11_tray():
        return "gtk"
    raise TrayUnavailable(_no_tray())


def _require_gtk() -> None:
    try:
        import gi
    except ImportError as missing:
        raise TrayUnavailable("PyGObject is not installed: pip install 'messenger-hub[tray]'.") from missing
    try:
        gi.require_version("Gtk", "3.0")
        from gi.repository import Gtk
    except (ValueError, ImportError) as missing:
        raise TrayUnavailable("GTK 3 is not installed: on Debian, apt install gir1.2-gtk-3.0.") from missing
    if not Gtk.init_check()[0]:
        screen = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
        raise TrayUnavailable(f"The screen {screen} cannot be opened.")


def _session_bus_address() -> str:
    """The session bus as the environment names it. Asking GLib instead would start one, and nobody would end it."""
    address = os.environ.get("DBUS_SESSION_BUS_ADDRESS")
    if address:
        return address
    if sys.platform == "win32":  # for mypy: no bus is looked for there
        raise TrayUnavailable("There is no D-Bus on Windows.")
    bus = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}") / "bus"
    if bus.is_socket():
        return f"unix:path={bus}"
    raise TrayUnavailable("There is no D-Bus session bus (DBUS_SESSION_BUS_ADDRESS is not set).")


def _has_watcher(address: str) -> bool:
    """Whether a panel that takes status icons is running, asked on a connection of its own that is closed again."""
    from gi.repository import Gio, GLib

    flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
    try:
        bus = Gio.DBusConnection.new_for_address_sync(address, flags, None, None)
        try:
            answer = bus.call_sync(
                "org.freedesktop.DBus",
                "/org/freedesktop/DBus",
                "org.freedesktop.DBus",
                "NameHasOwner",
                GLib.Variant("(s)", (WATCHER,)),
                None,
                Gio.DBusCallFlags.NONE,
                BUS_CALL_MILLISECONDS,
                None,
            )
        finally:
            bus.close_sync(None)
    except GLib.Error as problem:
        raise TrayUnavailable(f"The D-Bus session bus does not answer: {problem.message}.") from problem
    return bool(answer.unpack()[0])


def _has_indicator_library() -> bool:
    import gi

    for typelib in INDICATOR_TYPELIBS:
        try:
            gi.require_version(typelib, "0.1")
        except ValueError:
            continue
        return True
    return False


def _has_x11_tray() -> bool:
    """Whether an old-style system tray owns its X11 selection; python-xlib comes with pystray."""
    if not os.environ.get("DISPLAY"):
        return False
    import Xlib.display
    import Xlib.error
    from Xlib import X

    try:
        display = Xlib.display.Display()
    except (Xlib.error.DisplayError, Xlib.error.ConnectionClosedError, OSError):
        return False
    try:
        selection = display.intern_atom(f"_NET_SYSTEM_TRAY_S{display.get_default_screen()}")
        return bool(display.get_selection_owner(selection) != X.NONE)
    finally:
        display.close()


def _no_tray() -> str:
    if not _has_indicator_library():
        return "No library for tray icons is installed: on Debian, apt install gir1.2-ayatanaappindicator3-0.1."
    if "GNOME" in os.environ.get("XDG_CURRENT_DESKTOP", "").upper().split(":"):
        return "GNOME shows no tray icons by itself: install and switch on its AppIndicator extension."
    return "No system tray is running on this desktop (nothing owns org.kde.StatusNotifierWatcher)."
