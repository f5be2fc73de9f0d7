"""Failpoints: each stands where its name says, and does what the file asks for, which is nothing unless a start asked for it."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from messenger_hub.runtime import failpoints
from messenger_hub.runtime.failpoints import VARIABLE, Action, BadFailpoint, Failpoint, Order

ROOT = Path(__file__).parents[3]
HOMES = {
    "DATABASE": "proto/messenger_hub/runtime/database.py",
    "SERVER": "server/messenger_hub_server/",
    "AGENT": "tray_agent/messenger_hub_agent/",
    "JOURNAL": "tray_agent/messenger_hub_agent/",
}
APART = {Failpoint.SERVER_BEFORE_ID_LIMIT}  # its other side is where the answer arrives
SECONDS = 20


@cache
def sources() -> Mapping[str, ast.Module]:
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for folder in ("proto", "server", "tray_agent")
        for path in (ROOT / folder).rglob("*.py")
        if "node_modules" not in path.parts and "_pb2" not in path.name and path.name != "failpoints.py"
    }


def member(node: ast.AST) -> Failpoint | None:
    """`Failpoint.X`."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Failpoint":
        return Failpoint[node.attr]
    return None


def passed_by(statement: ast.stmt) -> Failpoint | None:
    """`passing(Failpoint.X)` as a statement."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id="passing"), args=[argument])):
            return member(argument)
    return None


def blocks() -> Iterator[list[ast.stmt]]:
    for tree in sources().values():
        for node in ast.walk(tree):
            for name in ("body", "orelse", "finalbody"):
                block = getattr(node, name, None)
                if isinstance(block, list):
                    yield block


def tables() -> Iterator[tuple[str, str, dict[object, Failpoint]]]:
    """File, name and content of every table of failpoints."""
    for file, tree in sources().items():
        for statement in tree.body:
            match statement:
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(keys=keys, values=values))
                    | ast.AnnAssign(target=ast.Name(id=name), value=ast.Dict(keys=keys, values=values))
                ):
                    points = [member(value) for value in values]
                    if any(points):
                        yield file, name, {ast.unparse(k): p for k, p in zip(keys, points, strict=True) if k and p}


def test_every_failpoint_stands_in_the_code_once_and_at_its_end() -> None:
    found = Counter[Failpoint]()
    for file, tree in sources().items():
        for node in ast.walk(tree):
            if (point := member(node)) is not None:
                found[point] += 1
                assert file.startswith(HOMES[point.name.partition("_")[0]]), f"{point} stands in {file}"
    assert found == Counter(dict.fromkeys(Failpoint, 1))


def test_each_before_and_its_after_stand_around_one_statement() -> None:
    in_tables = {point for _, _, points in tables() for point in points.values()}
    around = set()
    for block in blocks():
        for before, _, after in zip(block, block[1:], block[2:], strict=False):
            if (first := passed_by(before)) and (last := passed_by(after)) and "BEFORE" in first.name:
                assert last.name == first.name.replace("BEFORE", "AFTER")
                around.add(first)
    befores = {point for point in Failpoint if "_BEFORE_" in point.name}
    # The database's two stand on both sides of `_commit`, whose errors must not be taken for the transaction's.
    assert befores - in_tables - around == APART | {Failpoint.DATABASE_BEFORE_COMMIT}


def test_the_tables_of_both_sides_tell_the_same_kinds_apart() -> None:
    found = {(file, name): points for file, name, points in tables()}
    for (file, name), points in found.items():
        side = name.partition("_")[0]
        assert all(f"_{side}_" in point.name for point in points.values()), f"{name} in {file}"
        if side == "BEFORE":
            after = found[file, name.replace("BEFORE", "AFTER")]
            told = {key: point.name.replace("BEFORE", "AFTER") for key, point in points.items()}
            assert told == {key: point.name for key, point in after.items()}


def test_every_table_is_looked_into_once() -> None:
    named = [(file, name) for file, name, _ in tables()]
    for file, name in named:
        uses = [node for node in ast.walk(sources()[file]) if isinstance(node, ast.Name) and node.id == name]
        assert len(uses) == 2, f"{name} in {file}"  # where it is made, and where it is passed


# ---- what they do -----------------------------------------------------------------------------------------------------------

PROGRAM = """
import os, sys
from messenger_hub.runtime import log
from messenger_hub.runtime.failpoints import Failpoint, passing, switch_on
log.configure(["code"])
print(switch_on(os.environ), flush=True)
for line in sys.stdin:
    passing(Failpoint[line.strip()])
    print(line.strip(), flush=True)
