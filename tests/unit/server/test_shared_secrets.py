"""The secrets of all nodes: one file, taken into each node's data folder, and never into another hub's."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from messenger_hub_server import shared_secrets
from messenger_hub_server.data_folder import DATABASE, DataFolder, secrets_of
from messenger_hub_server.startup import StartupProblem


def test_two_folders_with_the_same_secrets_judge_keys_and_operators_alike(tmp_path: Path) -> None:
    given = shared_secrets.made()
    first, second = (DataFolder(tmp_path / name, given) for name in ("first", "second"))
    assert (first.digest, first.admin_token) == (second.digest, second.admin_token)
    assert first.metrics_token == second.metrics_token
    assert first.pepper.hex() == given.pepper != shared_secrets.made().pepper
    first.close()
    second.close()


def test_what_one_folder_exports_another_one_takes(tmp_path: Path) -> None:
    first = DataFolder(tmp_path / "first")
    file = tmp_path / "secrets"
    shared_secrets.write(file, secrets_of(first.private))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    second = DataFolder(tmp_path / "second", shared_secrets.read(file))
    assert (second.pepper, second.admin_token) == (first.pepper, first.admin_token)
    first.close()
    second.close()


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text("mine")
    with pytest.raises(StartupProblem, match="is there already"):
        shared_secrets.write(file, shared_secrets.made())
    assert file.read_text() == "mine"


def test_the_folder_of_another_hub_keeps_its_secrets_and_is_free_again(tmp_path: Path) -> None:
    DataFolder(tmp_path).close()
    before = (tmp_path / "pepper").read_bytes(), (tmp_path / "admin-token").read_bytes()
    with pytest.raises(StartupProblem, match="with other secrets"):
        DataFolder(tmp_path, shared_secrets.made())
    assert ((tmp_path / "pepper").read_bytes(), (tmp_path / "admin-token").read_bytes()) == before
    DataFolder(tmp_path).close()


def test_a_database_without_its_pepper_gets_no_other_one(tmp_path: Path) -> None:
    (tmp_path / DATABASE).touch()
    with pytest.raises(StartupProblem, match="restore it from a back-up"):
        DataFolder(tmp_path, shared_secrets.made())
    assert not (tmp_path / "pepper").exists()


def test_an_admin_token_that_was_changed_in_the_file_is_changed_at_the_next_start(tmp_path: Path) -> None:
    first, other = shared_secrets.made(), shared_secrets.made()
    before = DataFolder(tmp_path, first)
    before.close()
    after = DataFolder(tmp_path, shared_secrets.SharedSecrets(pepper=first.pepper, admin_token=other.admin_token))
    after.close()
    assert (after.pepper, after.admin_token) == (before.pepper, other.admin_token)
    assert after.metrics_token != before.metrics_token


@pytest.mark.parametrize("content", ["", "pepper = 'geheim'", "geheim = [", 'pepper = "a"\nadmin_token = 5', "\x00"])
def test_a_damaged_file_is_refused_and_not_quoted(tmp_path: Path, content: str) -> None:
    (tmp_path / "secrets").write_text(content)
    with pytest.raises(StartupProblem, match="no file of secrets, or a damaged one") as refused:
        shared_secrets.read(tmp_path / "secrets")
    assert "geheim" not in str(refused.value)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartupProblem, match="secrets cannot be read: No such file"):
        shared_secrets.read(tmp_path / "no secrets")


def test_secrets_are_not_shown_by_accident() -> None:
    given = shared_secrets.made()
    assert given.pepper not in repr(given)
    assert given.admin_token not in repr(given)
