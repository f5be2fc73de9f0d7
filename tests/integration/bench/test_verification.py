"""The bench gives no figures for a run that lost something."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench import plan
from tests.bench.__main__ import main
from tests.bench.verification import NotTrue, Recorded, check_durable, check_slice

ROW = Recorded(wa_id="3EB01", recipient="491", state="sent", steps=("leased", "pending", "sent"))


def lose_one(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("DELETE FROM operation WHERE id = (SELECT max(id) FROM operation)")
        connection.commit()


def test_a_planted_loss_ends_the_run_without_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = tmp_path / "bench.json"
    few = replace(plan.QUICK, many=1)
    assert main(["--quick", "--json", str(result), "--folder", str(tmp_path)], quick=few, tamper=lose_one) == 1
    said = capsys.readouterr()
    assert "1 accepted and not recorded" in said.err
    assert not said.out
    assert not result.exists()


def test_a_true_run_gives_figures_and_a_ratio_for_every_scenario(tmp_path: Path) -> None:
    result = tmp_path / "bench.json"
    short = replace(plan.QUICK, many=2, rounds=1, slice_seconds=0.1, latency_seconds=0.1)
    assert main(["--quick", "--json", str(result), "--folder", str(tmp_path)], quick=short) == 0
    text = result.read_text()
    assert all(f'"{scenario.name}"' in text for scenario in plan.QUICK.scenarios)


@pytest.mark.parametrize(
    ("accepted", "refused", "found", "carried_out", "said"),
    [
        ([(1, 491)], {}, {}, [], "1 accepted and not recorded"),
        ([], {}, {1: ROW}, ["3EB01"], "1 recorded and not accepted"),
        ([(1, 492)], {}, {1: ROW}, ["3EB01"], "1 recorded for another number"),
        ([(1, 491), (1, 491)], {}, {1: ROW}, ["3EB01"], "1 given out twice as an id"),
        ([(1, 491)], {}, {1: ROW}, [], "1 recorded and not carried out"),
        ([(1, 491)], {}, {1: ROW}, ["3EB01", "3EB01"], "1 carried out twice"),
        ([(1, 491)], {}, {1: ROW}, ["3EB01", "3EB02"], "1 carried out and not recorded"),
        ([(1, 491)], {}, {1: replace(ROW, state="leased")}, ["3EB01"], "1 not settled as sent"),
        ([(1, 491)], {}, {1: replace(ROW, steps=("pending", "sent"))}, ["3EB01"], "1 without exactly its three events"),
        ([(1, 491)], {"503": 2}, {1: ROW}, ["3EB01"], "1 answered otherwise, for example 2 × 503"),
    ],
)
def test_each_untruth_has_its_sentence(
    accepted: list[tuple[int, int]],
    refused: dict[str, int],
    found: dict[int, Recorded],
    carried_out: list[str],
    said: str,
) -> None:
    check_slice([(1, 491)], {}, {1: ROW}, ["3EB01"])
    with pytest.raises(NotTrue) as caught:
        check_slice(accepted, refused, found, carried_out)
    assert said in str(caught.value)


def test_a_connection_that_does_not_wait_for_the_disk_is_found() -> None:
    writer = {"synchronous": 2, "journal_mode": "wal", "query_only": 0}
    check_durable([writer, {**writer, "query_only": 1}])
    for weak in (
        [],
        [{**writer, "query_only": 1}],
        [{**writer, "synchronous": 1}],
        [{**writer, "journal_mode": "off"}],
    ):
        with pytest.raises(NotTrue):
            check_durable(weak)
