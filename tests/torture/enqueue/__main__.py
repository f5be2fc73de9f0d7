"""`python -m tests.torture.enqueue`. Each server that is forked looks through this file once more: it must stay small."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from tests.torture.enqueue.command import main

    sys.exit(main())
