"""A short run of the nemesis on PostgreSQL: everything that was accepted arrived once, whatever became of nodes and database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.torture.nemesis.many import main
from tests.torture.nemesis.plan import BREAKS, DATABASE_BREAKS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

SEED = "nodes 38"
"""Whose two rounds bring each kind of fault within ten seconds or so: whatever the machine, there is time for that."""
NODES = 3


def test_nothing_is_lost_and_nothing_sent_twice_whatever_becomes_of_nodes_and_database(tmp_path: Path) -> None:
    places = {name: tmp_path / name for name in ("json", "page", "ledger", "keep")}
    options = [part for name, place in places.items() for part in (f"--{name}", str(place))]
    rounds = ["--minutes", "0.6", "--rounds", "2", "--worlds", "2", "--seed", SEED, "--nodes", str(NODES)]
    code = main([*rounds, "--folder", str(tmp_path), *options])
    [told] = [json.loads(line) for line in places["ledger"].read_text().splitlines()]
    assert told["violations"] == {} and told["broken rounds"] == [], told
    assert code == 0 and "Nothing lost, nothing twice" in places["page"].read_text()
    assert (told["what"], told["nodes"], told["rounds"], told["rounds through nginx"]) == ("nodes", NODES, 2, 1)
    faults = told["faults"]
    assert faults["kill server"] >= 2 and faults.keys() & {"kill agent", "kill browser", "kill page"}, faults
    assert faults.keys() & {"kill database", "crash database", "restart database"}, faults
    assert faults.keys() & {"kill backend", "end backend", "stop backend"}, faults
    assert faults.keys() & DATABASE_BREAKS and faults.keys() & BREAKS, faults
    assert told["counts"]["accepted"] > 50 and told["counts"]["arrivals"] > 50, told["counts"]
    assert told["counts"]["contact changes"] > 0 and told["counts"]["watched changes"] > 100, told["counts"]
    assert told["counts"]["changes of keys"] > 0 and told["counts"]["calls with them"] > 0, told["counts"]
