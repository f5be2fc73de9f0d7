"""Calls of Windows that Python's library does not have, with their types: nothing is decided here.

Each raises the OSError of what the system says.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from ctypes import wintypes
from pathlib import Path

from messenger_hub.runtime.system import access

assert sys.platform == "win32"  # noqa: S101 for mypy, which then skips this file when it checks Linux

_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_advanced = ctypes.WinDLL("advapi32", use_last_error=True)
_native = ctypes.WinDLL("ntdll")

_MOVE = 0x1 | 0x8  # MOVEFILE_REPLACE_EXISTING, MOVEFILE_WRITE_THROUGH
_FILE_OBJECT = 1  # SE_FILE_OBJECT
_ACCESS_LIST = 0x4  # DACL_SECURITY_INFORMATION
_REVISION = 1  # SDDL_REVISION_1
_TOKEN_QUERY, _TOKEN_USER = 0x8, 1
_THIS_PROCESS = wintypes.HANDLE(-1)
_TERMINATE, _SET_QUOTA, _SUSPEND_RESUME = 0x1, 0x100, 0x800

_kernel.MoveFileExW.argtypes = [wintypes.LPCWSTR, wintypes.LPCWSTR, wintypes.DWORD]
_kernel.LocalFree.argtypes = [wintypes.LPVOID]
_kernel.LocalFree.restype = wintypes.LPVOID
_kernel.CloseHandle.argtypes = [wintypes.HANDLE]
_kernel.OpenProcess.argtypes = [wintypes.DWORD, wintypes.BOOL, wintypes.DWORD]
_kernel.OpenProcess.restype = wintypes.HANDLE
_kernel.CreateJobObjectW.argtypes = [wintypes.LPVOID, wintypes.LPCWSTR]
_kernel.CreateJobObjectW.restype = wintypes.HANDLE
_kernel.AssignProcessToJobObject.argtypes = [wintypes.HANDLE, wintypes.HANDLE]
_kernel.TerminateJobObject.argtypes = [wintypes.HANDLE, wintypes.UINT]
_native.NtResumeProcess.argtypes = [wintypes.HANDLE]
_native.NtSuspendProcess.argtypes = [wintypes.HANDLE]
_advanced.OpenProcessToken.argtypes = [wintypes.HANDLE, wintypes.DWORD, ctypes.POINTER(wintypes.HANDLE)]
_advanced.GetTokenInformation.argtypes = [
    *(wintypes.HANDLE, ctypes.c_int, wintypes.LPVOID, wintypes.DWORD),
    ctypes.POINTER(wintypes.DWORD),
]
_advanced.ConvertSidToStringSidW.argtypes = [wintypes.LPVOID, ctypes.POINTER(wintypes.LPVOID)]
_advanced.ConvertStringSecurityDescriptorToSecurityDescriptorW.argtypes = [
    *(wintypes.LPCWSTR, wintypes.DWORD),
    *(ctypes.POINTER(wintypes.LPVOID), ctypes.POINTER(wintypes.DWORD)),
]
_advanced.ConvertSecurityDescriptorToStringSecurityDescriptorW.argtypes = [
    *(wintypes.LPVOID, wintypes.DWORD, wintypes.DWORD),
    *(ctypes.POINTER(wintypes.LPVOID), ctypes.POINTER(wintypes.DWORD)),
]
_advanced.GetNamedSecurityInfoW.argtypes = [
    *(wintypes.LPCWSTR, ctypes.c_int, wintypes.DWORD),
    *(wintypes.LPVOID, wintypes.LPVOID, wintypes.LPVOID, wintypes.LPVOID),
    ctypes.POINTER(wintypes.LPVOID),
]
_advanced.GetNamedSecurityInfoW.restype = wintypes.DWORD
_advanced.SetFileSecurityW.argtypes = [wintypes.LPCWSTR, wintypes.DWORD, wintypes.LPVOID]


class _SidAndAttributes(ctypes.Structure):
    _fields_ = (("sid", wintypes.LPVOID), ("attributes", wintypes.DWORD))


def move(draft: Path, target: Path) -> None:
    """Renames over what is there, and waits until that is on the disk."""
    if not _kernel.MoveFileExW(str(draft), str(target), _MOVE):
        raise _failed(target)


def suspend_this_process() -> None:
    """Until somebody resumes it."""
    _native.NtSuspendProcess(_THIS_PROCESS)


def resume_in_job(process_id: int) -> int:
    """Puts a process that was started suspended into a new job and lets it go on; returns the job, or 0 where it has ended already."""
    job = int(_kernel.CreateJobObjectW(None, None) or 0)
    if not job:
        raise _failed()
    process = _kernel.OpenProcess(_TERMINATE | _SET_QUOTA | _SUSPEND_RESUME, False, process_id)
    if not process:
        raise _failed()
    is_in = _kernel.AssignProcessToJobObject(job, process)
    _native.NtResumeProcess(process)
    _kernel.CloseHandle(process)
    if not is_in:
        _kernel.CloseHandle(job)
        return 0
    return job


def end_job(job: int) -> None:
    """Ends all that is in it, and gives it up."""
    _kernel.TerminateJobObject(job, 1)
    _kernel.CloseHandle(job)


@functools.cache
def user_sid() -> str:
    """Whom this process runs as."""
    token = wintypes.HANDLE()
    if not _advanced.OpenProcessToken(_THIS_PROCESS, _TOKEN_QUERY, ctypes.byref(token)):
        raise _failed()
    try:
        size = wintypes.DWORD()
        _advanced.GetTokenInformation(token, _TOKEN_USER, None, 0, ctypes.byref(size))
        found = ctypes.create_string_buffer(size.value)
        if not _advanced.GetTokenInformation(token, _TOKEN_USER, found, size, ctypes.byref(size)):
            raise _failed()
    finally:
        _kernel.CloseHandle(token)
    text = wintypes.LPVOID()
    user = ctypes.cast(found, ctypes.POINTER(_SidAndAttributes)).contents
    if not _advanced.ConvertSidToStringSidW(user.sid, ctypes.byref(text)):
        raise _failed()
    with _freed(text):
        return ctypes.wstring_at(text.value or 0)


@functools.cache
def user_names() -> Collection[str]:
    """The SID, and what a descriptor in words has instead of it: some users have an abbreviation."""
    with _parsed(access.private_to(user_sid(), folder=False)) as descriptor:
        return frozenset({user_sid(), access.whom(_in_words(descriptor))})


def descriptor_of(path: Path) -> str:
    """Who may open a file or folder, in words."""
    descriptor = wintypes.LPVOID()
    _succeeded(
        _advanced.GetNamedSecurityInfoW(
            str(path), _FILE_OBJECT, _ACCESS_LIST, None, None, None, None, ctypes.byref(descriptor)
        ),
        path,
    )
    with _freed(descriptor):
        return _in_words(descriptor)


def set_descriptor(path: Path, words: str) -> None:
    """Says who may open it. What lies in a folder already keeps what it has; what is made there inherits."""
    with _parsed(words) as descriptor:
        if not _advanced.SetFileSecurityW(str(path), _ACCESS_LIST, descriptor):
            raise _failed(path)


@contextmanager
def _parsed(words: str) -> Iterator[wintypes.LPVOID]:
    descriptor = wintypes.LPVOID()
    if not _advanced.ConvertStringSecurityDescriptorToSecurityDescriptorW(
        words, _REVISION, ctypes.byref(descriptor), None
    ):
        raise _failed()
    with _freed(descriptor):
        yield descriptor


def _in_words(descriptor: wintypes.LPVOID) -> str:
    text = wintypes.LPVOID()
    if not _advanced.ConvertSecurityDescriptorToStringSecurityDescriptorW(
        descriptor, _REVISION, _ACCESS_LIST, ctypes.byref(text), None
    ):
        raise _failed()
    with _freed(text):
        return ctypes.wstring_at(text.value or 0)


@contextmanager
def _freed(memory: wintypes.LPVOID) -> Iterator[None]:
    try:
        yield
    finally:
        _kernel.LocalFree(memory)


def _succeeded(code: int, path: Path) -> None:
    if code:
        raise OSError(None, ctypes.FormatError(code).strip(), str(path), code)


def _failed(path: Path | None = None) -> OSError:
    code = ctypes.get_last_error()
    return OSError(None, ctypes.FormatError(code).strip(), None if path is None else str(path), code)
