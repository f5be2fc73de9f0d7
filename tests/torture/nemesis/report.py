"""What a batch found: sums for the ledger, everything as JSON, and one page that a person can read."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.torture.ledger import Code, entry_of
from tests.torture.nemesis.plan import BREAKS, DATABASE_BREAKS, SILENT
from tests.torture.nemesis.round import Result

BESIDE = "beside another fault"
TARGET_SECONDS = 2.0  # within which a stream works again, at p99


@dataclass(slots=True, kw_only=True)
class Batch:
    """Rounds, and those that could not be played to their end: number and sentence. `nodes`: on one PostgreSQL database; 0 is a server
    on SQLite."""

    seed: str
    minutes: float
    command: str
    code: Code
    begun: float
    nodes: int = 0
    ended: float = 0.0
    results: list[Result] = field(default_factory=list)
    broken: list[tuple[int, str]] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Nothing was lost, twice or wrong, and every round was played."""
        return bool(self.results) and not self.broken and not any(one.verdict.violations for one in self.results)


def summary(batch: Batch) -> Mapping[str, Any]:
    """A line of the ledger."""
    counts = _sum(result.verdict.counts for result in batch.results)
    faults = _sum(result.done.faults for result in batch.results)
    doubts = [doubt for result in batch.results for doubt in result.verdict.doubts]
    minutes = (batch.ended - batch.begun) / 60
    kills = sum(result.done.kills for result in batch.results)
    accepted = counts.get("accepted", 0)
    return {
        **entry_of("nodes" if batch.nodes else "nemesis", batch.code, batch.begun, sound=batch.sound),
        **({"nodes": batch.nodes} if batch.nodes else {}),
        "seed": batch.seed,
        "command": batch.command,
        "minutes": round(minutes, 2),
        "rounds": len(batch.results),
        "rounds through nginx": sum(result.nginx for result in batch.results),
        "kills": kills,
        "kills a minute": round(kills / minutes, 1) if minutes else 0,
        "operations a minute": round(accepted / minutes, 1) if minutes else 0,
        "breaks of the network": sum(number for name, number in faults.items() if name in BREAKS | DATABASE_BREAKS),
        "faults": faults,
        "passed over": _sum(result.done.missed for result in batch.results),
        "counts": counts,
        "uncertain": {
            "operations": len(doubts),
            "share": round(len(doubts) / accepted, 5) if accepted else 0,
            "of them arrived": sum(doubt.arrived for doubt in doubts),
            "by code": dict(Counter(doubt.code for doubt in doubts)),
            "by fault": dict(Counter(" + ".join(doubt.faults) for doubt in doubts)),
        },
        "recovery": _recoveries(batch),
        "violations": dict(Counter(one.kind for result in batch.results for one in result.verdict.violations)),
        "broken rounds": [f"round {number}: {sentence}" for number, sentence in batch.broken],
    }


def everything(batch: Batch) -> Mapping[str, Any]:
    """The summary, each round, each violation with its timeline."""
    return {
        **summary(batch),
        "played": [
            {
                "round": result.number,
                "seed": result.seed,
                "nginx": result.nginx,
                "seconds": round(result.seconds, 1),
                "set-up seconds": round(result.setup_seconds, 1),
                "drain seconds": round(result.drain_seconds, 1),
                "kills": result.done.kills,
                "faults": dict(result.done.faults),
                "counts": dict(result.verdict.counts),
                "recoveries": [asdict(one) for one in result.done.recoveries],
                "uncertain": [asdict(one) for one in result.verdict.doubts],
                "violations": [{**asdict(one.violation), "timeline": list(one.timeline)} for one in result.told],
            }
            for result in batch.results
        ],
    }


