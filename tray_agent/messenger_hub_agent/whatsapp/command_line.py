"""Whether a command line of Windows, which is one text there, is that of a browser's main process."""

from __future__ import annotations

import subprocess
from pathlib import Path


def is_of(command_line: str, profile_folder: Path) -> bool:
    """Whether it starts a browser on this profile. Helpers have `--type=`."""
    switch = subprocess.list2cmdline([f"--user-data-dir={profile_folder}"])
    words = f" {command_line} "
    return f" {switch} " in words and " --type=" not in words
