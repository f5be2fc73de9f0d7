"""A short run of the nemesis: everything that was accepted arrived once, whatever was killed, stopped or cut meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.torture.nemesis.__main__ import main
from tests.torture.nemesis.plan import BREAKS
from tests.torture.nemesis.record import History

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

SEED = "short 83"
"""Whose rounds each begin with a server and an agent killed and the network cut: whatever the machine, there is time for that."""

Run = tuple[int, Mapping[str, Any], str, Path]


def run(folder: Path, minutes: str, *more: str, **given: Any) -> Run:
    """The exit code, the ledger's line, the page, and where the logs of a broken round are kept."""
    places = {name: folder / name for name in ("json", "page", "ledger", "keep")}
    options = [part for name, place in places.items() for part in (f"--{name}", str(place))]
    code = main(["--minutes", minutes, "--folder", str(folder), *options, *more], **given)
    [line] = places["ledger"].read_text().splitlines()
    return code, json.loads(line), places["page"].read_text(), places["keep"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Future[Run]]]:
    """Both at once: most of the time is waiting for programs that start."""

    def lose(history: History) -> History:
        """Of a message that was read, and may have arrived twice under its id."""
        told = {look.whatsapp_id for look in history.final.values() if look.status == "read"}
        lost = next(one.whatsapp_id for one in history.arrivals if one.whatsapp_id in told)
        return replace(history, arrivals=[one for one in history.arrivals if one.whatsapp_id != lost])

    with ThreadPoolExecutor(2, thread_name_prefix="nemesis") as threads:
        yield {
            "sound": threads.submit(
                run, tmp_path_factory.mktemp("sound"), "0.5", "--rounds", "2", "--worlds", "2", "--seed", SEED
            ),
            "tampered": threads.submit(
                run, tmp_path_factory.mktemp("tampered"), "0.05", "--seed", "one message less", tamper=lose
            ),
        }


def test_nothing_is_lost_and_nothing_sent_twice_whatever_is_killed_or_cut(runs: Mapping[str, Future[Run]]) -> None:
    code, told, page, _ = runs["sound"].result()
    assert told["violations"] == {} and told["broken rounds"] == [], told
    assert code == 0 and "Nothing lost, nothing twice" in page
    assert (told["rounds"], told["rounds through nginx"]) == (2, 1)
    assert told["faults"]["kill server"] >= 2 and told["kills"] >= 4, told["faults"]
    assert told["faults"].keys() & BREAKS and told["breaks of the network"] >= 2, told["faults"]
    assert any(name.startswith(("kill agent", "kill browser", "kill page")) for name in told["faults"]), told["faults"]
    assert told["counts"]["accepted"] > 50 and told["counts"]["arrivals"] > 50, told["counts"]
    assert told["counts"]["contact changes"] > 0 and told["counts"]["watched changes"] > 100, told["counts"]


def test_a_message_that_is_missing_from_the_oracle_fails_the_run(runs: Mapping[str, Future[Run]]) -> None:
    code, told, page, kept = runs["tampered"].result()
    assert code == 1
    assert told["violations"] == {"lost": 1}
    assert "it is read, and never arrived" in page
    assert (kept / "torture-one message less-0" / "arrivals.jsonl").exists()
