"""Session APIs: the keys that programs call with, each linked to one channel."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import click
from messenger_hub.admin.v1 import session_api_admin_service_pb2 as pb
from messenger_hub.v1 import rest_pb2

from messenger_hub_cli.channel import operations
from messenger_hub_cli.failures import Misused
from messenger_hub_cli.messages import choices, plain
from messenger_hub_cli.output import Listing, Record, confirm
from messenger_hub_cli.parameters import TIME_SPAN
from messenger_hub_cli.running_hub import RunningHub
from messenger_hub_cli.verb import operator_verb, yes_option

SCOPES = {
    name.replace("_", "-"): number for name, number in choices(rest_pb2.DESCRIPTOR.enum_types_by_name["Scope"]).items()
}
COLUMNS = {
    "name": "Session API",
    "channel_name": "Channel",
    "active": "Active",
    "scopes": "May",
    "key_ids": "Keys",
    "last_used_at": "Last used",
}

name_argument = click.argument("name")
channel_option = click.option("--channel", required=True, metavar="NAME", help="Name or id of its channel.")
scope_option = click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([*SCOPES]),
    help="What it may do; repeat it. Default: send, contacts and look-up.",
)


F = TypeVar("F", bound=Callable[..., object])


def settings_options(function: F) -> F:
    """The options for a session API's settings."""
    options = [
        click.option(
            "--default-country", metavar="CODE", help="Complete national numbers with this country, for example BR."
        ),
        click.option(
            "--lifetime", type=TIME_SPAN, help="Messages without expires_at expire after this time, for example 12h."
        ),
        click.option("--rate", type=click.IntRange(1, 1_000_000), help="Requests a minute."),
        click.option("--quota", type=click.IntRange(1, 100_000_000), help="Accepted operations in 24 hours."),
        click.option(
            "--origin", "origins", multiple=True, metavar="URL", help="Origin of a web page that may call; repeat it."
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def settings(
    default_country: str | None,
    lifetime: timedelta | None,
    rate: int | None,
    quota: int | None,
    origins: Sequence[str],
) -> pb.SessionApiSettings:
    """As the hub takes them; what was not given stays unset."""
    wanted = pb.SessionApiSettings(
        default_country=default_country, rate_per_minute=rate, quota_per_day=quota, cors_origins=origins
    )
    if lifetime is not None:
        wanted.default_lifetime.FromTimedelta(lifetime)
    return wanted


@click.group()
def session_api() -> None:
    """Session APIs: the keys that programs call with. NAME is a session API's name or its id."""


@operator_verb("create", group=session_api, example="messenger-hub session-api create crm --channel sales")
@name_argument
@channel_option
@scope_option
@settings_options
async def create(hub: RunningHub, name: str, channel: str, scopes: Sequence[str], **given: Any) -> Record:
    """Make a session API. Its key is shown once: keep it."""
    request = pb.CreateSessionApiRequest(
        name=name,
        channel=channel,
        scopes=[rest_pb2.Scope.ValueType(SCOPES[one]) for one in scopes],
        settings=settings(**given),
    )
    answer = await hub.session_apis.CreateSessionApi(request)
    return _with_key(answer.session_api, answer.key, f"Session API {name} made.")


@operator_verb("list", group=session_api, example="messenger-hub session-api list")
async def list_session_apis(hub: RunningHub) -> Listing:
    """List all session APIs."""
    answer = await hub.session_apis.ListSessionApis(pb.ListSessionApisRequest())
    empty = "No session API yet. Make one with: messenger-hub session-api create NAME --channel NAME"
    return Listing(name="session_apis", rows=[plain(one) for one in answer.session_apis], columns=COLUMNS, empty=empty)


@operator_verb("update", group=session_api, example="messenger-hub session-api update crm --quota 5000")
@name_argument
@scope_option
@settings_options
async def update(hub: RunningHub, name: str, scopes: Sequence[str], **given: Any) -> Record:
    """Change settings; what is not given stays as it is."""
    wanted = [rest_pb2.Scope.ValueType(SCOPES[one]) for one in scopes]
    request = pb.UpdateSessionApiRequest(session_api=name, scopes=wanted, settings=settings(**given))
    answer = await hub.session_apis.UpdateSessionApi(request)
    return Record(data=plain(answer.session_api), sentence=f"Session API {answer.session_api.name} is changed.")


@operator_verb("rotate", group=session_api, example="messenger-hub session-api rotate crm --overlap 1h")
@name_argument
@click.option("--overlap", type=TIME_SPAN, help="How long the old key works on, at most 30 days; default: 24 hours.")
async def rotate(hub: RunningHub, name: str, overlap: timedelta | None) -> Record:
    """Make a new key. It is shown once: keep it."""
    request = pb.RotateSessionApiRequest(session_api=name)
    if overlap is not None:
        request.overlap.FromTimedelta(overlap)
    answer = await hub.session_apis.RotateSessionApi(request)
    return _with_key(answer.session_api, answer.key, f"Session API {answer.session_api.name} has a new key.")


@operator_verb(
    "deactivate", group=session_api, example="messenger-hub session-api deactivate crm --cancel-queued --yes"
)
@name_argument
@click.option("--cancel-queued", is_flag=True, help="Cancel what it has queued and nothing has started.")
@yes_option
async def deactivate(hub: RunningHub, name: str, cancel_queued: bool, yes: bool) -> Record:
    """Its keys stop working at once. What it has queued goes on, unless told otherwise."""
    if cancel_queued:
        confirm(f"This cancels everything that session API {name} has queued.", yes=yes)
    request = pb.DeactivateSessionApiRequest(session_api=name, cancel_queued=cancel_queued)
    answer = await hub.session_apis.DeactivateSessionApi(request)
    sentence = f"Session API {answer.session_api.name} is deactivated; {operations(answer.cancelled)} cancelled."
    return Record(data=plain(answer), sentence=sentence)


@operator_verb("activate", group=session_api, example="messenger-hub session-api activate crm")
@name_argument
async def activate(hub: RunningHub, name: str) -> Record:
    """Its keys work again."""
    answer = await hub.session_apis.ActivateSessionApi(pb.ActivateSessionApiRequest(session_api=name))
    return Record(data=plain(answer.session_api), sentence=f"Session API {answer.session_api.name} is active.")


@operator_verb("import", group=session_api, example="messenger-hub session-api import --channel sales < keys.txt")
@channel_option
async def import_keys(hub: RunningHub, channel: str) -> Listing:
    """Take over keys of the hosted product, so that callers change only the host.

    On standard input, one a line: a name, white space, the key.
    """
    imports = [_import(number, line) for number, line in enumerate(sys.stdin.read().splitlines(), 1) if line.strip()]
    if not imports:
        raise Misused("Nothing to import: give one name and key a line on standard input.")
    answer = await hub.session_apis.ImportSessionApis(pb.ImportSessionApisRequest(channel=channel, imports=imports))
    return Listing(name="session_apis", rows=[plain(one) for one in answer.session_apis], columns=COLUMNS, empty="")


def _import(number: int, line: str) -> pb.ImportSessionApisRequest.Import:
    name, _, key = line.strip().rpartition(" ")
    if not name:
        raise Misused(f"Line {number} of the input is not a name, a space and a key.")
    return pb.ImportSessionApisRequest.Import(name=name.strip(), key=key)


def _with_key(made: pb.SessionApi, key: str, sentence: str) -> Record:
    shown = f"{sentence} Its key, shown this once:\n\n{key}"
    return Record(data={**plain(made), "key": key}, sentence=shown)
