"""Who has refused a desktop, hub or proxy, and what is said of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.integration.two_machines.machines import NAME
from tests.integration.two_machines.proxies import proxy
from tests.integration.two_machines.world import GRPC, World, desktop, world

GRPC_LOCATION = "location ~ ^/(messenger_hub|grpc)\\."
LOOK = """
import asyncio, sys
from pathlib import Path
from messenger_hub_cli.joined_hub import joined_hub

print(*[f"{one.verdict.value}: {one.said}" for one in asyncio.run(joined_hub(Path(sys.argv[1])))], sep="\\n")
"""


def told_of_the_joined_hub(there: World) -> str:
    """What the doctor says of it on a desktop that has joined by the link; the proxy's authority is known there."""
    joined = there.folder / "joined/agent"
    joined.mkdir(parents=True, exist_ok=True, mode=0o700)
    (joined / "hub.json").write_text(json.dumps({"server": GRPC}))
    known = f"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH={there.certificate.certificate}"
    done = there.machines.desktop.run("env", known, sys.executable, "-c", LOOK, str(joined.parent))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("kind", ["nginx", "caddy"])
def test_a_desktop_that_the_hub_shuts_out_hears_it_through_the_proxy_and_ends(kind: str, tmp_path: Path) -> None:
    with world(tmp_path, kind) as there, desktop(there) as app:
        assert told_of_the_joined_hub(there) == f"good: {NAME}:443 answers"
        there.operate("agent", "revoke", "desk", "--yes")
        eventually(lambda: app.code is not None, what="the desktop app ends")
        assert app.said("check the address") == 0


def test_a_desktop_whose_proxy_refuses_it_for_a_while_comes_back(tmp_path: Path) -> None:
    with world(tmp_path, "nginx") as there, desktop(there) as app:
        there.front.end()
        with proxy("nginx", there.machines.hub, there.certificate, {"grpc_pass grpc://127.0.0.1:8643": "return 403"}):
            there.is_connected(connected=False)
            eventually(lambda: app.said("does not answer"), what="it is refused")
            assert told_of_the_joined_hub(there).startswith(f"bad: {NAME}:443 answers, and not as a hub does")
        with proxy("nginx", there.machines.hub, there.certificate):
            there.is_connected()
            there.reaches(there.send("after the refusal"), "sent")


def test_a_proxy_that_hands_on_rest_alone_is_told_by_the_doctor(tmp_path: Path) -> None:
    with world(tmp_path, "nginx", replacing={GRPC_LOCATION: "location = /nothing"}) as there:
        assert told_of_the_joined_hub(there).startswith(f"bad: {NAME}:443 answers, and not as a hub does")
