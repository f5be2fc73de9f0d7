"""The servers of a world: one on its own file, or nodes on one database, with the same secrets in each data folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.whole_way.world import free_port
from tests.torture.nemesis.postgresql import Postgresql
from tests.torture.nemesis.programs import Program, Supervised

RATE_PER_MINUTE = 1_000_000
SECRETS = ("pepper", "admin-token")
"""What every node's folder holds, and nobody but an operator brings there."""


@dataclass(frozen=True, slots=True)
class Node:
    """One server: its data folder, its doors' ports, its process."""

    folder: Path
    program: Program
    http: int = field(default_factory=free_port)
    grpc: int = field(default_factory=free_port)


def alone(folder: Path) -> Sequence[Node]:
    """One server, with its data in its folder."""
    return [_node(folder / "hub", Program("server", (), folder))]


def names(count: int) -> Sequence[str]:
    """Of so many nodes."""
    return [f"server {number}" for number in range(1, count + 1)]


def on(database: Postgresql, folder: Path) -> Sequence[Node]:
    """A node for each way to the database."""
    return [
        _node(folder / name.replace("server", "hub"), Supervised(name, (), folder), "--store", database.address(name))
        for name in database.ways
    ]


def _node(folder: Path, program: Program, *more: str) -> Node:
    node = Node(folder, program)
    listen = ("--http", f"127.0.0.1:{node.http}", "--grpc", f"127.0.0.1:{node.grpc}")
    program.arguments = (
        *("server", "--data-dir", str(folder), *listen),
        *("--rate-per-minute", str(RATE_PER_MINUTE), *more),
    )
    return node


async def start(nodes: Sequence[Node]) -> None:
    """The first one makes the secrets, which the others are given before they start. Raises ProgramFailed."""
    first, *others = nodes
    await first.program.start()
    for node in others:
        node.folder.mkdir(mode=0o700)
        for name in SECRETS:
            shutil.copy(first.folder / name, node.folder / name)
            (node.folder / name).chmod(0o600)
        await node.program.start()
