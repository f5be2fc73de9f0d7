"""Figures are sums over batches of the same code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.__main__ import ATTACKS, main
from tests.torture.ledger import Code, append, entry_of
from tests.torture.sums import FIGURES, sums

ONE, OTHER = Code(commit="a", dirty=False, judged="1"), Code(commit="b", dirty=False, judged="2")


def nemesis(code: Code, kills: int, seed: str = "s", *, sound: bool = True) -> dict[str, object]:
    figures = {"kills": kills, "counts": {"accepted": 10 * kills}, "uncertain": {"operations": 1}, "seed": seed}
    return dict(entry_of("nemesis", code, 0.0, sound=sound, **figures))


def test_every_attack_has_its_figures() -> None:
    assert FIGURES.keys() == ATTACKS.keys()


def test_batches_of_one_code_are_added_up_and_others_are_not() -> None:
    steps = entry_of("simulator", ONE, 60.0, sound=True, steps=5, runs=2)
    assert [*sums([nemesis(ONE, 600), nemesis(ONE, 700), nemesis(OTHER, 4), steps])] == [
        "nemesis, code 1, 2 batches from 1970-01-01T00:00:00+00:00: "
        "1,300 SIGKILLs, 0 breaks of the network, 13,000 operations, 2 uncertain, 0 minutes; sound",
        "nemesis, code 2, 1 batch from 1970-01-01T00:00:00+00:00: "
        "4 SIGKILLs, 0 breaks of the network, 40 operations, 1 uncertain, 0 minutes; sound",
        "simulator, code 1, 1 batch from 1970-01-01T00:01:00+00:00: 5 steps, 2 runs; sound",
    ]


def test_batches_with_another_number_of_nodes_are_not_added_up() -> None:
    lines = [{**nemesis(ONE, kills), "what": "nodes", "nodes": nodes} for kills, nodes in ((5, 3), (7, 1), (9, 3))]
    three, one = sums(lines)
    assert three.startswith("3 nodes, code 1, 2 batches from") and "14 SIGKILLs" in three
    assert one.startswith("1 nodes, code 1, 1 batch from") and "7 SIGKILLs" in one


def test_a_broken_batch_is_named_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = tmp_path / "ledger.jsonl"
    append(ledger, nemesis(ONE, 1))
    assert main(["sums", str(ledger)]) == 0
    append(ledger, nemesis(ONE, 1, "n4", sound=False))
    assert main(["sums", str(ledger)]) == 1
    assert "BROKEN: seed n4" in capsys.readouterr().out


def test_what_is_no_ledger_is_told_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sums", str(tmp_path / "none")]) == 2
    assert "play a batch first" in capsys.readouterr().err