def _sum(all_counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counts in all_counts:
        total.update(counts)
    return dict(sorted(total.items()))


def _recoveries(batch: Batch) -> Mapping[str, Any]:
    """By fault and for all but the silent ones: number, p50 and p99 in seconds; None is longer than was waited for. Those that had
    to wait for another fault too are counted by themselves."""
    found: dict[str, list[float]] = {}
    for result in batch.results:
        for one in result.done.recoveries:
            found.setdefault(BESIDE if one.beside else one.fault, []).append(
                float("inf") if one.seconds is None else one.seconds
            )
    breaks = [seconds for name, some in found.items() if name in BREAKS - SILENT for seconds in some]
    return {name: _percentiles(some) for name, some in sorted({**found, "all breaks": breaks}.items()) if some}


def _percentiles(seconds: Sequence[float]) -> Mapping[str, Any]:
    ranked = sorted(seconds)
    shown: dict[str, Any] = {"count": len(ranked)}
    for percent in (50, 99, 100):
        value = ranked[max(0, -(-len(ranked) * percent // 100) - 1)]
        shown["most" if percent == 100 else f"p{percent}"] = None if value == float("inf") else round(value, 3)
    return shown


# ---- the page ---------------------------------------------------------------------------------------------------------------

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1c2733; }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; margin: .5rem 0 } td, th { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top }
th { border-bottom: 1px solid #9ab; font-weight: 600 } td.n { text-align: right; font-variant-numeric: tabular-nums }
.sound { color: #0a6b3b } .broken { color: #b00020 } code { font-size: .9em }
details { margin: .4rem 0; border-left: 3px solid #b00020; padding-left: .8rem } pre { white-space: pre-wrap; margin: .3rem 0 }
@media (prefers-color-scheme: dark) { body { background: #12181f; color: #dde5ec } .sound { color: #5fd39b } .broken { color: #ff8a80 } }
"""


def page(batch: Batch) -> str:
    """One self-contained HTML page."""
    told = summary(batch)
    verdict = "Nothing lost, nothing twice" if batch.sound else "The promise was broken"
    figures = {
        "minutes": told["minutes"],
        "rounds, of them through nginx": f"{told['rounds']}, {told['rounds through nginx']}",
        "SIGKILLs": f"{told['kills']} ({told['kills a minute']} a minute)",
        "cuts, stalls, half-opens": told["breaks of the network"],
        "operations accepted": f"{told['counts'].get('accepted', 0)} ({told['operations a minute']} a minute)",
        "uncertain": f"{told['uncertain']['operations']} ({told['uncertain']['share']:.2%}), of them arrived {told['uncertain']['of them arrived']}",
        "seed": told["seed"],
        "commit": told["commit"] + (" with changes" if told["dirty"] else ""),
        "command": told["command"],
        "begun": told["date"],
    }
    parts = [
        f'<h1>Torture: <span class="{told["verdict"]}">{verdict}</span></h1>',
        _table(("", ""), figures.items()),
        "<h2>Violations</h2>",
        *([_violations(batch)] if not batch.sound else ["<p>None.</p>"]),
        "<h2>Faults</h2>",
        _table(
            ("fault", "times", "passed over"),
            [(n, c, told["passed over"].get(n, 0)) for n, c in told["faults"].items()],
        ),
        "<h2>Until the stream works again</h2>",
        f"<p>Seconds after the network was back; wanted: {TARGET_SECONDS:g} s at p99. After a fault of a database: until every node that it "
        "had reached said that it can accept.</p>",
        _table(
            ("fault", "measured", "p50", "p99", "most"),
            [(n, r["count"], *(_shown(r[p]) for p in ("p50", "p99", "most"))) for n, r in told["recovery"].items()],
        ),
        "<h2>Uncertain, and why</h2>",
        _table(("code", "operations"), told["uncertain"]["by code"].items()),
        _table(("faults in its window", "operations"), told["uncertain"]["by fault"].items()),
        "<h2>Counts</h2>",
        _table(("", ""), told["counts"].items()),
        "<h2>Rounds</h2>",
        _table(
            ("round", "nginx", "seconds", "kills", "accepted", "uncertain", "violations"),
            [
                (
                    r.number,
                    "yes" if r.nginx else "",
                    round(r.seconds),
                    r.done.kills,
                    r.verdict.counts.get("accepted", 0),
                    len(r.verdict.doubts),
                    len(r.verdict.violations),
                )
                for r in batch.results
            ],
        ),
    ]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Torture {html.escape(batch.seed)}</title>'
    return f"{head}<style>{STYLE}</style><body>{''.join(parts)}</body></html>\n"


def _shown(seconds: float | None) -> str:
    return "longer than a minute" if seconds is None else f"{seconds:.2f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    top = "".join(f"<th>{html.escape(one)}</th>" for one in head) if any(head) else ""
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _cell(value: object) -> str:
    kind = ' class="n"' if isinstance(value, int | float) else ""
    return f"<td{kind}>{html.escape(str(value))}</td>"


def _violations(batch: Batch) -> str:
    shown = [
        f"<p class=broken>Round {number} was not played to its end: {html.escape(why)}</p>"
        for number, why in batch.broken
    ]
    for result in batch.results:
        for told in result.told:
            one = told.violation
            name = html.escape(
                f"round {result.number}: {one.kind}, {one.text} ({one.operation_id or 'no id'}): {one.sentence}"
            )
            lines = "\n".join(f"{_clock(at)}  {what}" for at, what in told.timeline)
            shown.append(f"<details><summary>{name}</summary><pre>{html.escape(lines)}</pre></details>")
    return "".join(shown)


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]


def written(told: Mapping[str, Any]) -> str:
    """As JSON for a file."""
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"