"""


class Process:
    """Passes the failpoints that it is told to, and says so afterwards."""

    def __init__(self, environment: dict[str, str]) -> None:
        inherited = {name: value for name, value in os.environ.items() if name != VARIABLE}
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=inherited | environment,
        )
        assert self.process.stdout is not None
        self.is_on = self.process.stdout.readline() == "True\n"

    def passes(self, *points: Failpoint) -> list[Failpoint]:
        """Those after which it was still there."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        survived = []
        for point in points:
            try:
                self.process.stdin.write(f"{point.name}\n")
                self.process.stdin.flush()
            except BrokenPipeError:
                break
            if not self.process.stdout.readline():
                break
            survived.append(point)
        return survived

    def close(self) -> str:
        """Ends it; what it logged."""
        self.process.kill()
        with self.process:
            assert self.process.stderr is not None
            return self.process.stderr.read()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "failpoint"


@pytest.fixture
def armed(file: Path) -> Iterator[Process]:
    process = Process({VARIABLE: str(file)})
    yield process
    process.close()


A, B = Failpoint.AGENT_BEFORE_SEND, Failpoint.AGENT_AFTER_SEND


def test_it_kills_the_process_at_the_nth_passing_since_it_was_asked_for(armed: Process, file: Path) -> None:
    assert armed.is_on
    assert armed.passes(A, A, A) == [A, A, A]
    file.write_text(f"{A}:kill:2\n")
    assert armed.passes(B, A, B, A) == [B, A, B]
    assert armed.process.wait(SECONDS) == -signal.SIGKILL


def test_an_emptied_file_asks_for_nothing(armed: Process, file: Path) -> None:
    file.write_text(f"{A}:kill:2\n")
    armed.passes(A)
    file.write_text("")
    assert armed.passes(A, A) == [A, A]
    file.write_text(f"{A}:kill:2\n")
    assert armed.passes(A) == [A]


def test_it_stops_the_process_until_somebody_lets_it_go_on(armed: Process, file: Path) -> None:
    file.write_text(f"{A}:stop\n")
    assert armed.process.stdin is not None
    armed.process.stdin.write(f"{A.name}\n")
    armed.process.stdin.flush()
    _, status = os.waitpid(armed.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    armed.process.send_signal(signal.SIGCONT)
    assert armed.process.stdout is not None
    assert armed.process.stdout.readline() == f"{A.name}\n"
    assert armed.passes(A) == [A]


def test_without_the_variable_a_file_does_nothing(file: Path) -> None:
    file.write_text(f"{A}:kill\n")
    process = Process({})
    assert (process.is_on, process.passes(*Failpoint)) == (False, [*Failpoint])
    process.close()


def test_it_is_said_loudly_that_they_are_on_and_when_one_is_reached(file: Path) -> None:
    process = Process({VARIABLE: str(file)})
    file.write_text("no_such_place:kill")
    process.passes(A)
    file.write_text(f"{A}:kill")
    process.passes(A)
    logged = [json.loads(line) for line in process.close().splitlines()]
    assert [line["level"] for line in logged] == ["warning", "error", "warning"]
    assert logged[0]["event"].startswith("FAILPOINTS ARE ON")
    assert "no_such_place" in logged[1]["code"]
    assert (logged[2]["event"], logged[2]["code"]) == ("failpoint reached", "agent_before_send:kill:1")


@pytest.mark.parametrize("line", ["no_such_place:kill", f"{A}:dance", f"{A}:kill:0", f"{A}:kill:x", str(A)])
def test_a_line_that_asks_for_what_does_not_exist_stops_the_start(file: Path, line: str) -> None:
    file.write_text(line)
    with pytest.raises(BadFailpoint):
        failpoints.switch_on({VARIABLE: str(file)})


def test_an_order_is_read_as_it_is_written() -> None:
    for order in (Order(A, Action.KILL), Order(B, Action.STOP, 7)):
        assert Order.read(str(order)) == order
