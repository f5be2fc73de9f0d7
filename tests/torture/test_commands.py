"""`./hub torture` names its attacks and starts the one that is named."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tests.torture.__main__ import ATTACKS, main


def test_help_names_every_attack(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_attack_is_there_and_tells_its_options(attack: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(importlib.import_module(ATTACKS[attack]).main)
    with pytest.raises(SystemExit) as ended:
        main([attack, "--help"])
    assert ended.value.code == 0
    assert "--ledger" in capsys.readouterr().out


def test_an_attack_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == 2
    assert "There is no attack nothing" in capsys.readouterr().err


def test_without_a_name_it_is_the_nemesis(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--minutes", "nothing"])
    assert ended.value.code == 2
    assert "--minutes" in capsys.readouterr().err


@pytest.mark.parametrize("attack", ["nemesis", "nodes", "enqueue", "fuzz"])
def test_a_place_that_can_be_no_folder_is_refused(
    attack: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as ended:
        main([attack, "--folder", str(tmp_path / "file" / "worlds")])
    assert ended.value.code == 2
    assert "cannot be a folder (Not a directory): name another place" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--nodes", "3"], "add --store postgresql"),
        (["--without", "kill database"], "kill database does not come with --store sqlite"),
        (["nodes", "--often", "restore file"], "restore file does not come with --store postgresql"),
    ],
)
def test_what_does_not_go_together_is_refused(
    given: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(given)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("given", ["0", "61", "nan", "soon"])
def test_faults_that_cannot_come_so_close_are_refused_with_what_can_be_written(
    given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["nemesis", "--gap", given])
    assert ended.value.code == 2
    assert "write a number of seconds above 0, 60 at most" in capsys.readouterr().err
