"""`messenger-hub update wa-js` with a desktop app that does not run: what is fetched, verified, and left for it."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from messenger_hub.runtime.clock import SystemClock
from messenger_hub_agent.folder import CREDENTIAL, WA_JS
from messenger_hub_agent.updating.choice import Choice, Stage
from messenger_hub_agent.updating.shelf import CHOICE, Shelf
from messenger_hub_agent.updating.trial import Trial
from messenger_hub_agent.whatsapp.wa_js import pinned, version
from messenger_hub_cli import update
from messenger_hub_cli.main import run

from tests.fakes.package import DESCRIPTION, SOURCE, Npm, described, integrity, packed, wa_js_package

NEWER = "99.1.0"
SCRIPT = "// a newer wa-js"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "TAKEN_SECONDS", 0.0)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Of a desktop that is enrolled."""
    folder = tmp_path / "data"
    (folder / "agent").mkdir(parents=True)
    (folder / "agent" / CREDENTIAL).write_text("{}")
    return folder


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Npm:
    made = Npm(tmp_path / "npm")
    monkeypatch.setenv("PATH", f"{made.folder}{os.pathsep}{os.environ['PATH']}")
    return made


@pytest.fixture
def asks(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Any]]:
    """The verb's exit code and its document."""

    def ask(*arguments: str) -> tuple[int, Any]:
        code = run(["update", "wa-js", "--data-dir", str(data_dir), "--json", *arguments], as_json=True, debug=False)
        return code, json.loads(
            capsys.readouterr().out.splitlines()[-1]
        )  # before it: what the desktop app of this test logs

    return ask


Asks = Callable[..., tuple[int, Any]]


def shelf(data_dir: Path) -> Shelf:
    return Shelf(data_dir / "agent" / WA_JS)


def started(data_dir: Path) -> Trial:
    """As the desktop app starts."""
    trial = Trial(shelf(data_dir), SystemClock())
    trial.take_wish()
    return trial


def refused(answer: tuple[int, Any], code: int, *words: str) -> None:
    assert answer[0] == code, answer
    sentence = answer[1]["error"]["message"]
    assert sentence.endswith(".") and "\n" not in sentence
    for word in words:
        assert word in sentence, sentence


# ---- fetched ------------------------------------------------------------------------------------------------------------------


def test_the_latest_comes_from_npm_and_is_tried_when_the_desktop_app_starts(
    data_dir: Path, npm: Npm, asks: Asks
) -> None:
    npm.serves("99.0.0", "// an older one")
    npm.serves(NEWER, SCRIPT)
    code, answer = asks()
    assert (code, answer["wa_js"], answer["stage"]) == (0, version(), "pinned")
    trial = started(data_dir)
    assert (trial.wa_js().version, trial.wa_js().source) == (NEWER, SCRIPT)
    assert shelf(data_dir).choice().stage is Stage.CANDIDATE


def test_a_version_that_is_named_is_fetched_even_if_it_is_older(data_dir: Path, npm: Npm, asks: Asks) -> None:
    npm.serves("4.5.0", SCRIPT)
    npm.serves(NEWER, "// the latest")
    assert asks("--to", "4.5.0")[0] == 0
    assert started(data_dir).version == "4.5.0"


