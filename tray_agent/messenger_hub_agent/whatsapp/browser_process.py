"""One running browser, with our ends of its pipe."""

from __future__ import annotations

from dataclasses import dataclass

from messenger_hub.runtime.system.contract import Family


@dataclass(frozen=True, slots=True)
class BrowserProcess:
    """The browser with its helpers. `read_descriptor` and `write_descriptor` are our ends of its pipe: descriptors, or handles on
    Windows."""

    family: Family
    read_descriptor: int
    write_descriptor: int
