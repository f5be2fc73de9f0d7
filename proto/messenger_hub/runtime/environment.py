"""The environment of programs that are not ours."""

from __future__ import annotations

import os
from collections.abc import Mapping

OURS = "MESSENGER_HUB_"


def without_ours() -> Mapping[str, str]:
    """Our environment without our own variables, some of which are secrets."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(OURS)}
