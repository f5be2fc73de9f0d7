"""The report's sums and percentiles, the page, and a line of the ledger."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.torture.ledger import WITH_NODES, Code, append
from tests.torture.nemesis.checker import Verdict
from tests.torture.nemesis.done import Done, Recovery
from tests.torture.nemesis.record import Disturbance
from tests.torture.nemesis.report import Batch, everything, page, summary, written
from tests.torture.nemesis.round import Result, Told
from tests.torture.nemesis.rules.case import Violation
from tests.torture.nemesis.rules.doubts import Doubt


def result(number: int, *violations: Violation, seconds: float | None = 0.5) -> Result:
    done = Done(
        recoveries=[
            Recovery(fault="cut", lasted_seconds=1.0, seconds=seconds),
            Recovery(fault="slow", lasted_seconds=1.0, seconds=9.0),
        ],
        faults=Counter({"kill server": 2, "cut": 1}),
        missed=Counter({"cut": 1}),
        kills=2,
    )
    doubt = Doubt(operation_id=1, code="not_found_afterwards", faults=["kill agent"], arrived=True)
    return Result(
        number=number,
        seed=f"a/{number}",
        nginx=number == 0,
        seconds=70.0,
        setup_seconds=8.0,
        drain_seconds=2.0,
        done=done,
        verdict=Verdict(violations=violations, doubts=[doubt], counts={"accepted": 50, "arrivals": 50}),
        told=[Told(violation=one, timeline=[(1_000.0, "client <b>asks</b>")]) for one in violations],
    )


def batch(*results: Result, broken: list[tuple[int, str]] | None = None) -> Batch:
    code = Code(commit="abc", dirty=True, judged="def")
    return Batch(
        seed="a",
        minutes=2,
        command="./hub torture",
        code=code,
        begun=0.0,
        ended=120.0,
        results=[*results],
        broken=broken or [],
    )


TWICE = Violation(kind="duplicated", sentence="people saw it 2 times", text="message <1>", operation_id=7)


def test_a_batch_is_the_sum_of_its_rounds() -> None:
    told = summary(batch(result(0), result(1, seconds=1.5)))
    assert (told["verdict"], told["kills"], told["breaks of the network"]) == ("sound", 4, 2)
    assert (told["counts"]["accepted"], told["operations a minute"], told["kills a minute"]) == (100, 50, 2)
    assert (told["rounds"], told["rounds through nginx"]) == (2, 1)
    assert told["uncertain"]["share"] == 0.02
    assert told["uncertain"]["by code"] == {"not_found_afterwards": 2}
    assert told["recovery"]["all breaks"] == {"count": 2, "p50": 0.5, "p99": 1.5, "most": 1.5}
    assert told["recovery"]["slow"]["p50"] == 9.0


def test_a_stream_that_did_not_come_back_is_not_forgotten_among_the_others() -> None:
    told = summary(batch(result(0), result(1, seconds=None)))
    assert told["recovery"]["all breaks"] == {"count": 2, "p50": 0.5, "p99": None, "most": None}
    assert "longer than a minute" in page(batch(result(0, seconds=None)))


def test_what_nobody_can_notice_soon_is_told_apart() -> None:
    one = result(0)
    one.done.recoveries.append(Recovery(fault="half-open, silent", lasted_seconds=1.0, seconds=55.0))
    told = summary(batch(one))["recovery"]
    assert (told["all breaks"]["count"], told["all breaks"]["most"]) == (1, 0.5)
    assert told["half-open, silent"] == {"count": 1, "p50": 55.0, "p99": 55.0, "most": 55.0}


def test_a_recovery_that_waited_for_another_fault_too_is_told_apart() -> None:
    one = result(0)
    one.done.recoveries.append(Recovery(fault="cut", lasted_seconds=1.0, seconds=9.0, beside=True))
    told = summary(batch(one))["recovery"]
    assert (told["all breaks"]["count"], told["all breaks"]["most"]) == (1, 0.5)
    assert told["beside another fault"]["most"] == 9.0


@pytest.mark.parametrize(
    ("channel", "ended", "told"),
    [("shop", None, True), ("shop", 11.0, True), ("shop", 9.0, False), ("office", None, False)],
    ids=["goes on", "ended meanwhile", "ended before", "of another desktop"],
)
def test_another_fault_of_the_same_channels_is_noticed(channel: str, ended: float | None, told: bool) -> None:
    def disturbance(fault: str, channel: str, begun: float, ended: float | None) -> Disturbance:
        return Disturbance(fault=fault, target="", channels=frozenset({channel}), begun=begun, ended=ended)

    cut = disturbance("cut", "shop", 10.0, 12.0)
    done = Done(disturbances=[disturbance("restore file", channel, 8.0, ended), cut])
    assert done.has_others_since(cut) is told


def test_one_violation_or_one_round_that_was_not_played_breaks_the_batch() -> None:
    assert summary(batch(result(0), result(1, TWICE)))["violations"] == {"duplicated": 1}
    assert not batch(result(0, TWICE)).sound
    assert not batch(result(0), broken=[(1, "nginx is not installed")]).sound
    assert not batch().sound


def test_the_page_stands_alone_and_shows_a_violation_with_its_timeline() -> None:
    shown = page(batch(result(0, TWICE), broken=[(1, "nginx is not installed")]))
    assert "The promise was broken" in shown
    assert "people saw it 2 times" in shown and "message &lt;1&gt;" in shown
    assert "00:16:40.000  client &lt;b&gt;asks&lt;/b&gt;" in shown
    assert "nginx is not installed" in shown
    assert "http" not in shown.replace("</html>", ""), "it asks for something outside"
    assert "Nothing lost, nothing twice" in page(batch(result(0)))


def test_everything_can_be_read_again_as_json() -> None:
    told = json.loads(written(everything(batch(result(0, TWICE)))))
    [violation] = told["played"][0]["violations"]
    assert (violation["kind"], violation["timeline"]) == ("duplicated", [[1_000.0, "client <b>asks</b>"]])


def test_the_ledger_gets_a_line_for_each_batch_and_says_which_code_ran(tmp_path: Path) -> None:
    file = tmp_path / "results" / "ledger.jsonl"
    append(file, summary(batch(result(0))))
    append(file, summary(batch(result(0, TWICE))))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["verdict"] for line in lines] == ["sound", "broken"]
    assert {(line["commit"], line["judged"], line["dirty"]) for line in lines} == {("abc", "def", True)}


def test_the_code_that_ran_is_known_by_what_keeps_the_promise() -> None:
    here = Code.here()
    assert here == Code.here()
    assert len(here.judged) == 16
    assert Code.here(WITH_NODES).judged not in (here.judged, Code.here(WITH_NODES[:-2]).judged)


def test_a_batch_of_nodes_is_told_apart() -> None:
    one = result(0)
    one.done.faults["cut database"] = 3
    told = summary(replace(batch(one), nodes=3))
    assert (told["what"], told["nodes"], told["breaks of the network"]) == ("nodes", 3, 4)
    assert summary(batch(one))["what"] == "nemesis" and "nodes" not in summary(batch(one))
