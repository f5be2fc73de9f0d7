"""A disk that fails when a test says so: a library that is preloaded into the process (faulty.c)."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

SOURCE = Path(__file__).with_name("faulty.c")
Verb = Literal["sync", "write", "readonly", "tear"]


def build(folder: Path) -> Path:
    """The library, made with this machine's compiler."""
    library = folder / "faulty.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return library


class Faulty:
    """The disk of the processes that are started with `environment`; sound until `fail`."""

    def __init__(self, library: Path, order: Path) -> None:
        self._order = order
        self.environment: Mapping[str, str] = {"LD_PRELOAD": str(library), "FAULTY_ORDER": str(order)}

    def fail(self, verb: Verb, number: int, path: str) -> None:
        """From now on; faulty.c says what the three mean."""
        draft = self._order.with_suffix(".draft")
        draft.write_text(f"{verb} {number} {path}")
        draft.replace(self._order)

    def heal(self) -> None:
        """Everything works again."""
        self._order.unlink(missing_ok=True)
