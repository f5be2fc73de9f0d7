"""What differs between operating systems, behind one contract: `here` is this system's."""

from __future__ import annotations

import sys

from messenger_hub.runtime.system.contract import System

if sys.platform == "win32":
    from messenger_hub.runtime.system import windows as _here
else:
    from messenger_hub.runtime.system import unix as _here

here: System = _here