def test_a_file_needs_no_npm(data_dir: Path, tmp_path: Path, asks: Asks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    file = tmp_path / "wa-js.tgz"
    stated = wa_js_package(file, NEWER, SCRIPT)
    assert asks("--file", str(file), "--integrity", stated)[0] == 0
    assert started(data_dir).wa_js().source == SCRIPT


def test_files_of_a_fetched_wa_js_are_its_owners_alone_and_go_when_nothing_uses_them(
    data_dir: Path, npm: Npm, asks: Asks
) -> None:
    npm.serves(NEWER, SCRIPT)
    asks()
    trial = started(data_dir)
    files = {path.name: path.stat().st_mode & 0o777 for path in shelf(data_dir).path.iterdir()}
    assert files == {CHOICE: 0o600, f"{NEWER}.json": 0o600}
    trial.failed(NEWER, "it does not fit")
    assert [path.name for path in shelf(data_dir).path.iterdir()] == [CHOICE]


def test_nothing_is_fetched_when_npm_has_nothing_newer(data_dir: Path, npm: Npm, asks: Asks) -> None:
    npm.serves(version(), pinned().source)
    assert asks()[0] == 0
    assert not shelf(data_dir).waits


def test_a_version_that_was_rejected_is_tried_again_only_when_it_is_named(data_dir: Path, npm: Npm, asks: Asks) -> None:
    npm.serves(NEWER, SCRIPT)
    asks()
    started(data_dir).failed(NEWER, "needed and missing: ChatStore")
    refused(asks(), 5, NEWER, "ChatStore", "--to")
    assert asks("--to", NEWER)[0] == 0
    assert started(data_dir).version == NEWER


def test_back_is_to_what_the_release_ships(data_dir: Path, npm: Npm, asks: Asks) -> None:
    npm.serves(NEWER, SCRIPT)
    asks()
    trial = started(data_dir)
    trial.sent(NEWER)
    assert shelf(data_dir).choice().stage is Stage.ADOPTED
    assert asks("--back")[0] == 0
    assert started(data_dir).version == version()
    code, answer = asks("--back")
    assert (code, answer["stage"]) == (0, "pinned")


# ---- refused ------------------------------------------------------------------------------------------------------------------


def test_another_package_than_npm_states_is_refused(data_dir: Path, npm: Npm, asks: Asks, tmp_path: Path) -> None:
    npm.serves(NEWER, SCRIPT, states=wa_js_package(tmp_path / "other.tgz", NEWER, "// something else"))
    refused(asks(), 2, "integrity", "nothing was changed")
    assert not shelf(data_dir).waits


def test_a_version_that_there_is_not_is_told(npm: Npm, asks: Asks) -> None:
    npm.serves(NEWER, SCRIPT)
    refused(asks("--to", "98.7.6"), 2, "98.7.6", "npm view")
    refused(asks("--to", "../../etc"), 2, "three numbers")


def test_without_npm_the_sentence_says_what_to_do(asks: Asks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    refused(asks(), 6, "npm", "--file")


def test_an_npm_that_fails_is_told_with_its_code(npm: Npm, asks: Asks) -> None:
    (npm.folder / "npm").write_text('#!/bin/sh\necho \'{"error": {"code": "ENOTFOUND"}}\'\nexit 1\n')
    refused(asks(), 1, "ENOTFOUND", "network")
    (npm.folder / "npm").write_text("#!/bin/sh\necho no JSON\n")
    refused(asks(), 1, "npm")


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({DESCRIPTION: described(NEWER, "left-pad"), SOURCE: b"//"}, "left-pad"),
        ({DESCRIPTION: described(NEWER)}, "what it should hold"),
        ({DESCRIPTION: described("../1"), SOURCE: b"//"}, "what it should hold"),
        ({DESCRIPTION: b"{", SOURCE: b"//"}, "what it should hold"),
        ({DESCRIPTION: described(NEWER), SOURCE: b"\xff\xfe"}, "what it should hold"),
        ({}, "what it should hold"),
    ],
)
def test_a_package_that_is_no_wa_js_is_refused(
    members: Mapping[str, bytes], why: str, tmp_path: Path, asks: Asks, data_dir: Path
) -> None:
    file = tmp_path / "package.tgz"
    stated = packed(file, members)
    refused(asks("--file", str(file), "--integrity", stated), 2, str(file), why)
    assert not shelf(data_dir).path.exists()


def test_a_package_that_is_none_is_cut_off_or_is_a_bomb_is_refused(tmp_path: Path, asks: Asks) -> None:
    file = tmp_path / "package.tgz"
    wa_js_package(file, NEWER, SCRIPT)
    whole = file.read_bytes()
    for content in (b"no package", whole[: len(whole) // 2], gzip.compress(bytes(150_000_000), 1)):
        file.write_bytes(content)
        refused(asks("--file", str(file), "--integrity", integrity(file)), 2, str(file))


def test_options_that_do_not_belong_together_are_refused(tmp_path: Path, asks: Asks) -> None:
    file = tmp_path / "package.tgz"
    stated = wa_js_package(file, NEWER, SCRIPT)
    refused(asks("--file", str(file)), 2, "--integrity")
    refused(asks("--back", "--to", NEWER), 2, "--back")
    refused(asks("--file", str(file), "--integrity", stated[:-3]), 2, "sha512")
    refused(asks("--file", str(tmp_path / "none"), "--integrity", stated), 6, "none")


def test_a_damaged_state_file_is_named_and_the_desktop_app_starts_with_what_it_ships(
    data_dir: Path, npm: Npm, asks: Asks
) -> None:
    npm.serves(NEWER, SCRIPT)
    asks()
    started(data_dir)
    (shelf(data_dir).path / CHOICE).write_text('{"pinned": "../x"}')
    refused(asks(), 6, CHOICE, "delete it")
    assert started(data_dir).version == version()
    assert shelf(data_dir).choice() == Choice(pinned=version())


def test_a_folder_of_no_desktop_app_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["update", "wa-js", "--data-dir", str(tmp_path / "none"), "--json"], as_json=True, debug=False)
    refused((code, json.loads(capsys.readouterr().out)), 2, "--data-dir")
    assert not (tmp_path / "none").exists()
