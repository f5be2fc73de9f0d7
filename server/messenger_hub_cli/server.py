"""Runs the hub's server until it is told to stop."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from messenger_hub_cli.failures import Refused
from messenger_hub_cli.output import print_json
from messenger_hub_cli.signals import stopping, with_parent_option
from messenger_hub_cli.verb import data_dir_option, verb, wants_json

HOST_PORT = "HOST:PORT"


@verb("server", example="messenger-hub server --http 127.0.0.1:8080 --grpc 127.0.0.1:8643")
@data_dir_option
@click.option("--http", metavar=HOST_PORT, help="Where the HTTP API listens.")
@click.option("--grpc", metavar=HOST_PORT, help="Where the gRPC API listens, for programs and agents.")
@click.option(
    "--tls-cert", type=click.Path(path_type=Path), help="Certificate chain (PEM) for both; read again when it changes."
)
@click.option("--tls-key", type=click.Path(path_type=Path), help="Private key (PEM) of the certificate.")
@click.option("--insecure", is_flag=True, default=None, help="Allow addresses other than loopback without TLS.")
@with_parent_option
def server(data_dir: Path, with_parent: bool, **flags: object) -> None:
    """Run the hub's server alone. Ctrl-C stops it; nothing that was accepted is lost."""
    from messenger_hub_server import app, config  # noqa: PLC0415 help needs no server
    from messenger_hub_server.startup import StartupProblem  # noqa: PLC0415

    given = {name: value for name, value in flags.items() if value is not None}
    try:
        settings = config.load({"data_dir": data_dir, **given}, os.environ)
        app.configure_logging(settings)
        asyncio.run(stopping(lambda stop: app.run(settings, _ready, stop), with_parent=with_parent))
    except StartupProblem as problem:
        raise Refused(problem.sentence) from problem


def _ready(running: object) -> None:
    addresses = {"http": list(running.http), "grpc": list(running.grpc)}  # type: ignore[attr-defined]
    if wants_json():
        print_json({name: [*one] for name, one in addresses.items()})
    else:
        click.echo(
            f"Messenger Hub answers on {' and '.join(addresses['http'])}; gRPC on {' and '.join(addresses['grpc'])}."
        )
