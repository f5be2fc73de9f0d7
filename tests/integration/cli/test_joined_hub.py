"""What `messenger-hub doctor` says of the hub that a desktop has joined."""

from __future__ import annotations

from pathlib import Path

import msgspec
from messenger_hub.runtime.folder import PrivateFolder
from messenger_hub_cli.joined_hub import NAME, joined_hub
from messenger_hub_cli.remembered import AGENT, FILE_NAME, Hub
from messenger_hub_server.checks import Finding, Verdict

from tests.integration.server.hub import running_hub
from tests.integration.server.test_lan import LAN


async def found(folder: Path, hub: Hub) -> Finding:
    """On a desktop that has joined it."""
    PrivateFolder(folder / AGENT).write_private(FILE_NAME, msgspec.json.encode(hub))
    [finding] = await joined_hub(folder)
    assert finding.name == NAME
    return finding


async def test_a_desktop_that_has_joined_no_hub_has_nothing_to_be_told(tmp_path: Path) -> None:
    assert await joined_hub(tmp_path) == []


async def test_a_hub_that_answers_is_good_and_one_with_another_certificate_is_bad(tmp_path: Path) -> None:
    async with running_hub(tmp_path / "hub", **LAN) as hub:
        assert hub.running.lan is not None
        reach = hub.running.lan.reach
        good = await found(tmp_path, Hub(server=reach.grpc, fingerprint=reach.fingerprint))
        assert (good.verdict, good.said) == (Verdict.GOOD, f"{reach.grpc} answers")
        bad = await found(tmp_path, Hub(server=reach.grpc, fingerprint="0" * 64))
        assert bad.verdict is Verdict.BAD and "another certificate" in bad.said


async def test_a_hub_that_does_not_answer_is_bad(tmp_path: Path) -> None:
    bad = await found(tmp_path, Hub(server="127.0.0.1:1"))
    assert bad.verdict is Verdict.BAD and "does not answer" in bad.said


async def test_a_file_that_is_damaged_is_told(tmp_path: Path) -> None:
    PrivateFolder(tmp_path / AGENT).write_private(FILE_NAME, b"{")
    [finding] = await joined_hub(tmp_path)
    assert finding.verdict is Verdict.BAD and "remove it" in finding.said
