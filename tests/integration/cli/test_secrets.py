"""messenger-hub secrets: the one file that every node of a hub needs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from messenger_hub_server import shared_secrets

from tests.integration.server.hub import running_hub
from tests.nursery.command import run


def test_secrets_that_are_made_are_those_of_every_node_that_imports_them(tmp_path: Path) -> None:
    file = tmp_path / "secrets.toml"
    made = run("secrets", "make", str(file), "--json")
    assert (made.returncode, json.loads(made.stdout)) == (0, {"file": str(file)})
    given = shared_secrets.read(file)
    for node in ("first", "second"):
        assert run("secrets", "import", str(file), "--data-dir", str(tmp_path / node)).returncode == 0
        assert (tmp_path / node / "pepper").read_text() == given.pepper
    again = run("secrets", "make", str(file))
    assert (again.returncode, "is there already" in again.stderr) == (6, True)
    assert given.pepper not in made.stdout + made.stderr + again.stderr


def test_secrets_come_from_a_running_hub_and_go_into_no_other_hub(tmp_path: Path) -> None:
    hub, file = tmp_path / "hub", tmp_path / "secrets.toml"

    async def serve() -> None:
        async with running_hub(hub):
            running = await asyncio.to_thread(run, "secrets", "export", str(file), "--data-dir", str(hub))
            assert running.returncode == 0, running
            taken = await asyncio.to_thread(run, "secrets", "import", str(file), "--data-dir", str(hub))
            assert (taken.returncode, "is in use by" in taken.stderr) == (6, True), taken

    asyncio.run(serve())
    assert run("secrets", "import", str(file), "--data-dir", str(hub)).returncode == 0
    assert run("secrets", "make", str(tmp_path / "others")).returncode == 0
    other = run("secrets", "import", str(tmp_path / "others"), "--data-dir", str(hub))
    assert (other.returncode, "a hub with other secrets" in other.stderr) == (6, True)
    assert (hub / "pepper").read_text() == shared_secrets.read(file).pepper


def test_what_is_missing_or_no_file_of_secrets_gets_a_sentence(tmp_path: Path) -> None:
    none = run("secrets", "export", str(tmp_path / "file"), "--data-dir", str(tmp_path / "nowhere"))
    assert (none.returncode, "--data-dir" in none.stderr) == (2, True)
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "empty").mkdir()
    bare = run("secrets", "export", str(tmp_path / "file"), "--data-dir", str(tmp_path / "empty"))
    assert (bare.returncode, "has no secrets" in bare.stderr) == (2, True)
    (tmp_path / "file").write_text("geheim")
    wrong = run("secrets", "import", str(tmp_path / "file"), "--data-dir", str(tmp_path / "node"))
    assert (wrong.returncode, "is no file of secrets" in wrong.stderr, "geheim" in wrong.stderr) == (2, True, False)
    assert not (tmp_path / "node").exists()


async def test_a_hub_takes_the_secrets_that_its_settings_name(tmp_path: Path) -> None:
    given = shared_secrets.made()
    shared_secrets.write(tmp_path / "secrets.toml", given)
    async with running_hub(tmp_path / "node", secrets=tmp_path / "secrets.toml") as hub:
        assert hub.operator.metadata[0][1] == f"Bearer {given.admin_token}"
        assert await hub.channel() == 1
