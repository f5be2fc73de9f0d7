"""A real Prometheus with the configuration of deploy/ reads a real hub, and its rules hold of what it reads."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from messenger_hub_server.data_folder import METRICS_TOKEN

from tests.deploy.files import DEPLOY
from tests.e2e.whole_way.world import free_port
from tests.integration.server.hub import Hub, running_hub

SECONDS = 60
CONFIGURED = "127.0.0.1:8644"
UNJUDGED = "unknown"
TOKEN = "/etc/prometheus/messenger-hub-token"


@asynccontextmanager
async def scraped(hub: Hub, folder: Path) -> AsyncIterator[str]:
    """A Prometheus that reads the hub; its address."""
    configuration = (DEPLOY / "prometheus/prometheus.yml").read_text()
    assert CONFIGURED in configuration
    assert TOKEN in configuration
    here = configuration.replace(CONFIGURED, hub.running.admin_http.removeprefix("http://"))
    here = here.replace(TOKEN, str(hub.data_dir / METRICS_TOKEN)).replace("interval: 15s", "interval: 1s")
    (folder / "prometheus.yml").write_text(here)
    shutil.copy(DEPLOY / "prometheus/alerts.yml", folder)
    at = f"127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'series'}",
        f"--web.listen-address={at}",
        "--log.level=error",
    )
    try:
        yield f"http://{at}"
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), SECONDS)


async def asked(at: str, path: str, holds: Callable[[Any], bool], **parameters: str) -> Any:
    """What its API tells, as soon as that is what the caller waits for."""
    async with aiohttp.ClientSession() as client, asyncio.timeout(SECONDS):
        while True:
            try:
                async with client.get(f"{at}/api/v1/{path}", params=parameters, raise_for_status=True) as answer:
                    told = (await answer.json())["data"]
            except aiohttp.ClientError:  # it does not listen yet, or is not ready
                continue
            if holds(told):
                return told


async def test_prometheus_reads_a_hub_and_judges_every_alert(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    async with running_hub(tmp_path / "hub") as hub:
        await hub.channel()
        async with scraped(hub, tmp_path) as at:
            query = 'messenger_hub_channel_state{state="offline"} == on (job) group_left up'
            (channel,) = (await asked(at, "query", lambda told: told["result"], query=query))["result"]
            assert channel["metric"]["job"] == "messenger-hub"
            told = await asked(at, "rules", lambda told: told["groups"] and UNJUDGED not in health(told), type="alert")
            assert set(health(told)) == {"ok"}
            firing = [rule["name"] for rule in told["groups"][0]["rules"] if rule["state"] == "firing"]
            assert firing == []


def health(told: Any) -> Sequence[str]:
    """Of each rule: whether its last judgement worked."""
    return [rule["health"] for group in told["groups"] for rule in group["rules"]]
