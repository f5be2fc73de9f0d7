"""The command messenger-hub: its table of verbs and the one place where errors become sentences and exit codes."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence

import click
from messenger_hub.runtime.system import here

from messenger_hub_cli.failures import EXIT_CODES, INTERRUPTED, CliError, Failed, Misused, Refused
from messenger_hub_cli.output import show_error
from messenger_hub_cli.verb import Verbs

VERBS = {
    "up": ("messenger_hub_cli.up:up", "Run the hub and the desktop app on this machine: the everyday command."),
    "console": ("messenger_hub_cli.console:console", "Open the hub's console in a browser, signed in."),
    "demo": ("messenger_hub_cli.demo:demo", "See the whole way at work, with a stand-in for WhatsApp."),
    "send": ("messenger_hub_cli.send:send", "Send one message."),
    "status": ("messenger_hub_cli.status:status", "The hub and its channels at a glance."),
    "channel": ("messenger_hub_cli.channel:channel", "Channels: the linked WhatsApp accounts."),
    "session-api": ("messenger_hub_cli.session_api:session_api", "Session APIs: the keys that programs call with."),
    "operation": ("messenger_hub_cli.operation:operation", "Operations: what was accepted, and what became of it."),
    "person": ("messenger_hub_cli.person:person", "Persons: a copy of what is stored of somebody, or its erasure."),
    "backup": ("messenger_hub_cli.backup:backup", "Write an encrypted back-up, while the hub runs."),
    "restore": ("messenger_hub_cli.restore:restore", "Put a back-up in the place of the hub's database."),
    "check": ("messenger_hub_cli.check:check", "Verify a data folder: database, files, journals."),
    "migrate-store": (
        "messenger_hub_cli.migrate_store:migrate_store",
        "Move a hub's database from SQLite to PostgreSQL.",
    ),
    "secrets": ("messenger_hub_cli.secrets:secrets", "Secrets: what all nodes of a hub on PostgreSQL have in common."),
    "update": (
        "messenger_hub_cli.update:update",
        "Fetch a newer wa-js than this release ships, or go back to that one.",
    ),
    "autostart": ("messenger_hub_cli.autostart:autostart", "Start Messenger Hub at login."),
    "join": ("messenger_hub_cli.joining:join", "Make this desktop an agent of a hub on another machine."),
    "agent": ("messenger_hub_cli.agent:agent", "Run the desktop app, or enrol, list and revoke desktops."),
    "server": ("messenger_hub_cli.server:server", "Run the hub's server alone."),
    "twin": ("messenger_hub_cli.twin:twin", "Run the stand-in for WhatsApp Web alone, to try programs against."),
    "doctor": (
        "messenger_hub_cli.doctor:doctor",
        "Check this machine, the hub, the browser, and whether wa-js fits WhatsApp Web.",
    ),
}


def exit_code_table() -> str:
    """The exit codes for --help."""
    return "Exit codes:\n\n\b\n" + "\n".join(f"{code:>3}  {meaning}" for code, meaning in EXIT_CODES.items())


@click.group(
    cls=Verbs,
    table=VERBS,
    epilog=exit_code_table(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="messenger-hub", prog_name="messenger-hub", message="%(prog)s %(version)s")
def commands() -> None:
    """Messenger Hub: any program sends WhatsApp messages through a REST or gRPC API of your own.

    Every verb tells more with --help and prints one JSON document with --json.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one verb and leaves with its exit code. Without --debug no traceback is ever shown."""
    here.speak_utf8()
    given = [*(sys.argv[1:] if arguments is None else arguments)]
    options = given[: given.index("--")] if "--" in given else given
    sys.exit(run(given, as_json="--json" in options, debug="--debug" in options))


def run(arguments: Sequence[str], *, as_json: bool, debug: bool) -> int:
    """The exit code of one verb."""
    try:
        left = commands.main(args=[*arguments], prog_name="messenger-hub", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough; without this Python would say so again when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Failed.exit_code
    except Exception as error:
        if debug:
            traceback.print_exc()
        told = known(error)
        show_error(told, as_json=as_json)
        return told.exit_code
    return left if isinstance(left, int) else 0


def known(error: Exception) -> CliError:
    """The sentence for whatever a verb raised."""
    match error:
        case CliError():
            return error
        case click.ClickException():
            return Misused(usage_sentence(error))
        case OSError(errno=errno.EADDRINUSE):
            return Refused(
                f"{error.strerror}: the port is taken by another program; choose another address.",
                code="address_in_use",
            )
        case OSError(errno=errno.ENOSPC):
            return Refused("The disk is full: nothing was changed. Free some space and try again.", code="disk_full")
        case PermissionError():
            return Refused(
                f"This user may not open {error.filename}: run it as the owner, or choose another --data-dir.",
                code="no_permission",
            )
        case OSError():
            return Refused(f"{error.strerror or error}{f' ({error.filename})' if error.filename else ''}.")
        case _:
            return Failed(
                f"Something went wrong in messenger-hub ({type(error).__name__}): run it again with --debug to see where.",
                code="internal",
            )


def usage_sentence(error: click.ClickException) -> str:
    """Click's message with where to read on."""
    path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "messenger-hub"
    return f"{error.format_message().rstrip('.')}. See {path} --help."
