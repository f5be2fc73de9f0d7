"""Verbs of the command line, off the nursery: as a person runs them, and without what their imports cost."""

from __future__ import annotations

import os
import subprocess
import tempfile

from tests.nursery.nursery import fork

SECONDS = 60


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What `messenger-hub ARGUMENTS` says, with nothing to read, and these variables beside those of this process."""
    command = ["messenger_hub_cli", *arguments]
    with tempfile.TemporaryFile("w+") as errors:
        forked = fork(command, os.environ | variables, errors)
        with forked.stdout:
            forked.stdin.close()
            said = forked.stdout.read()
        code = forked.wait(SECONDS)
        errors.seek(0)
        return subprocess.CompletedProcess(command, code, said, errors.read())
