"""`python -m tests.nursery.saying CODE`: says who it is, then ends with the code once its input ends."""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    """The program."""
    told = {"pid": os.getpid(), "session": os.getsid(0), "environment": dict(os.environ), "arguments": sys.argv[1:]}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    sys.stderr.write("its last words\n")
    sys.exit(int(sys.argv[1]))


if __name__ == "__main__":
    main()
