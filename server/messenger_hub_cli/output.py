"""What a verb answers with, and how it is printed: one JSON document with --json, else a sentence or a table."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

import click

from messenger_hub_cli.failures import CliError, Misused

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One thing. People read the sentence; programs read the data."""

    data: Mapping[str, Json]
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Many things under one name: {name: [...]}. `columns` maps a member to its heading; dots reach into members."""

    name: str
    rows: Sequence[Mapping[str, Json]]
    columns: Mapping[str, str]
    empty: str
    more: Mapping[str, Json] | None = None
    note: str = ""


Answer = Record | Listing


def show(answer: Answer, *, as_json: bool) -> None:
    """Prints an answer on stdout."""
    match answer:
        case Record() if as_json:
            print_json(answer.data)
        case Listing() if as_json:
            print_json({answer.name: list(answer.rows), **(answer.more or {})})
        case Record():
            click.echo(answer.sentence)
        case Listing() if not answer.rows:
            click.echo(answer.empty)
        case Listing():
            print_table(answer)


def print_json(data: Json) -> None:
    """The one document of --json."""
    click.echo(json.dumps(data, ensure_ascii=False))


def print_table(listing: Listing) -> None:
    """A table as wide as the terminal; piped into another program it is never cut."""
    from rich.console import Console  # noqa: PLC0415 rich costs 60 ms, which --json and sentences do without
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in listing.columns.values():
        table.add_column(heading, overflow="fold")
    for row in listing.rows:
        table.add_row(*(cell(member(row, path)) for path in listing.columns))
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, width=400)
    console.print(table)
    if listing.note:
        click.echo(listing.note)


def member(row: Mapping[str, Json], path: str) -> Json:
    """The value at a dotted path; None where a member is missing."""
    value: Json = row
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def cell(value: Json) -> str:
    """A value as people read it."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case str():
            return value or "–"
        case Sequence():
            return ", ".join(cell(item) for item in value) or "–"
        case _:
            return str(value)


def show_error(error: CliError, *, as_json: bool) -> None:
    """One sentence on stderr; with --json one document on stdout."""
    if as_json:
        print_json({"error": {"code": error.code, "message": error.sentence}})
    else:
        click.echo(error.sentence, err=True)


def confirm(what_happens: str, *, yes: bool, stdin: TextIO | None = None) -> None:
    """Asks before something is deleted or cancelled. Raises Misused where nobody can be asked, click.Abort on a no."""
    if yes:
        return
    if not (stdin or sys.stdin).isatty():
        raise Misused(f"{what_happens} Nobody can be asked here: add --yes to go ahead.", code="confirmation_needed")
    click.confirm(f"{what_happens} Go ahead?", abort=True, err=True)
