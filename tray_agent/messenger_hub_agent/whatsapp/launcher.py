"""Becomes the browser. Run by file in a fresh interpreter (-I -S): python launcher.py READ WRITE UID PROGRAM ARGUMENT…

A fresh, single-threaded process, because code between fork and exec in a threaded one may hang. It moves our pipe to the
descriptors that Chromium expects, drops root, and is then replaced by the browser.
"""

import fcntl
import os
import sys

assert sys.platform != "win32"  # noqa: S101 for mypy, which then skips this file when it checks Windows

COMMANDS, REPLIES = 3, 4  # Chromium's --remote-debugging-pipe


def become(read: int, write: int, user_id: int, command: list[str]) -> None:
    """Never returns."""
    # Out of the way first: either may be 3 or 4 already.
    read, write = (fcntl.fcntl(descriptor, fcntl.F_DUPFD, 64) for descriptor in (read, write))
    os.dup2(read, COMMANDS)
    os.dup2(write, REPLIES)
    os.closerange(REPLIES + 1, 256)
    if user_id >= 0:
        os.setgroups([])
        os.setgid(user_id)
        os.setuid(user_id)
    os.umask(0o077)
    os.execv(command[0], command)  # noqa: S606 # this is the point


if __name__ == "__main__":
    become(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
