"""The server's clock is set back between two runs, as a machine's is when it gets the right time at last."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.integration.server.agent import connected, enrolled
from tests.integration.server.hub import running_hub
from tests.integration.server.test_operations import send

AHEAD_NS = 300 * 10**9


async def test_what_was_accepted_while_the_clock_was_ahead_goes_at_once_and_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time_ns
    async with running_hub(tmp_path) as hub:
        await hub.channel()
        credential, api = await enrolled(hub), await hub.session_api()
        async with connected(hub, 1, credential) as agent:
            pass
        with monkeypatch.context() as wrong:
            wrong.setattr(time, "time_ns", lambda: real() + AHEAD_NS)
            await send(hub, api, message="first")
    async with running_hub(tmp_path) as hub:
        await send(hub, api, message="second")
        async with connected(hub, 1, credential, hello=False) as again:
            again.continues(agent)
            await again.hello()
            await again.report()
            sent = [(await again.carry_out("SENT")).send_text.text for _ in range(2)]
    assert sent == ["first", "second"]
