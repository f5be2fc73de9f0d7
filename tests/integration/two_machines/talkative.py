"""`python -m tests.integration.two_machines.talkative SECONDS COMMAND …`: messenger-hub whose heartbeat comes after so many seconds of
silence instead of 45, and whose pings come as often. Minutes become seconds; nothing else differs."""

from __future__ import annotations

import sys


def set_server(seconds: float) -> None:
    """From now on the hub of this process says something after so much silence, and misses it after three times as much."""
    from messenger_hub_server import doors, streams  # noqa: PLC0415 the desktop needs no server

    streams.SILENCE_SECONDS = seconds  # type: ignore[assignment]
    often = {"grpc.keepalive_time_ms": round(seconds * 1000), "grpc.keepalive_timeout_ms": round(seconds * 1000)}
    doors.OPTIONS = list({**dict(doors.OPTIONS), **often}.items())


def set_desktop(seconds: float) -> None:
    """The same for a desktop."""
    from messenger_hub.runtime import dial  # noqa: PLC0415
    from messenger_hub_agent import connection  # noqa: PLC0415

    connection.SILENCE_SECONDS, connection.DEAF_SECONDS = seconds, 3 * seconds
    often = {"grpc.keepalive_time_ms": round(seconds * 1000), "grpc.keepalive_timeout_ms": round(seconds * 1000)}
    dial.OPTIONS = list({**dict(dial.OPTIONS), **often}.items())


def main() -> None:
    """Sets both, then is the command."""
    seconds = float(sys.argv.pop(1))
    set_server(seconds)
    set_desktop(seconds)

    from messenger_hub_cli.main import main as command  # noqa: PLC0415

    command()


if __name__ == "__main__":
    main()
