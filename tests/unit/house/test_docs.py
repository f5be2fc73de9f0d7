"""Tables in the docs are those of the program."""

from __future__ import annotations

from pathlib import Path

from messenger_hub_cli.failures import EXIT_CODES
from messenger_hub_cli.main import VERBS
from messenger_hub_server import config

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "command-line.md").read_text(encoding="utf-8")


def test_every_setting_stands_in_the_docs_as_the_server_knows_it() -> None:
    assert config.docs_table() in PAGE


def test_every_verb_and_every_exit_code_stand_in_the_docs() -> None:
    assert all(f"| `{name}` | {told} |" in PAGE for name, (_, told) in VERBS.items())
    assert all(f"| {code} | {meaning} |" in PAGE for code, meaning in EXIT_CODES.items())


def test_every_proxy_of_the_examples_is_handed_out_by_the_recipe() -> None:
    recipe = (DOCS / "two-machines.md").read_text(encoding="utf-8")
    files = [path.name for path in (DOCS / "examples/proxies").iterdir()]
    assert files
    assert all(f"(examples/proxies/{name})" in recipe for name in files)
