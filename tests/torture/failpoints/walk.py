"""Walks the failpoints: crash there, start again without, and judge once everything has settled."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from messenger_hub.runtime.failpoints import Action, Failpoint, Order

from tests.eventually import eventually
from tests.torture.answers import SETTLED
from tests.torture.failpoints.judge import Verdict, judge
from tests.torture.failpoints.plan import Program, Provocation, may_doubt, programs, provocation
from tests.torture.failpoints.stage import NOBODY, Asked, Client, Stage

REACHED_SECONDS = 20.0
SETTLED_SECONDS = 60.0
KINDS = ("message", "message", "message", "keyless", "contact")
MORE = {Provocation.RETURNING: ("nobody", "message"), Provocation.SAVING: ("contact", "contact", "message")}
BURST = 5
STRANGERS = 5  # operations of a scene whose id nobody was told, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One death: where, of whom, and what came of it."""

    point: Failpoint
    program: Program
    seed: int
    nth: int
    operations: int
    seconds: float
    broken: bool
    """It never came to rest: what follows in this world would say nothing."""
    verdict: Verdict

    def __str__(self) -> str:
        doubt = f", {self.verdict.uncertain} in doubt" if self.verdict.uncertain else ""
        what = "; ".join(self.verdict.problems) or "sound"
        return f"{self.point} of the {self.program}, seed {self.seed}, passing {self.nth}: {what}{doubt}"


@dataclass(slots=True)
class Walked:
    """All deaths so far."""

    runs: list[Run] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def problems(self) -> Sequence[str]:
        """In words."""
        return [str(run) for run in self.runs if run.verdict.problems] + self.repeated

    def told(self) -> Mapping[str, Any]:
        """The figures of the ledger."""
        verdicts = [run.verdict for run in self.runs]
        return {
            "points": len({run.point for run in self.runs}),
            "runs": len(self.runs),
            "operations": sum(run.operations for run in self.runs),
            "lost": sum(len(one.lost) for one in verdicts),
            "duplicated": sum(len(one.duplicated) for one in verdicts) + len(self.repeated),
            "out of order": sum(len(one.disordered) for one in verdicts),
            "uncertain": sum(one.uncertain for one in verdicts),
            "uncertain unjustified": sum(len(one.unjustified) for one in verdicts),
            "uncertain at": sorted({str(run.point) for run in self.runs if run.verdict.uncertain}),
            "uncertain and arrived": sum(one.arrived_all_the_same for one in verdicts),
            "seconds": round(self.seconds),
        }


def walk(
    folder: Path,
    seeds: Sequence[int],
    points: Sequence[Failpoint] = tuple(Failpoint),
    *,
    worlds: int = 1,
    tell: Callable[[str], None] = lambda _: None,
) -> Walked:
    """For every seed a death at every point, of both programs where both pass it. Several worlds share the work."""
    walked = Walked()
    since = time.monotonic()
    scenes = [(seed, point, program) for seed in seeds for point in points for program in programs(point)]
    with ThreadPoolExecutor(worlds, thread_name_prefix="walk") as threads:
        shares = [threads.submit(_share, folder / f"world {i}", scenes[i::worlds], tell) for i in range(worlds)]
        for share in shares:
            runs, repeated = share.result()
            walked.runs += runs
            walked.repeated += repeated
    walked.seconds = time.monotonic() - since
    return walked


def _share(
    folder: Path, scenes: Sequence[tuple[int, Failpoint, Program]], tell: Callable[[str], None]
) -> tuple[Sequence[Run], Sequence[str]]:
    folder.mkdir()
    runs: list[Run] = []
    stage = Stage(folder)
    try:
        stage.set_up()
        stage.phones("not-on-whatsapp", numbers=[NOBODY])
        stage.phones("receipts", automatic=True, delivered_seconds=0.05, read_seconds=0.1)
        if any(provocation(point) is Provocation.RENEWAL for _, point, _ in scenes):
            _age_the_journal(stage)
        for seed, point, program in scenes:
            runs.append(_Scene(stage, point, program, seed).play())
            tell(str(runs[-1]))
            if runs[-1].broken:
                break
        return runs, _repeated(stage.arrivals())
    finally:
        stage.close()


def _age_the_journal(stage: Stage) -> None:
    """Keeps a copy of the journal after a few messages, to which later scenes go back."""
    asked = Asked()
    client = Client(stage, "before the walk", Random(0), asked)
    for _ in range(3):
        client.send(("message",), lambda: None)
    eventually(lambda: _all_settled(stage, asked), SETTLED_SECONDS)
    stage.end("agent")
    stage.keep_journal()
    stage.start("agent")


def _all_settled(stage: Stage, asked: Asked) -> bool:
    states = stage.states(len(asked.all) + STRANGERS)
    return all(one.id in states and states[one.id]["status"] in SETTLED for one in asked.accepted)


