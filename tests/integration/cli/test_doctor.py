"""`messenger-hub doctor` on a machine as it is found."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path

from tests.nursery.command import run


def checks(tmp_path: Path, code: int, **variables: str) -> Mapping[str, tuple[str, str]]:
    done = run("doctor", "--twin", "--json", "--data-dir", str(tmp_path / "data"), **variables)
    assert done.returncode == code, done
    return {one["name"]: (one["verdict"], one["said"]) for one in json.loads(done.stdout)["checks"]}


def test_a_port_that_another_program_has_is_bad_and_says_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = checks(tmp_path, 1, MESSENGER_HUB_HTTP=f"127.0.0.1:{port}", MESSENGER_HUB_GRPC="127.0.0.1:0")
    assert found["HTTP port"][0] == "bad" and "--http HOST:PORT" in found["HTTP port"][1]
    assert found["WhatsApp Web"][0] == "good"


def test_a_setting_that_is_not_understood_is_told_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    found = checks(tmp_path, 1, MESSENGER_HUB_HTTP="nowhere")
    assert found["Settings"][0] == "bad" and "MESSENGER_HUB_HTTP" in found["Settings"][1]
    assert {"Disk", "Data folder", "WhatsApp Web"} <= found.keys()


def test_a_database_elsewhere_that_cannot_be_reached_is_named_without_its_password(tmp_path: Path) -> None:
    found = checks(tmp_path, 1, MESSENGER_HUB_STORE="postgresql://hub:geheim@127.0.0.1:1/hub")
    assert found["Database"][0] == "bad"
    assert "The database postgresql://127.0.0.1:1/hub cannot be reached (" in found["Database"][1]
    assert "geheim" not in str(found)
