"""Runs the hub's server until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
from messenger_hub_server import config

from messenger_hub_cli.failures import Refused
from messenger_hub_cli.output import print_json
from messenger_hub_cli.signals import stopping, with_parent_option
from messenger_hub_cli.verb import data_dir_option, verb, wants_json

# The default of 700 is a handful of requests; looking for garbage was a tenth of the server's time under load.
YOUNG_OBJECTS = 20_000
# A statement gives the interpreter back and takes it again several times; at the default of 5 ms the writer's thread waited for the
# event loop's more than for the disk (docs/performance.md).
SWITCH_SECONDS = 0.000_1

F = TypeVar("F", bound=Callable[..., object])


def settings_options(function: F) -> F:
    """A flag for every setting that the server has; --data-dir is every verb's own."""
    for setting in reversed(config.described()):
        if setting.name == "data_dir":
            continue
        default = setting.default.strip("`")
        shown = f"{setting.told}  [default: {default}]" if default else setting.told
        # Not given is None, so that the environment and config.toml have their say.
        option = click.option(setting.flag, setting.name, is_flag=setting.is_switch, default=None, help=shown)
        function = option(function)
    return function


@verb("server", example="messenger-hub server --http 127.0.0.1:8642 --grpc 127.0.0.1:8643")
@data_dir_option
@settings_options
@with_parent_option
def server(data_dir: Path, with_parent: bool, **flags: object) -> None:
    """Run the hub's server alone. Ctrl-C stops it; nothing that was accepted is lost.

    Settings come from flags, from the environment (MESSENGER_HUB_HTTP and so on) or from config.toml in the data folder.
    """
    # What gRPC's core says by itself is no JSON and quotes its peers, as often as they like.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from messenger_hub.runtime.failpoints import BadFailpoint, switch_on  # noqa: PLC0415 help needs no server
    from messenger_hub_server import app  # noqa: PLC0415
    from messenger_hub_server.startup import StartupProblem  # noqa: PLC0415

    try:
        settings = config.load({"data_dir": data_dir, **flags}, os.environ)
        recent = app.configure_logging(settings)
        switch_on(os.environ)
        asyncio.run(stopping(lambda stop: app.run(settings, _ready, stop, recent.lines), with_parent=with_parent))
    except StartupProblem as problem:
        raise Refused(problem.sentence) from problem
    except BadFailpoint as problem:
        raise Refused(str(problem)) from problem


def _tune_interpreter() -> None:
    """What a hub holds at its start stays until its end: no need to look through it again, nor after every few requests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
    sys.setswitchinterval(SWITCH_SECONDS)


def _ready(running: object) -> None:
    _tune_interpreter()
    addresses = {"http": list(running.http), "grpc": list(running.grpc)}  # type: ignore[attr-defined]
    lan = running.lan.reach if running.lan is not None else None  # type: ignore[attr-defined]
    if wants_json():
        network = {"lan": {"http": lan.http, "grpc": lan.grpc, "fingerprint": lan.fingerprint}} if lan else {}
        print_json({**addresses, **network})
    else:
        click.echo(
            f"Messenger Hub answers on {' and '.join(addresses['http'])}; gRPC on {' and '.join(addresses['grpc'])}."
        )
        if lan:
            click.echo(f"On the local network it answers on {lan.http}; gRPC on {lan.grpc}.")
