"""Schemathesis against a running hub: whatever it makes up from our OpenAPI document gets a documented answer."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.integration.server.hub import Hub
from tests.integration.server.test_openapi import described

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
# Not asked: whether wrong data is refused and right data taken. The hub takes more than the document says (null for what is
# absent, text for numbers), and dates in the future or formats such as a phone number's are beyond a schema.
LONGEST_SECONDS = 60


def without_waiting(node: Any) -> Any:
    """The document without the parameter that makes calls take up to 30 s."""
    match node:
        case dict():
            return {name: without_waiting(value) for name, value in node.items() if name != "wait"}
        case list():
            return [without_waiting(one) for one in node if not (isinstance(one, dict) and one.get("name") == "wait")]
        case _:
            return node


async def fuzzed(hub: Hub, document: dict[str, Any], folder: Path, *more: str) -> tuple[int, str]:
    """Exit code and what was printed."""
    api = await hub.session_api(scopes=[1, 2, 3, 4], settings={"rate_per_minute": 1_000_000})
    file = folder / "openapi.json"
    file.write_text(json.dumps(without_waiting(document)))
    program = Path(sys.executable).with_name("schemathesis")
    command = [
        *(str(program), "run", str(file), "--url", hub.running.http[0], "-H", f"X-API-Key: {api.key}"),
        *("--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing", "--workers", "2"),
        *("--generation-deterministic", "--continue-on-failure", "--no-shrink"),
        *("--warnings", "off", "--suppress-health-check", "all", "--no-color", *more),
    ]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, told.decode()


async def test_whatever_it_makes_up_gets_a_documented_answer(hub: Hub, tmp_path: Path) -> None:
    code, told = await fuzzed(hub, await described(hub), tmp_path, "--max-examples", "10")
    assert code == 0, told
    assert "Tested: 12" in told
    async with hub.http.get("/readyz") as http:
        assert http.status == 200


async def test_it_notices_an_answer_that_the_document_does_not_have(hub: Hub, tmp_path: Path) -> None:
    document = await described(hub)
    del document["paths"]["/api/whatsapp-session/send"]["post"]["responses"]["422"]
    document["components"]["schemas"]["SendMessageResponse"]["required"].append("nothing")
    more = ("--max-examples", "1", "--include-operation-id", "SendMessage")
    code, told = await fuzzed(hub, document, tmp_path, *more)
    assert code == 1
    assert "Received: 422" in told
    assert '"nothing" is a required property' in told
