"""Kinds of values on the command line that click does not know."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class TimeSpan(click.ParamType):  # type: ignore[type-arg]  # generic only in click's newest stubs
    """90s, 15m, 12h, 2d."""

    name = "time span"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Reads a number and its unit."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"(\d{1,9})([smhd])", str(value))
        if not found:
            self.fail(f"{value!r} is not a time span: write for example 90s, 15m, 12h or 2d", param, ctx)
        return timedelta(**{UNITS[found[2]]: int(found[1])})


class Time(click.ParamType):  # type: ignore[type-arg]  # generic only in click's newest stubs
    """RFC 3339, or a time span from now."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Reads a point in time; one without an offset is this machine's local time."""
        if isinstance(value, datetime):
            return value
        try:
            if re.fullmatch(r"\d+[smhd]", str(value)):
                return datetime.now(UTC) + TimeSpan().convert(value, param, ctx)
            return datetime.fromisoformat(str(value)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is not a time: write for example 2026-12-24T18:00:00Z, or 12h for 12 hours from now",
                param,
                ctx,
            )


TIME_SPAN = TimeSpan()
TIME = Time()


class HostPort(click.ParamType):  # type: ignore[type-arg]  # generic only in click's newest stubs
    """HOST:PORT, with [HOST] for IPv6."""

    name = "host:port"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """As help shows it."""
        return "HOST:PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Reads host and port; port 0 is a free one."""
        if isinstance(value, tuple):
            return value
        host, _, port = str(value).rpartition(":")
        if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
            self.fail(f"{value!r} is not an address: write HOST:PORT, for example 127.0.0.1:8099", param, ctx)
        return host.removeprefix("[").removesuffix("]"), int(port)


HOST_PORT = HostPort()
