"""`python -m tests.integration.two_machines.talkative SECONDS COMMAND …`: messenger-hub whose heartbeat comes after so many seconds of
silence instead of 45, and whose pings are so much quicker too. Minutes become seconds; nothing else differs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

PINGS = ("grpc.keepalive_time_ms", "grpc.keepalive_timeout_ms", "grpc.http2.ping_timeout_ms")


def quicker(options: Sequence[tuple[str, int]], share: float) -> Sequence[tuple[str, int]]:
    """gRPC's options with that share of what they say about pings; what they leave out stays as gRPC has it."""
    return [(name, round(value * share) if name in PINGS else value) for name, value in options]


def set_server(seconds: float) -> None:
    """From now on the hub of this process says something after so much silence, and misses it after three times as much."""
    from messenger_hub_server import doors, streams  # noqa: PLC0415 the desktop needs no server

    doors.OPTIONS = quicker(doors.OPTIONS, seconds / streams.SILENCE_SECONDS)
    streams.SILENCE_SECONDS, streams.DEAF_SECONDS = seconds, 3 * seconds  # type: ignore[assignment]


def set_desktop(seconds: float) -> None:
    """The same for a desktop."""
    from messenger_hub.runtime import dial  # noqa: PLC0415
    from messenger_hub_agent import connection  # noqa: PLC0415

    dial.OPTIONS = quicker(dial.OPTIONS, seconds / connection.SILENCE_SECONDS)
    connection.SILENCE_SECONDS, connection.DEAF_SECONDS = seconds, 3 * seconds


def main() -> None:
    """Sets both, then is the command."""
    seconds = float(sys.argv.pop(1))
    set_server(seconds)
    set_desktop(seconds)

    from messenger_hub_cli.main import main as command  # noqa: PLC0415

    command()


if __name__ == "__main__":
    main()
