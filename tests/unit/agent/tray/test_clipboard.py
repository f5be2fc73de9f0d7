"""The programs that put text on the clipboard, played by small scripts on the PATH."""

from __future__ import annotations

from pathlib import Path

import pytest
from messenger_hub_agent.tray import clipboard


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH, in a Wayland session, where GTK is not asked."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.setattr("sys.platform", "linux")
    return tmp_path


def install(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_the_text_reaches_the_program_on_its_input(programs: Path) -> None:
    install(programs, "wl-copy", f'/bin/cat > "{programs}/copied"')
    assert clipboard.copy("http://127.0.0.1:8080/ü") is None
    assert (programs / "copied").read_text() == "http://127.0.0.1:8080/ü"


def test_the_next_program_is_tried_when_one_fails(programs: Path) -> None:
    install(programs, "wl-copy", "exit 1")
    install(programs, "xclip", f'/bin/cat > "{programs}/copied"')
    assert clipboard.copy("address") is None
    assert (programs / "copied").read_text() == "address"


def test_without_any_program_it_names_one_to_install(programs: Path) -> None:
    assert clipboard.copy("address") == "No program for the clipboard is installed (wl-copy)."


def test_a_program_that_fails_is_named(programs: Path) -> None:
    install(programs, "wl-copy", "exit 1")
    assert clipboard.copy("address") == "wl-copy could not reach the clipboard."


def test_a_program_that_hangs_is_given_up(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(programs, "wl-copy", "exec /bin/sleep 60")
    monkeypatch.setattr(clipboard, "PROGRAM_SECONDS", 0.1)
    assert clipboard.copy("address") == "wl-copy could not reach the clipboard."


def test_windows_gets_utf_16_with_a_byte_order_mark(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setattr(clipboard.shutil, "which", lambda name: str(programs / name))
    install(programs, "clip", f'/bin/cat > "{programs}/copied"')
    assert clipboard.copy("ü") is None
    assert (programs / "copied").read_bytes().decode("utf-16") == "ü"
