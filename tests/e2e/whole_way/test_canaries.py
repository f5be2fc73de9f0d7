"""Secrets, numbers and texts are planted everywhere, then everything that was written is searched for them."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.whole_way.world import BASE, World, http
from tests.eventually import eventually

pytestmark = pytest.mark.e2e

NUMBER = "12025550183"
TEXT = "canary in the text"
NAME = "Canary Contactname"
IDEMPOTENCY = "canary-idempotency"
REFERENCE = "canary-reference"


@pytest.fixture
def planted(world: World) -> World:
    """Every way in has seen them, the ways that fail too."""
    number = world.send(TEXT, mobile=NUMBER, idempotency_key=IDEMPOTENCY, reference=REFERENCE)
    world.reaches(number, "read")
    world.reaches(world.contact("save-contact", contact_id=NUMBER, name=NAME), "succeeded")
    world.phones("fail", count=1)
    world.reaches(world.send(f"{TEXT} refused", mobile=NUMBER), "uncertain")
    http("GET", f"{world.http}{BASE}/send?key={world.key}&mobile={NUMBER}&message=%00")
    http("GET", f"{world.http}{BASE}/send?key={world.key}x&mobile={NUMBER}&message=canary")
    http("POST", f"{world.http}{BASE}/send", {"key": world.key, "mobile": NUMBER, "message": [TEXT]})
    world.call("POST", "/save-contact", {"contact_id": f"{NUMBER}@nowhere", "name": NAME})
    world.phones("crash")
    world.reaches(world.send(f"{TEXT} after the crash", mobile=NUMBER), "read", seconds=60)
    return world


def secrets(world: World) -> dict[str, str]:
    credential = json.loads((world.folder / "desktop/agent/credential.json").read_text())["credential"]
    names = {"admin token": "admin-token", "metrics token": "metrics-token", "pepper": "pepper"}
    of_the_hub = {told: (world.folder / "hub" / name).read_text().strip() for told, name in names.items()}
    return {"key": world.key.split("_", 2)[2], "credential": credential, **of_the_hub}


PERSONAL = {"number": NUMBER, "text": TEXT, "name": NAME, "idempotency key": IDEMPOTENCY}


def found(content: bytes, canaries: dict[str, str]) -> list[str]:
    return [name for name, value in canaries.items() if value.encode() in content]


def files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder), path.read_bytes()


def test_nothing_that_is_written_gives_anything_away(planted: World) -> None:
    own = {f"hub/{name.replace(' ', '-')}": name for name in ("admin token", "metrics token", "pepper")}
    own["desktop/agent/credential.json"] = "credential"
    stores = ("hub/hub.db", "desktop/agent/channels/", "arrivals.jsonl")  # where texts and numbers belong
    told = {}
    for path, content in files(planted.folder):
        there = [name for name in found(content, secrets(planted)) if own.get(str(path)) != name]
        if path.suffix == ".log" or not str(path).startswith(stores):
            there += found(content, PERSONAL)
        if there:
            told[str(path)] = there
    assert not told
    logs = [path for path, content in files(planted.folder) if path.suffix == ".log" and content]
    assert {Path("server.log"), Path("agent.log")} <= {*logs}, "a search of nothing finds nothing"


def test_command_lines_of_running_programs_give_nothing_away(planted: World) -> None:
    listed = psutil.process_iter(["cmdline"])
    lines = [b"\0".join(part.encode() for part in one.info["cmdline"] or ()) for one in listed]
    assert any(b"--remote-debugging-pipe" in line for line in lines), "a search of nothing finds nothing"
    assert not [found(line, secrets(planted) | PERSONAL) for line in lines if found(line, secrets(planted) | PERSONAL)]


def test_metrics_and_errors_give_nothing_away(planted: World) -> None:
    admin = (planted.folder / "hub/admin-http-address").read_text()
    token = (planted.folder / "hub/admin-token").read_text()
    request = urllib.request.Request(f"{admin}/metrics", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request) as answer:
        metrics = answer.read()
    assert b"messenger_hub" in metrics
    assert not found(metrics, secrets(planted) | PERSONAL)
    _, refused = planted.call("POST", "/send", {"mobile": NUMBER, "message": TEXT * 1000})
    assert not found(json.dumps(refused).encode(), secrets(planted) | PERSONAL)


def test_everything_that_is_kept_is_readable_by_its_owner_only(planted: World) -> None:
    for folder in ("hub", "desktop/agent"):
        open_to_others = [path for path in (planted.folder / folder).rglob("*") if path.stat().st_mode & 0o077]
        assert not open_to_others
    eventually(lambda: planted.status()["can_send"])


def test_an_erased_person_is_left_in_no_file_but_whatsapps_own(planted: World) -> None:
    def left() -> list[str]:
        personal = {"number": NUMBER, "text": TEXT, "name": NAME, "reference": REFERENCE}
        kept = [path for folder in ("hub", "desktop/agent") for path in (planted.folder / folder).rglob("*")]
        ours = [path for path in kept if path.is_file() and "profile" not in path.parts]
        return [path.name for path in ours if found(path.read_bytes(), personal)]

    planted.all_done()
    assert any(name.startswith("hub.db") for name in left())
    assert any(name.startswith("journal.db") for name in left())
    assert len(planted.ask("person", "export", NUMBER)["operations"]) >= 4
    assert planted.ask("person", "erase", NUMBER, "--yes")["erased"] >= 4
    eventually(lambda: left() == [], what=f"erased: {left()}")
    assert planted.ask("person", "export", NUMBER) == {"operations": []}
    planted.reaches(planted.send("life goes on"), "read")
