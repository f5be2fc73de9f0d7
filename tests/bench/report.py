"""A run's figures: medians over the rounds, as a table for people and as JSON for programs."""

from __future__ import annotations

import math
import os
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.measuring import Result, Sample
from tests.bench.plan import Plan

PERCENTILES = (50, 90, 99)


def figures(plan: Plan, result: Result, folder: Path) -> dict[str, Any]:
    """Everything that was found, ready for JSON."""
    return {
        "machine": _machine(folder),
        "seconds": result.seconds,
        "reference": {f"c{c}": _summary(samples) for c, samples in _by_connections(plan, result).items()},
        "scenarios": {
            scenario.name: _summary(result.scenarios[scenario.name])
            | {
                "ratio": _ratios(result.scenarios[scenario.name], result.reference[scenario.name], _rate),
                "cpu_ratio": _ratios(result.scenarios[scenario.name], result.reference[scenario.name], _server_cpu),
            }
            for scenario in plan.scenarios
        },
        "open_loop": {
            name: {"accept_ms": _percentiles([sample.accept_ms]), "settle_ms": _percentiles([sample.settle_ms])}
            for name, sample in result.latency.items()
        },
    }


def table(found: Mapping[str, Any]) -> str:
    """The figures in Markdown."""
    head = [
        "| scenario | settled/s | ÷ R | least–most | accepted/s | accept p50 / p99 ms | CPU µs: server, agent | server CPU ÷ R's |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines = [
        f"| R, {name} | {one['settled']:.0f} | 1 | | {one['accepted']:.0f} | {_two(one['accept_ms'])} | {one['cpu']['server']:.0f} | 1 |"
        for name, one in found["reference"].items()
    ]
    for name, one in found["scenarios"].items():
        ratio, cpu = one["ratio"], one["cpu"]
        lines.append(
            f"| {name} | {one['settled']:.0f} | **{ratio['median']:.2f}** | {ratio['least']:.2f}–{ratio['most']:.2f} "
            f"| {one['accepted']:.0f} | {_two(one['accept_ms'])} | {cpu['server']:.0f}, {cpu['agent']:.0f} "
            f"| {one['cpu_ratio']['median']:.1f} |"
        )
    lines += ["", "| open loop | accepted p50 / p90 / p99 ms | settled p50 / p90 / p99 ms |", "| --- | --- | --- |"]
    for name, one in found["open_loop"].items():
        lines.append(f"| {name} | {_all(one['accept_ms'])} | {_all(one['settle_ms'])} |")
    return "\n".join(head + lines)


def _summary(samples: Sequence[Sample]) -> dict[str, Any]:
    return {
        "rounds": len(samples),
        "operations": sum(sample.operations for sample in samples),
        "accepted": median(sample.accepted for sample in samples),
        "settled": median(sample.settled for sample in samples),
        "cpu": {name: median(sample.cpu[name] for sample in samples) for name in samples[0].cpu},
        "accept_ms": _percentiles([sample.accept_ms for sample in samples]),
        "settle_ms": _percentiles([sample.settle_ms for sample in samples]),
    }


def _by_connections(plan: Plan, result: Result) -> Mapping[int, Sequence[Sample]]:
    found: dict[int, list[Sample]] = {}
    for scenario in plan.scenarios:
        found.setdefault(scenario.connections, []).extend(result.reference[scenario.name])
    return found


def _rate(sample: Sample) -> float:
    return sample.settled


def _server_cpu(sample: Sample) -> float:
    return sample.cpu["server"]


def _ratios(samples: Sequence[Sample], reference: Sequence[Sample], of: Callable[[Sample], float]) -> dict[str, float]:
    """Of the slices by turns. In a slice of milliseconds no processor time may have been counted: it says nothing."""
    ratios = [of(one) / of(r) for one, r in zip(samples, reference, strict=True) if of(r)] or [math.nan]
    return {"median": median(ratios), "least": min(ratios), "most": max(ratios)}


def _percentiles(slices: Sequence[Sequence[float]]) -> dict[str, float]:
    """The median over the slices of each slice's percentile."""
    found = [one for one in slices if one]
    return {f"p{p}": median(one[min(len(one) - 1, len(one) * p // 100)] for one in found) for p in PERCENTILES if found}


def _two(waits: Mapping[str, float]) -> str:
    return f"{waits['p50']:.1f} / {waits['p99']:.1f}"


def _all(waits: Mapping[str, float]) -> str:
    return " / ".join(f"{waits[f'p{p}']:.1f}" for p in PERCENTILES)


def _machine(folder: Path) -> dict[str, Any]:
    kind = subprocess.run(["stat", "-f", "-c", "%T", str(folder)], capture_output=True, text=True, check=False)
    return {
        "processors": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "file_system": kind.stdout.strip(),
        "libraries": {name: version(name) for name in ("aiohttp", "grpcio", "protobuf", "msgspec")},
    }
