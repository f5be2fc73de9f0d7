"""Which hub a desktop works for: what a link says, what it remembers, and what the command line says of it."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import click
import pytest
from messenger_hub_cli import joining
from messenger_hub_cli.agent import HERE, with_hub
from messenger_hub_cli.failures import CliError, Misused, Refused
from messenger_hub_cli.main import commands
from messenger_hub_cli.remembered import Hub, is_enrolled, remembered

HUB = Hub(server="192.168.1.20:8653", fingerprint="ab" * 32)
LINK = f"messenger-hub://192.168.1.20:8653/join?token=mht_x&fingerprint={'ab' * 32}"
NOTHING = {"server": None, "tls": False, "ca": None, "fingerprint": "", "enrol_token": ""}


def joined(data_dir: Path, hub: Hub = HUB) -> None:
    joining._remember(data_dir, hub)
    (data_dir / "agent" / "credential.json").write_text("{}")


def join(data_dir: Path, link: str, *more: str) -> CliError:
    with pytest.raises(CliError) as caught:
        commands.main(["join", link, "--data-dir", str(data_dir), *more], standalone_mode=False)
    return caught.value


def test_what_was_joined_is_remembered_and_told_to_the_agent(tmp_path: Path) -> None:
    joined(tmp_path)
    assert remembered(tmp_path) == HUB
    assert is_enrolled(tmp_path)
    assert with_hub(tmp_path, NOTHING) == {**NOTHING, "server": HUB.server, "fingerprint": HUB.fingerprint}


def test_what_the_command_line_says_of_the_hub_counts(tmp_path: Path) -> None:
    joined(tmp_path)
    assert with_hub(tmp_path, {**NOTHING, "server": "other:1"})["server"] == "other:1"
    renewed = {**NOTHING, "fingerprint": "cd" * 32}
    assert with_hub(tmp_path, renewed) == {**renewed, "server": HUB.server}
    assert with_hub(tmp_path / "new", NOTHING)["server"] == HERE


def test_a_desktop_that_is_enrolled_elsewhere_forgets_the_hub_that_it_never_got_into(tmp_path: Path) -> None:
    joining._remember(tmp_path, HUB)
    with_hub(tmp_path, {**NOTHING, "server": "other:1"})
    assert remembered(tmp_path) == HUB
    with_hub(tmp_path, {**NOTHING, "server": "other:1", "enrol_token": "mht_y"})
    assert remembered(tmp_path) is None


def test_a_desktop_of_another_hub_is_not_taken_over(tmp_path: Path) -> None:
    joined(tmp_path, Hub(server="10.0.0.1:8653", fingerprint="cd" * 32))
    problem = join(tmp_path, LINK, "--yes")
    assert isinstance(problem, Refused)
    assert "works for the hub at 10.0.0.1:8653 already" in problem.sentence
    (tmp_path / "agent" / "hub.json").unlink()
    assert "the hub on this machine" in join(tmp_path, LINK, "--yes").sentence


def test_the_same_hub_may_have_another_address_by_now(tmp_path: Path) -> None:
    joined(tmp_path, Hub(server="10.0.0.1:8653", fingerprint=HUB.fingerprint))
    joining._refuse_another(tmp_path, HUB)


def test_nobody_joins_a_hub_by_a_link_without_being_asked(tmp_path: Path) -> None:
    problem = join(tmp_path, LINK)
    assert isinstance(problem, Misused)
    assert "works for the hub at 192.168.1.20:8653" in problem.sentence and "--yes" in problem.sentence
    assert not (tmp_path / "agent").exists()


def test_what_is_no_link_is_said_to_be_none_without_repeating_it(tmp_path: Path) -> None:
    problem = join(tmp_path, "messenger-hub://hub:1/join?tok=secret", "--yes")
    assert isinstance(problem, Misused)
    assert "secret" not in problem.sentence


def test_the_desktop_app_says_that_it_has_joined_from_a_thread_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = joining._Joined(tmp_path, HUB, autostart=False, as_json=True)
    thread = threading.Thread(target=told.tell, args=["office-pc"])
    thread.start()
    thread.join()
    assert click.get_current_context(silent=True) is None
    assert json.loads(capsys.readouterr().out) == {"agent": "office-pc", "server": HUB.server, "autostart": False}


def test_a_damaged_memory_says_what_to_do(tmp_path: Path) -> None:
    joined(tmp_path)
    (tmp_path / "agent" / "hub.json").write_text("nothing")
    with pytest.raises(Refused, match="remove it, and give the agent its hub with --server"):
        remembered(tmp_path)