def _repeated(arrivals: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    """No id belongs to two texts, no text has two ids, over the whole walk."""
    texts: dict[str, set[str]] = {}
    ids: dict[str, set[str]] = {}
    for line in arrivals:
        texts.setdefault(line["id"], set()).add(line["body"])
        ids.setdefault(line["body"], set()).add(line["id"])
    return [f"{one} stands for {sorted(many)}" for map_ in (texts, ids) for one, many in map_.items() if len(many) > 1]


class _Scene:
    """One death at one point."""

    def __init__(self, stage: Stage, point: Failpoint, program: Program, seed: int) -> None:
        self._stage = stage
        self._program: Program = program
        self._how = provocation(point)
        self._random = Random(f"{seed}/{point}/{program}")
        self._seed = seed
        nth = self._random.choice((1, 1, 2)) if self._how is Provocation.SENDING else 1
        self._order = Order(point, Action.KILL, nth)
        self._asked = Asked()
        self._client = Client(stage, f"{point}/{program}/{seed}", self._random, self._asked)
        self._kinds = MORE.get(self._how, KINDS)
        self._has_died = False

    def play(self) -> Run:
        """Until everything has settled, and is judged."""
        since = time.monotonic()
        broken = ""
        try:
            self._die_and_rest()
        except AssertionError as problem:
            broken = str(problem)
        verdict = self._judge()
        if broken:
            verdict.lost.append(broken)
        return Run(
            point=self._order.point,
            program=self._program,
            seed=self._seed,
            nth=self._order.nth,
            operations=len(self._asked.all),
            seconds=time.monotonic() - since,
            broken=bool(broken),
            verdict=verdict,
        )

    def _die_and_rest(self) -> None:
        self._provoke()
        eventually(self._died, REACHED_SECONDS, what=f"the {self._program} to die at {self._order}")
        self._send(2)
        eventually(self._settled, SETTLED_SECONDS, what=f"rest after {self._order}")

    def _judge(self) -> Verdict:
        texts = {one.text for one in self._asked.all}
        return judge(
            self._asked,
            self._stage.states(len(self._asked.all) + STRANGERS),
            [line for line in self._stage.arrivals() if line["body"] in texts],
            doubt=may_doubt(self._order.point, self._program),
        )

    # ---- dying --------------------------------------------------------------------------------------------------------------

    def _provoke(self) -> None:
        stage = self._stage
        match self._how:
            case Provocation.SENDING | Provocation.RETURNING | Provocation.SAVING:
                stage.arm(self._program, self._order)
                self._send_until_it_dies()
            case Provocation.STARTING:
                self._send(BURST)
                stage.kill("server")
                self._start_armed("server")
            case Provocation.HELLO:
                self._send(BURST)
                eventually(lambda: self._arrived() >= self._random.randrange(3), REACHED_SECONDS)
                stage.kill("server")
                stage.arm(self._program, self._order)
                stage.try_to_start("server")
            case Provocation.LEAVING:
                self._send(BURST)
                eventually(self._settled, SETTLED_SECONDS)
                stage.arm("server", self._order)
                stage.kill("agent")
                eventually(self._died, REACHED_SECONDS)
                stage.start("agent")
            case Provocation.RENEWAL:
                self._send(BURST)
                eventually(self._settled, SETTLED_SECONDS)
                stage.kill("agent")
                stage.put_older_journal()
                stage.arm(self._program, self._order)
                stage.try_to_start("agent")
            case Provocation.DOUBT:
                middle = self._random.choice((Failpoint.AGENT_BEFORE_SEND, Failpoint.AGENT_AFTER_SEND))
                stage.arm("agent", Order(middle, Action.KILL))
                while not stage.has_died("agent"):
                    self._send(1)
                stage.reap("agent")
                self._start_armed("agent")

    def _start_armed(self, program: Program) -> None:
        self._stage.arm(program, self._order)
        self._stage.try_to_start(program)

    def _send_until_it_dies(self) -> None:
        deadline = time.monotonic() + REACHED_SECONDS
        while not self._died():
            assert time.monotonic() < deadline, f"the {self._program} never passed {self._order}"
            if len(self._asked.all) >= BURST:
                eventually(lambda: self._died() or self._settled(), REACHED_SECONDS, what=f"rest before {self._order}")
            if not self._died():
                self._send(1)

    def _died(self) -> bool:
        """It has, and was started again without the failpoint."""
        if not self._has_died and self._stage.has_died(self._program):
            code = self._stage.reap(self._program)
            assert code == -signal.SIGKILL, f"the {self._program} ended with {code} instead of dying at {self._order}"
            self._stage.arm(self._program, None)
            self._stage.start(self._program)
            self._has_died = True
        return self._has_died

    # ---- the rest -----------------------------------------------------------------------------------------------------------

    def _send(self, count: int) -> None:
        for _ in range(count):
            self._client.send(self._kinds, self._died)

    def _arrived(self) -> int:
        texts = {one.text for one in self._asked.all}
        return len({line["body"] for line in self._stage.arrivals() if line["body"] in texts})

    def _settled(self) -> bool:
        return _all_settled(self._stage, self._asked)
