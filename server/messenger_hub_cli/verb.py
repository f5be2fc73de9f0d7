"""How a function becomes a verb: help with an example, the options that every verb has, and its answer printed."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, cast

import click
import platformdirs

from messenger_hub_cli.output import Answer, show

if TYPE_CHECKING:
    from messenger_hub_cli.running_hub import RunningHub

P = ParamSpec("P")

HUB_FOLDER = platformdirs.user_data_path("messenger-hub", appauthor=False)

DATA_DIR_VARIABLE = "MESSENGER_HUB_DATA_DIR"

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=HUB_FOLDER,
    envvar=DATA_DIR_VARIABLE,
    show_default="the user's data folder",
    help="The hub's data folder.",
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def verb(
    name: str, *, example: str, group: click.Group | None = None
) -> Callable[[Callable[..., Answer | None]], click.Command]:
    """Makes a command of a function that returns its answer, or None when it has said what it had to say.

    The command takes --json and --debug on top of what the function declares. `example` stands below its help.
    """

    def register(function: Callable[..., Answer | None]) -> click.Command:
        @functools.wraps(function)
        def run(as_json: bool, debug: bool, **arguments: object) -> None:
            del debug  # the error boundary reads it from the command line, since parsing may fail as well
            answer = function(**arguments)
            if answer is not None:
                show(answer, as_json=as_json)

        command = click.command(name, epilog=f"Example:\n\n\b\n{example}")(common_options(run))
        if group is not None:
            group.add_command(command)
        return command

    return register


def operator_verb(
    name: str, *, example: str, group: click.Group | None = None
) -> Callable[[Callable[Concatenate[RunningHub, ...], Awaitable[Answer | None]]], click.Command]:
    """As `verb`, for a coroutine function whose first argument is the running hub of --data-dir."""

    def register(function: Callable[Concatenate[RunningHub, ...], Awaitable[Answer | None]]) -> click.Command:
        @functools.wraps(function)
        def run(data_dir: Path, **arguments: object) -> Answer | None:
            return asyncio.run(with_hub(function, data_dir, arguments))

        return verb(name, example=example, group=group)(data_dir_option(run))

    return register


async def with_hub(
    function: Callable[Concatenate[RunningHub, ...], Awaitable[Answer | None]],
    data_dir: Path,
    arguments: Mapping[str, object],
) -> Answer | None:
    """Calls a verb with the running hub."""
    from messenger_hub_cli.running_hub import running_hub  # noqa: PLC0415 help needs no grpc

    async with running_hub(data_dir) as hub:
        return await function(hub, **arguments)


def common_options(function: Callable[..., None]) -> Callable[..., None]:
    """--json and --debug, last in every help page."""
    function = click.option("--debug", is_flag=True, help="Show where an error came from.")(function)
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(function)


def wants_json() -> bool:
    """Whether the verb that is running prints JSON: what it tells meanwhile then goes to stderr."""
    return bool(click.get_current_context().params.get("as_json"))


class Verbs(click.Group):
    """A group whose commands are imported only when they run: name → ("module:attribute", one line of help)."""

    def __init__(self, *arguments: Any, table: Mapping[str, tuple[str, str]] | None = None, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.table = table or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table, which is the order in which a newcomer needs them."""
        return [*self.table]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the module of one command."""
        if cmd_name not in self.table:
            return None
        module, _, attribute = self.table[cmd_name][0].partition(":")
        return cast("click.Command", getattr(import_module(module), attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])
