"""What the packaged app starts with. The hub runs its own programs as `python -m messenger_hub_cli …` and becomes the browser by
`python -I -S launcher.py …`; in the package this program is the python of both."""

from __future__ import annotations

import os
import runpy
import sys


def main() -> None:
    """Never returns."""
    _give_back_the_library_path()
    words = sys.argv[1:]
    if words[:2] == ["-I", "-S"]:
        sys.argv = words[2:]
        runpy.run_path(sys.argv[0], run_name="__main__")
        return
    if words[:2] == ["-m", "messenger_hub_cli"]:
        words = words[2:]
    from messenger_hub_cli.main import main as messenger_hub  # noqa: PLC0415 becoming the browser needs none of it

    messenger_hub(words)


def _give_back_the_library_path() -> None:
    """Programs of the system that we start, a web browser above all, must not find the libraries of the package."""
    before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    if before is not None:
        os.environ["LD_LIBRARY_PATH"] = before
    else:
        os.environ.pop("LD_LIBRARY_PATH", None)


if __name__ == "__main__":
    main()
