"""Runs the twin of WhatsApp Web."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from messenger_hub_cli.failures import Refused
from messenger_hub_cli.output import print_json
from messenger_hub_cli.parameters import HOST_PORT
from messenger_hub_cli.signals import stopping, with_parent_option
from messenger_hub_cli.verb import verb, wants_json


@verb("twin", example="messenger-hub twin --listen 127.0.0.1:8099 --log arrivals.jsonl")
@click.option("--listen", type=HOST_PORT, default="127.0.0.1:8099", show_default=True, help="Where its page is.")
@click.option(
    "--log",
    type=click.Path(dir_okay=False, path_type=Path),
    default="twin.jsonl",
    show_default=True,
    help="Every message that arrives at its phone network is appended here; FILE.state lies beside it.",
)
@with_parent_option
def twin(listen: tuple[str, int], log: Path, with_parent: bool) -> None:
    """Run a stand-in for WhatsApp Web with a small phone network behind it.

    Open its page in a browser to look at it. POST calls under /_twin/ play the phones: scan the code, write, read, go offline.
    GET /_twin/ lists them.
    """
    from messenger_hub_twin import app  # noqa: PLC0415 help needs no server
    from messenger_hub_twin.state import UnreadableState  # noqa: PLC0415

    settings = app.TwinSettings(host=listen[0], port=listen[1], log=log)
    try:
        asyncio.run(stopping(lambda stop: app.run(settings, _ready, stop), with_parent=with_parent))
    except (app.CannotListen, UnreadableState) as error:
        raise Refused(str(error)) from error


def _ready(address: str) -> None:
    if wants_json():
        print_json({"address": address})
    else:
        click.echo(f"The twin of WhatsApp Web is at {address}; {address}_twin/ lists what can be done with it.")
