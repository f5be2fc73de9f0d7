"""The data folder: secrets of the first start, and who may use it."""

import stat
from pathlib import Path

import pytest
from messenger_hub_server.data_folder import DATABASE, DataFolder
from messenger_hub_server.startup import StartupProblem


def test_secrets_are_made_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.announce("127.0.0.1:1", "http://127.0.0.1:2")
    files = [path for path in (tmp_path / "data").iterdir() if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    folder.close()
    again = DataFolder(tmp_path / "data")
    assert (again.pepper, again.admin_token) == (folder.pepper, folder.admin_token)
    assert len(again.pepper) == 32
    again.close()


def test_a_closed_folder_announces_nobody(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.announce("127.0.0.1:1", "http://127.0.0.1:2")
    assert (tmp_path / "admin-address").read_text() == "127.0.0.1:1"
    folder.close()
    assert not (tmp_path / "admin-address").exists()
    assert not (tmp_path / "admin-http-address").exists()


def test_a_locked_folder_gets_one_sentence_that_names_its_holder(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    try:
        with pytest.raises(StartupProblem, match="is in use by messenger-hub server"):
            DataFolder(tmp_path)
    finally:
        folder.close()


def test_a_folder_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "version").write_text("99\n")
    with pytest.raises(StartupProblem, match="newer version"):
        DataFolder(tmp_path)
    assert not (tmp_path / "pepper").exists()
    (tmp_path / "version").write_text("1\n")
    DataFolder(tmp_path).close()


def test_a_database_without_its_pepper_is_not_opened_with_a_new_one(tmp_path: Path) -> None:
    (tmp_path / DATABASE).touch()
    with pytest.raises(StartupProblem, match="restore it from a back-up"):
        DataFolder(tmp_path)
    assert not (tmp_path / "pepper").exists()


def test_a_damaged_secret_is_not_replaced(tmp_path: Path) -> None:
    DataFolder(tmp_path).close()
    (tmp_path / "pepper").write_text("nonsense")
    with pytest.raises(StartupProblem, match="restore it from a back-up"):
        DataFolder(tmp_path)
    assert (tmp_path / "pepper").read_text() == "nonsense"


def test_a_folder_that_cannot_be_made_gets_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartupProblem, match="cannot be used as a data folder"):
        DataFolder(tmp_path / "file" / "data")
