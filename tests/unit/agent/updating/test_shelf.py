"""The folder in which a fetched wa-js lies."""

from __future__ import annotations

from pathlib import Path

import pytest
from messenger_hub.runtime.folder import FolderUnusable
from messenger_hub_agent.updating.choice import Choice
from messenger_hub_agent.updating.shelf import Shelf, Wanted
from messenger_hub_agent.whatsapp.wa_js import WaJs, version

from tests.fakes.trial import NEWER

OTHER = WaJs("98.0.0", "// another one")


def test_what_is_wanted_while_the_agent_takes_something_else_is_not_lost(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "wa-js")
    shelf.want(Wanted(NEWER))
    assert shelf.wanted() == shelf.wanted() == Wanted(NEWER), "an agent that dies here takes it again"
    shelf.want(Wanted(OTHER))
    shelf.taken()
    assert shelf.waits
    assert shelf.wanted() == Wanted(OTHER)
    shelf.taken()
    assert not shelf.waits
    assert shelf.wanted() is None


def test_looking_makes_no_folder(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "wa-js")
    assert shelf.choice() == Choice(pinned=version())
    assert shelf.wanted() is None and not shelf.waits
    shelf.taken()
    assert not shelf.path.exists()


def test_what_is_used_is_kept_and_what_is_not_goes(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "wa-js")
    for one in (OTHER, NEWER):
        shelf.put(one)
    adopted = Choice(pinned=version()).wanted(OTHER.version).sent()
    trying = adopted.wanted(NEWER.version)
    shelf.keep(trying)
    assert shelf.choice() == trying
    assert shelf.fetched(trying) == NEWER
    shelf.keep(trying.failed("it does not fit", 1))
    assert shelf.fetched(adopted) == OTHER
    with pytest.raises(FolderUnusable, match="missing"):
        shelf.fetched(trying)


def test_a_file_that_holds_another_version_than_its_name_says_is_refused(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "wa-js")
    shelf.put(OTHER)
    wanted = Choice(pinned=version()).wanted(NEWER.version)
    (shelf.path / f"{OTHER.version}.json").rename(shelf.path / f"{NEWER.version}.json")
    with pytest.raises(FolderUnusable) as refused:
        shelf.fetched(wanted)
    sentence = str(refused.value)
    assert f"{NEWER.version}.json holds wa-js {OTHER.version}" in sentence
    assert sentence.endswith("choose one again with messenger-hub update wa-js.")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"pinned": "4.6.0\\n"}', b'{"pinned": "4.6.0", "stage": "other"}', b"\xff"]
)
def test_a_damaged_file_is_named_with_what_to_do(content: bytes, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    (tmp_path / "choice.json").write_bytes(content)
    with pytest.raises(FolderUnusable, match="is damaged: delete it"):
        shelf.choice()
