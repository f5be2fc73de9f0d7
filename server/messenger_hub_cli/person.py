"""Persons: a copy of what is stored of somebody, or its erasure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click
from messenger_hub.admin.v1 import person_admin_service_pb2 as pb
from messenger_hub.runtime.system import here

from messenger_hub_cli.channel import operations
from messenger_hub_cli.messages import plain
from messenger_hub_cli.output import Json, Listing, Record, confirm
from messenger_hub_cli.running_hub import RunningHub
from messenger_hub_cli.verb import operator_verb, yes_option

COLUMNS = {
    "operation.operation.operation_id": "Operation",
    "operation.channel_name": "Channel",
    "operation.operation.type": "Type",
    "operation.operation.status": "Status",
    "body": "Text or name",
}

number_argument = click.argument("number")


@click.group()
def person() -> None:
    """Persons: a copy of what is stored of somebody, or its erasure.

    NUMBER is a phone number with its country code, or an id of WhatsApp's that ends in @lid: ask for both if you have both.
    """


@operator_verb("export", group=person, example="messenger-hub person export 12025550147 --output 12025550147.json")
@number_argument
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write JSON to this file, mode 0600.")
async def export(hub: RunningHub, number: str, output: Path | None) -> Listing | Record:
    """Show everything that is stored of a person."""
    rows = [plain(one) async for one in hub.persons.ExportPerson(pb.ExportPersonRequest(person=number))]
    if output is None:
        return Listing(name="operations", rows=rows, columns=COLUMNS, empty="Nothing is stored of this person.")
    _write(output, {"operations": rows})
    data: Mapping[str, Json] = {"operations": len(rows), "output": str(output)}
    return Record(data=data, sentence=f"Wrote {operations(len(rows))} to {output}.")


def _write(path: Path, data: Json) -> None:
    path.touch(mode=0o600, exist_ok=True)
    here.keep_private(path)
    path.write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n", "utf-8")


@operator_verb("erase", group=person, example="messenger-hub person erase 12025550147 --yes")
@number_argument
@yes_option
async def erase(hub: RunningHub, number: str, yes: bool) -> Record:
    """Erase number, texts and names of a person, and cancel what waits for them.

    What stops a duplicate stays until its record ends, without number and text. WhatsApp's own copies, on phones and in the
    desktop's browser, are not touched.
    """
    counted = await hub.persons.ErasePerson(pb.ErasePersonRequest(person=number, validate_only=True))
    waits = f", of which {counted.cancelled} wait{'s' if counted.cancelled == 1 else ''} and would be cancelled"
    confirm(f"This erases {operations(counted.erased)}{waits if counted.cancelled else ''}.", yes=yes)
    done = await hub.persons.ErasePerson(pb.ErasePersonRequest(person=number))
    cancelled = f", and cancelled {done.cancelled} of them" if done.cancelled else ""
    return Record(data=plain(done), sentence=f"Erased {operations(done.erased)}{cancelled}.")
