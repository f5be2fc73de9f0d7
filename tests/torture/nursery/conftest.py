"""The nursery is there before the first test, so that none leaves it behind."""

from __future__ import annotations

import pytest

from tests.torture.nursery.nursery import nursery


@pytest.fixture(scope="session", autouse=True)
def _nursery() -> None:
    nursery()
