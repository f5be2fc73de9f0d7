"""The programs that are attacked come from the nursery."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def _nursery(nursery: None) -> None:
    pass
