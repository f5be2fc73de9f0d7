"""The log that tests take as their oracle."""

from __future__ import annotations

import json
from pathlib import Path

from messenger_hub_twin.log import ArrivalLog

LINE = {"at": 1.5, "id": "3EB01", "from": "12015550100@c.us", "to": "12025550111@c.us", "body": "hello"}


def write(log: ArrivalLog, **changes: object) -> None:
    values = LINE | changes
    log.write(at=values["at"], message_id=values["id"], sender=values["from"], chat=values["to"], body=values["body"])  # type: ignore[arg-type]


def test_a_line_is_in_the_file_when_write_returns_and_repeats_are_lines_of_their_own(tmp_path: Path) -> None:
    log = ArrivalLog(tmp_path / "log.jsonl")
    write(log)
    write(log)
    assert [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [LINE, LINE]
    assert log.count == 2
    log.close()


def test_any_body_stays_one_line_and_is_read_back_as_it_was(tmp_path: Path) -> None:
    bodies = ["two\nlines", 'a "quote"', "tab\tand \u2028 separator", "Olá 🙂", "half a pair \ud83d", "nul \0", ""]
    log = ArrivalLog(tmp_path / "log.jsonl")
    for body in bodies:
        write(log, body=body)
    log.close()
    lines = (tmp_path / "log.jsonl").read_bytes().split(b"\n")[:-1]
    assert [json.loads(line.decode("utf-8", "surrogatepass"))["body"] for line in lines] == bodies


def test_a_new_log_and_its_folder_are_made_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "log.jsonl"
    ArrivalLog(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_line_that_a_kill_left_unfinished_is_cut_off_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = ArrivalLog(path)
    write(log)
    log.close()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"at": 2.0, "id": "3EB0')
    again = ArrivalLog(path)
    assert again.count == 1
    assert path.read_bytes() == whole
    write(again, id="3EB02")
    again.close()
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == ["3EB01", "3EB02"]


def test_a_log_that_is_nothing_but_an_unfinished_line_is_empty_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"at": 2.0')
    log = ArrivalLog(path)
    assert (log.count, path.read_bytes()) == (0, b"")
    log.close()


def test_an_existing_log_is_counted_and_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for expected in (1, 2, 3):
        log = ArrivalLog(path)
        write(log)
        assert log.count == expected
        log.close()
