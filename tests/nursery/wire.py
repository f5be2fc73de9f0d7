"""What a nursery and whoever asks it say to each other.

A request is JSON with these descriptors beside it: standard input, output and error, and where the exit code goes. Its answer is the
process's number, with a descriptor that stands for the process beside it.
"""

from __future__ import annotations

import struct

GIVEN = 4
"""How many descriptors a request has."""
NUMBER = struct.Struct("i")
"""A process's number; and an exit code, where a negative one is the signal that ended it."""
MOST_BYTES = 1 << 20
