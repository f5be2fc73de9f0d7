"""How much memory a browser takes, with all its processes."""

from __future__ import annotations

import psutil


def footprint(leader: int) -> int:
    """Bytes; pages that processes share are counted once where the system tells (Linux), else not at all. 0 when it is gone.

    Takes some milliseconds for each process: not for the event loop's thread.
    """
    try:
        first = psutil.Process(leader)
        processes = [first, *first.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(_own(process) for process in processes)


def _own(process: psutil.Process) -> int:
    try:
        told = process.memory_full_info()
    except psutil.Error:  # it went meanwhile, or belongs to somebody else
        return 0
    return int(getattr(told, "pss", 0) or getattr(told, "uss", told.rss))
