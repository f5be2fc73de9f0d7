"""Logging that cannot give a secret away: one JSON object or one console line per event, with allow-listed fields only.

An event is a constant and some fields. A field whose name is not on the program's allow-list prints as dots. Tracebacks show types and
places, never messages: a library's message may quote what it choked on. Lines of other libraries show their template without its
arguments, for the same reason.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections import deque
from collections.abc import Collection, Mapping, MutableMapping
from types import TracebackType
from typing import Literal, TextIO

import structlog

DOTS = "•••"
Form = Literal["auto", "json", "console"]
_Exception = tuple[type[BaseException], BaseException, TracebackType | None]


class Recent(logging.Handler):
    """The last warnings and faults, each as the fields of its line: what a person looks at first."""

    MOST = 200

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: deque[Mapping[str, object]] = deque(maxlen=self.MOST)

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a line."""
        self.format(record)

    def keep(self, _: object, __: str, event: MutableMapping[str, object]) -> str:
        """The last of its processors."""
        self.lines.append(dict(event))
        return ""


def configure(
    fields: Collection[str], *, form: Form = "auto", level: str = "info", stream: TextIO | None = None
) -> Recent:
    """Sends all logging to `stream` (standard error by default). `fields` are the names that may be shown.

    Returns the last warnings, which grow.
    """
    out = stream or sys.stderr
    console = form == "console" or (form == "auto" and out.isatty())
    renderer = (
        structlog.dev.ConsoleRenderer(colors=out.isatty())
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _AllowList(frozenset(fields)),
    ]
    recent, lines = Recent(), logging.StreamHandler(out)
    for handler, last in ((lines, renderer), (recent, recent.keep)):
        handler.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=[_template_only, *shared],
                processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
            )
        )
    root = logging.getLogger()
    root.handlers[:] = [lines, recent]
    root.setLevel(level.upper())
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    return recent


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A module's logger: `log.info("operation accepted", operation=7)`."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound


class _AllowList:
    """Replaces what is not on the list by dots, and exceptions by their types and places."""

    _ALWAYS = frozenset({"event", "level", "timestamp", "_record", "_from_structlog"})

    def __init__(self, fields: frozenset[str]) -> None:
        self._fields = fields | self._ALWAYS

    def __call__(self, _: object, __: str, event: MutableMapping[str, object]) -> Mapping[str, object]:
        failure = _failure(event.pop("exc_info", None))
        event.pop("stack_info", None)
        for name in event:
            if name not in self._fields:
                event[name] = DOTS
        if failure is not None:
            event["failure"] = places(failure)
        return event


def places(failure: BaseException) -> str:
    """Types and places of an exception, its causes and the members of a group; no messages, save an OSError's."""
    parts = []
    for one in _chain(failure):
        frames = traceback.extract_tb(one.__traceback__)
        where = " < ".join(f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno} {f.name}" for f in reversed(frames[-12:]))
        told = f" ({one.strerror})" if isinstance(one, OSError) and one.strerror else ""
        parts.append(f"{type(one).__name__}{told} at {where or 'nowhere'}")
    return " | ".join(parts)


def _chain(failure: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    waiting: list[BaseException] = [failure]
    while waiting and len(found) < 10:
        one = waiting.pop(0)
        if one in found:
            continue
        found.append(one)
        waiting += one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        cause = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
        waiting += [cause] if cause is not None else []
    return found


def _failure(exc_info: object) -> BaseException | None:
    match exc_info:
        case BaseException():
            return exc_info
        case (_, BaseException() as failure, _):
            return failure
        case True:
            return sys.exc_info()[1]
        case _:
            return None


def _template_only(_: object, __: str, event: MutableMapping[str, object]) -> Mapping[str, object]:
    """For lines of other libraries: the template, without what would have been put into it."""
    record = event.get("_record")
    if isinstance(record, logging.LogRecord):
        event["event"] = f"{record.name}: {str(record.msg).splitlines()[0] if record.msg else ''}"
        event["exc_info"] = record.exc_info
        record.exc_info = None
        record.exc_text = None
    return event
