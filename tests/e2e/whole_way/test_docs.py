"""What the documentation says to type is typed here, and what it says to answer is answered."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.whole_way.world import World

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[3]
PAGES = ("README.md", "docs/api-guide.md", "docs/twin.md")
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
UNKNOWN = "…"


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Language and text of each fenced block, without its indentation."""
    for indent, language, text in BLOCK.findall((ROOT / page).read_text(encoding="utf-8")):
        yield language, "\n".join(line.removeprefix(indent) for line in text.splitlines())


def environment(world: World) -> Mapping[str, str]:
    return os.environ | {
        "KEY": world.key,
        "MESSENGER_HUB_KEY": world.key,
        "MESSENGER_HUB_URL": world.http,
        "MESSENGER_HUB_GRPC": world.grpc,
        "no_proxy": "*",
    }


def typed(world: World, line: str) -> str:
    """A documented line, with the addresses of this hub and twin."""
    there = line.replace("http://127.0.0.1:8642", world.http).replace("http://127.0.0.1:8099", world.twin)
    done = subprocess.run(
        ["sh", "-c", there], capture_output=True, text=True, env=environment(world), timeout=60, check=False
    )
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    return done.stdout


def same(shown: Any, answered: Any) -> bool:
    """What is shown is what is answered; an ellipsis stands for anything, numbers of operations are not compared."""
    if isinstance(shown, dict):
        return isinstance(answered, dict) and all(
            name in answered and ((name.endswith("_id") and isinstance(value, int)) or same(value, answered[name]))
            for name, value in shown.items()
        )
    if isinstance(shown, list):
        return isinstance(answered, list) and len(shown) <= len(answered) and all(map(same, shown, answered))
    if isinstance(shown, str) and UNKNOWN in shown:
        return str(answered).startswith(shown.partition(UNKNOWN)[0])
    return bool(shown == answered)


@pytest.mark.parametrize("page", PAGES)
def test_curl_lines_of_the_docs_answer_as_shown(world: World, page: str) -> None:
    listed = list(blocks(page))
    ran = 0
    for (language, text), following in zip(listed, [*listed[1:], ("", "")], strict=True):
        if language != "sh" or not text.startswith("curl"):
            continue
        number = ran and world.operation_ids()[-1]
        line = re.sub(r"messages/1\b", f"messages/{number}", text)
        if number:
            world.reaches(number, "read", "succeeded", "failed", "cancelled")
        answer = json.loads(typed(world, line))
        assert "success" not in answer or answer["success"] or "errors" in answer, answer
        if following[0] == "json":
            assert same(json.loads(following[1]), answer), f"{text}\n{answer}"
        ran += 1
    assert ran


@pytest.mark.parametrize("page", ["README.md", "docs/api-guide.md"])
def test_python_of_the_docs_runs(world: World, page: str) -> None:
    programs = [text for language, text in blocks(page) if language == "python"]
    assert programs
    for program in programs:
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=environment(world), check=False
        )
        assert done.returncode == 0, done.stderr
        number, recipient = done.stdout.split()
        assert recipient == "12025550111"
        world.reaches(int(number), "read")


EXAMPLES = {
    "crm_follow_up.py": ([sys.executable], ["Hi Ana, any questions about the blue sofa?", "Hi Ben, any questions about two chairs?"]),
    "booking_confirmation.mjs": (["node"], ["Your table for 4 is booked: Friday 19:30. See you!"]),
    "order_notification.php": (["php"], ["Your order 1042 is on its way with the postal service."]),
    "alert.sh": (["sh"], ["db1 does not answer"]),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_sends_its_message_once_however_often_it_runs(world: World, name: str) -> None:
    program, texts = EXAMPLES[name]
    for _ in range(2):
        done = subprocess.run(
            [*program, str(ROOT / "docs/examples" / name)],
            capture_output=True, text=True, env=environment(world), timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    world.all_done()
    assert sorted(world.received(*texts)) == sorted(texts)


def test_every_example_is_tested_and_told_about() -> None:
    guide = (ROOT / "docs/api-guide.md").read_text(encoding="utf-8")
    files = {path.name for path in (ROOT / "docs/examples").iterdir() if path.is_file()}
    assert files == {*EXAMPLES, "link.html"}
    assert all(f"examples/{name}" in guide for name in files)


def test_the_link_of_the_docs_sends(world: World) -> None:
    page = (ROOT / "docs/examples/link.html").read_text(encoding="utf-8")
    address = re.search(r'href="([^"]+)"', page)
    assert address
    link = address[1].replace("&amp;", "&").replace("YOUR_KEY", world.key)
    assert json.loads(typed(world, f"curl -sS '{link}'"))["success"]
    world.all_done()
    assert world.received("Somebody is at the door") == ["Somebody is at the door"]


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
