"""Calls of Windows about processes that Python's library does not have, with their types: nothing is decided here.

Each raises the OSError of what the system says.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import wintypes

assert sys.platform == "win32"  # noqa: S101 for mypy, which then skips this file when it checks Linux

_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_native = ctypes.WinDLL("ntdll")

_TERMINATE, _QUERY = 0x1, 0x1000
_COMMAND_LINE = 60  # ProcessCommandLineInformation, since Windows 8.1
_MOST_PROCESSES = 65_536
_LONGEST = 2 * 32_767 + 64  # a command line in UTF-16, behind its own header

_kernel.OpenProcess.argtypes = [wintypes.DWORD, wintypes.BOOL, wintypes.DWORD]
_kernel.OpenProcess.restype = wintypes.HANDLE
_kernel.CloseHandle.argtypes = [wintypes.HANDLE]
_kernel.TerminateProcess.argtypes = [wintypes.HANDLE, wintypes.UINT]
_kernel.K32EnumProcesses.argtypes = [
    *(ctypes.POINTER(wintypes.DWORD), wintypes.DWORD),
    ctypes.POINTER(wintypes.DWORD),
]
_native.NtQueryInformationProcess.argtypes = [
    *(wintypes.HANDLE, ctypes.c_int, wintypes.LPVOID, wintypes.ULONG),
    ctypes.POINTER(wintypes.ULONG),
]


class _Text(ctypes.Structure):
    """UNICODE_STRING; `size` is in bytes."""

    _fields_ = (("size", wintypes.USHORT), ("room", wintypes.USHORT), ("text", wintypes.LPVOID))


def end_process(process_id: int) -> None:
    """At once."""
    with _opened(process_id, _TERMINATE) as process:
        if not _kernel.TerminateProcess(process, 1):
            raise _failed()


def process_ids() -> Sequence[int]:
    """Of all that run."""
    numbers, size = (wintypes.DWORD * _MOST_PROCESSES)(), wintypes.DWORD()
    if not _kernel.K32EnumProcesses(numbers, ctypes.sizeof(numbers), ctypes.byref(size)):
        raise _failed()
    return numbers[: size.value // ctypes.sizeof(wintypes.DWORD)]


def command_line(process_id: int) -> str:
    """What a process was started with."""
    found, size = ctypes.create_string_buffer(_LONGEST), wintypes.ULONG()
    with _opened(process_id, _QUERY) as process:
        status = _native.NtQueryInformationProcess(process, _COMMAND_LINE, found, _LONGEST, ctypes.byref(size))
    if status:
        raise OSError(f"NtQueryInformationProcess: {status & 0xFFFFFFFF:#x}")
    text = ctypes.cast(found, ctypes.POINTER(_Text)).contents
    return ctypes.wstring_at(text.text, text.size // 2) if text.text else ""


@contextmanager
def _opened(process_id: int, rights: int) -> Iterator[int]:
    process = _kernel.OpenProcess(rights, False, process_id)
    if not process:
        raise _failed()
    try:
        yield process
    finally:
        _kernel.CloseHandle(process)


def _failed() -> OSError:
    code = ctypes.get_last_error()
    return OSError(None, ctypes.FormatError(code).strip(), None, code)
