"""Carries a schedule's faults out on an estate, notes when each began and when all was back, and measures recoveries.

A fault has a target that is its own while it lasts: what comes for a target in other hands is passed over, and counted.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psutil

from tests.torture.nemesis import databases
from tests.torture.nemesis.database_hands import DatabaseHands
from tests.torture.nemesis.done import Done, Recovery
from tests.torture.nemesis.estate import Estate
from tests.torture.nemesis.plan import (
    AGENT_CLOCK,
    AT_ARRIVAL,
    AT_CALL,
    CLOCK_BACK,
    CLOCK_FORTH,
    FREEZE_SERVER,
    RESTART_AGENT,
    RESTART_SERVER,
    RESTORE_BACKUP,
    RESTORE_FILE,
    Step,
)
from tests.torture.nemesis.postgresql import Postgresql
from tests.torture.nemesis.programs import Program, pages
from tests.torture.nemesis.proxy import Mode, Proxy
from tests.torture.nemesis.record import Disturbance, Offset, Restore

MOMENT_SECONDS = 1.0  # a moment that does not come in time is now
CALL_TAKES_SECONDS = 0.006
CALM_SECONDS = 45.0  # how long a fault of the network waits for everything to be well
RECOVERY_SECONDS = 60.0
SECOND_START_SECONDS = 20.0
LOOK_SECONDS = 0.05
MOST_OFF_SECONDS = 1_200.0
GRANTED_BY_LOCK = 0  # exit code of a second start that was let in

MODES = {
    "cut": Mode.CUT,
    "stall": Mode.STALLED,
    "half-open": Mode.VANISHING,
    "half-open, silent": Mode.VANISHING,
    "slow": Mode.SLOW,
}


Act = Callable[[Step], Coroutine[None, None, None]]


class Hands:
    """Use `run` with a schedule, then `put_right`."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self.done = Done()
        self._network = asyncio.Lock()
        self._copies = 0
        self._offsets: dict[str, Offset] = {}  # each server's, once a clock was set
        self._acts: Mapping[str, Act] = {
            "kill server": lambda step: self._kill(step, self._server(step)),
            "kill agent": lambda step: self._kill(step, self._agent(step)),
            "kill twin": self._kill_twin,
            "kill browser": self._kill_browser,
            "kill page": self._kill_page,
            "crash page": self._crash_page,
            "stop server": lambda step: self._stop(step, self._server(step)),
            "stop agent": lambda step: self._stop(step, self._agent(step)),
            "stop twin": lambda step: self._stop(step, estate.twin),
            "stop browser": self._stop_browser,
            "second start": self._second_start,
            "copy agent": self._copy_agent,
            CLOCK_FORTH: lambda step: self._set_clock(step, step.seconds),
            AGENT_CLOCK: self._set_agent_clock,
            CLOCK_BACK: lambda step: self._set_clock(step, -step.seconds),
            RESTORE_FILE: lambda step: self._restore(step, databases.File),
            RESTORE_BACKUP: lambda step: self._restore(step, databases.BackUp),
            **dict.fromkeys(MODES, self._disturb_network),
        }
        if estate.database:
            self._acts = {**self._acts, **self._against_database(estate.database)}

    def _against_database(self, database: Postgresql) -> Mapping[str, Act]:
        hands = DatabaseHands(self._estate, database, self.done, self._disturbing)
        return {
            **hands.acts,
            RESTART_SERVER: lambda step: self._restart(step, self._server(step)),
            RESTART_AGENT: lambda step: self._restart(step, self._agent(step)),
            FREEZE_SERVER: self._freeze_server,
        }

    @property
    def known(self) -> frozenset[str]:
        """The faults that it can carry out."""
        return frozenset(self._acts)

    async def run(self, schedule: Iterable[Step], stop: asyncio.Event) -> None:
        """Until the schedule or `stop` ends; faults of different targets overlap. Raises ProgramFailed when one does not come back."""
        async with asyncio.TaskGroup() as group:
            for step in schedule:
                await _wait(stop, step.after_seconds)
                if stop.is_set():
                    break
                if step.alone and not await self._calm():
                    step = replace(step, alone=False)  # noqa: PLW2901 its recovery would be that of others too
                await self._moment(step)
                if step.fault.network and step.alone:
                    await self._acts[step.fault.name](step)
                else:
                    group.create_task(self._acts[step.fault.name](step))

    async def _moment(self, step: Step) -> None:
        if step.moment == AT_ARRIVAL:
            await self._estate.next_arrival(MOMENT_SECONDS)
        elif step.moment == AT_CALL:
            await self._estate.next_call(MOMENT_SECONDS)
            await asyncio.sleep(step.pick * CALL_TAKES_SECONDS)

    async def put_right(self) -> None:
        """Everything runs, nothing is held any more, and the server's clock is right again: what was given a time waits for it."""
        for proxy in self._estate.proxies.values():
            proxy.heal(forgotten=True)
        if self._estate.database:
            await self._estate.database.put_right()
            self.done.wrong += [server.own_end for server in self._estate.servers if not server.runs]
        for program in (self._estate.twin, *self._estate.servers, *self._estate.agents.values()):
            if program.runs:
                program.signal(signal.SIGCONT)
                for browser in program.browsers():
                    _signal(browser, signal.SIGCONT)
            else:
                await program.start()
        for server in self._estate.servers:
            if server.clock_seconds:
                await self._start_server_at(server, 0.0)
        await self._receipts()

    # ---- targets ------------------------------------------------------------------------------------------------------------

    def _agent(self, step: Step) -> Program:
        agents = list(self._estate.agents.values())
        return agents[int(step.pick * len(agents))]

    def _server(self, step: Step) -> Program:
        servers = self._estate.servers
        return servers[int(step.pick * len(servers))]

    def _channels(self, target: str) -> frozenset[str]:
        return frozenset(self._estate.layout.agents.get(target, self._estate.layout.channels))

    @asynccontextmanager
    async def _disturbing(self, step: Step, target: str) -> AsyncIterator[Disturbance]:
        noted = Disturbance(fault=step.fault.name, target=target, channels=self._channels(target), begun=time.time())
        self.done.disturbances.append(noted)
        self.done.faults[step.fault.name] += 1
        try:
            yield noted
        finally:
            noted.ended = time.time()

    def _pass_over(self, step: Step) -> None:
        self.done.missed[step.fault.name] += 1

    async def _calm(self) -> bool:
        """Waits until nothing is in anybody's hands and every agent's stream works; bounded: False when it never was so."""
        programs = (*self._estate.servers, self._estate.twin, *self._estate.agents.values())
        locks = [program.lock for program in programs]
        locks += [self._estate.database.lock] if self._estate.database else []
        with suppress(TimeoutError):
            async with asyncio.timeout(CALM_SECONDS):
                looks = 0
                # Twice: of a program that was just killed the proxy hears a moment later.
                while looks < 2:
                    calm = not any(lock.locked() for lock in locks) and self._streams_work()
                    looks = looks + 1 if calm else 0
                    await asyncio.sleep(LOOK_SECONDS)
                return True
        return False

    def _streams_work(self) -> bool:
        return not self._network.locked() and all(proxy.unbroken for proxy in self._estate.proxies.values())

    # ---- programs -----------------------------------------------------------------------------------------------------------

    async def _kill(self, step: Step, program: Program) -> None:
        if program.lock.locked():
            self._pass_over(step)
            return
        async with program.lock, self._disturbing(step, program.name):
            if program.runs:
                await program.kill()
                self.done.kills += 1
            else:
                self.done.wrong.append(program.own_end)
            await asyncio.sleep(step.seconds)
            await self._start_again(program)

    async def _restart(self, step: Step, program: Program) -> None:
        """As an upgrade does it: asked to end, and started again."""
        if program.lock.locked() or not program.runs:
            self._pass_over(step)
            return
        async with program.lock, self._disturbing(step, program.name):
            program.signal(signal.SIGTERM)
            # An agent is not waited for when it starts: it may not listen to signals yet.
            ends = {0} if program in self._estate.servers else {0, -signal.SIGTERM}
            if (code := await program.ended()) not in ends:
                self.done.wrong.append(
                    f"{program.name} was asked to end, and ended with {code}; its log is {program.log}"
                )
            await asyncio.sleep(step.seconds)
            await self._start_again(program)

    async def _start_again(self, program: Program) -> None:
        await program.spawn()
        # An agent says that it works once the server answers it, and that may be in other hands.
        if program not in self._estate.agents.values():
            await program.ready()

    async def _freeze_server(self, step: Step) -> None:
        """It stands still for so long that everybody has gone to another one, and then goes on with what it had in mind."""
        node = self._estate.nodes[int(step.pick * len(self._estate.nodes))]
        server = node.program
        if server.lock.locked() or not server.runs:
            self._pass_over(step)
            return
        async with server.lock, self._disturbing(step, server.name):
            server.signal(signal.SIGSTOP)
            with self._estate.taken_for_dead(node):
                await asyncio.sleep(step.seconds)
                server.signal(signal.SIGCONT)

    async def _kill_twin(self, step: Step) -> None:
        await self._kill(step, self._estate.twin)
        await self._receipts()

    async def _receipts(self) -> None:
        """A twin that was started anew has its own idea of when they come."""
        await self._estate.phones("receipts", automatic=True, delivered_seconds=0.1, read_seconds=0.3)

    async def _stop(self, step: Step, program: Program) -> None:
        if program.lock.locked() or not program.runs:
            self._pass_over(step)
            return
        async with program.lock, self._disturbing(step, program.name):
            program.signal(signal.SIGSTOP)
            await asyncio.sleep(step.seconds)
            program.signal(signal.SIGCONT)

    # ---- browsers and pages -------------------------------------------------------------------------------------------------

    def _browser(self, step: Step) -> tuple[Program, psutil.Process] | None:
        agent = self._agent(step)
        browsers = agent.browsers() if not agent.lock.locked() else ()
        return (agent, browsers[int(step.pick * 1000) % len(browsers)]) if browsers else None

    async def _kill_browser(self, step: Step) -> None:
        await self._kill_process(step, lambda browser: browser)

    async def _kill_page(self, step: Step) -> None:
        await self._kill_process(step, lambda browser: next(iter(pages(browser)), None))

    async def _kill_process(self, step: Step, choose: Callable[[psutil.Process], psutil.Process | None]) -> None:
        found = self._browser(step)
        victim = choose(found[1]) if found else None
        if found is None or victim is None:
            self._pass_over(step)
            return
        async with self._disturbing(step, found[0].name):
            self.done.kills += _signal(victim, signal.SIGKILL)

    async def _crash_page(self, step: Step) -> None:
        with suppress(Exception):
            shown = (await self._estate.twin_state())["pages"]
            if shown:
                page = shown[int(step.pick * len(shown))]
                async with self._disturbing(step, "a page"):
                    await self._estate.phones("crash", page=page["id"])
                return
        self._pass_over(step)

    async def _stop_browser(self, step: Step) -> None:
        found = self._browser(step)
        if found is None:
            self._pass_over(step)
            return
        async with self._disturbing(step, found[0].name):
            _signal(found[1], signal.SIGSTOP)
            await asyncio.sleep(step.seconds)
            _signal(found[1], signal.SIGCONT)

    # ---- the network --------------------------------------------------------------------------------------------------------

    async def _disturb_network(self, step: Step) -> None:
        if self._network.locked():
            self._pass_over(step)
            return
        agents = list(self._estate.proxies)
        agent = agents[int(step.pick * len(agents))]
        proxy: Proxy = self._estate.proxies[agent]
        async with self._network:
            async with self._disturbing(step, agent) as broken:
                proxy.set(MODES[step.fault.name])
                await asyncio.sleep(step.seconds)
                proxy.heal(forgotten=step.fault.name != "half-open, silent")
            seconds = await proxy.works(RECOVERY_SECONDS)
        if step.alone:
            beside = self.done.has_others_since(broken)
            recovery = Recovery(fault=step.fault.name, lasted_seconds=step.seconds, seconds=seconds, beside=beside)
            self.done.recoveries.append(recovery)

    # ---- two of one ---------------------------------------------------------------------------------------------------------

    async def _second_start(self, step: Step) -> None:
        """The folder belongs to one process: the second one must end by itself."""
        agent = self._agent(step)
        if agent.lock.locked() or not agent.runs:
            self._pass_over(step)
            return
        second = Program(f"{agent.name} again", agent.arguments, self._estate.folder)
        async with agent.lock, self._disturbing(step, agent.name):
            await second.spawn()
            try:
                code = await second.ended(SECOND_START_SECONDS)
            except TimeoutError:
                code = GRANTED_BY_LOCK
            await second.end()
            if code == GRANTED_BY_LOCK:
                first = "" if agent.runs else f", but {agent.own_end}"
                self.done.wrong.append(f"{agent.name} was started a second time, and worked{first}")

    async def _copy_agent(self, step: Step) -> None:
        """Somebody copies the folder, while the agent works, and starts the copy."""
        agent = self._agent(step)
        if agent.lock.locked() or not agent.runs:
            self._pass_over(step)
            return
        self._copies += 1
        name = f"{agent.name} copy {self._copies}"
        async with agent.lock, self._disturbing(step, agent.name):
            copied = self._estate.folder / name
            await asyncio.to_thread(_copy, self._estate.folder / agent.name, copied)
            copy = Program(name, self._estate.agent_arguments(agent.name, name), self._estate.folder)
            await copy.spawn()
            await asyncio.sleep(step.seconds)
            if copy.runs:
                await copy.kill()
                self.done.kills += 1
            await asyncio.to_thread(shutil.rmtree, copied, ignore_errors=True)

    # ---- the server's clock and database ------------------------------------------------------------------------------------

    async def _set_clock(self, step: Step, seconds: float) -> None:
        """The machine's clock is set while the server is down: by so many seconds, within MOST_OFF_SECONDS of the right time."""
        server = self._server(step)
        if server.lock.locked():
            self._pass_over(step)
            return
        async with server.lock, self._disturbing(step, server.name):
            offset = server.clock_seconds + seconds
            await self._start_server_at(server, round(min(MOST_OFF_SECONDS, max(-MOST_OFF_SECONDS, offset)), 3))

    async def _start_server_at(self, server: Program, offset: float) -> None:
        """Ends the server, and starts it with a clock that is so many seconds ahead."""
        begun = time.time()
        await self._end_server(server)
        if not self._offsets:
            self._offsets = {one.name: Offset(seconds=0.0, begun=0.0) for one in self._estate.servers}
            self.done.offsets += self._offsets.values()
        self._offsets[server.name].ended = time.time()
        self._offsets[server.name] = Offset(seconds=offset, begun=begun)
        self.done.offsets.append(self._offsets[server.name])
        server.clock_seconds = offset
        await server.start()

    async def _set_agent_clock(self, step: Step) -> None:
        """The same of a desktop, which is told the hub's time at each hello."""
        agent = self._agent(step)
        agent.clock_seconds = step.seconds if step.pick * 1000 % 1 < 0.5 else -step.seconds
        await self._kill(replace(step, seconds=0.0), agent)

    async def _end_server(self, server: Program) -> None:
        if server.runs:
            await server.kill()
            self.done.kills += 1
        else:
            self.done.wrong.append(server.own_end)

    async def _restore(self, step: Step, way: type[databases.File | databases.BackUp]) -> None:
        """A copy that is made while all goes on, and put back some seconds later."""
        server = self._server(step)
        self._copies += 1
        copy = way(self._estate.hub, self._estate.folder / f"copy {self._copies}")
        copied_begun = time.time()
        if server.lock.locked() or not await copy.make():
            self._pass_over(step)
            return
        copied_ended = time.time()
        await asyncio.sleep(step.seconds)
        async with server.lock, self._disturbing(step, server.name):
            restore = Restore(
                how=step.fault.name, copied_begun=copied_begun, copied_ended=copied_ended, begun=time.time()
            )
            self.done.restores.append(restore)
            self._estate.restoring += 1
            await self._end_server(server)
            if problem := await copy.put_back():
                self.done.wrong.append(f"{step.fault.name}: {problem}")
            self._estate.restoring += 1
            await server.start()
            restore.ended = time.time()


def _copy(source: Path, target: Path) -> None:
    """As `cp -a` does it with files that change meanwhile: sockets are left out, and what is gone is gone."""
    with suppress(shutil.Error):
        shutil.copytree(
            source, target, symlinks=True, ignore=lambda folder, names: [n for n in names if _special(folder, n)]
        )


def _special(folder: str, name: str) -> bool:
    path = Path(folder) / name
    return name.startswith("Singleton") or not (path.is_file() or path.is_dir())


def _signal(process: psutil.Process, number: int) -> bool:
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return False
    return True


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
