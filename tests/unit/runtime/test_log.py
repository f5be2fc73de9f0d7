"""Logging cannot give a secret away."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from messenger_hub.runtime import log

CANARY = "4915112345678"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root, stream = logging.getLogger(), io.StringIO()
    before = (list(root.handlers), root.level)
    log.configure({"operation", "sentence"}, form="json", stream=stream)
    yield stream
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def test_an_allowed_field_is_shown_and_any_other_prints_as_dots(lines: io.StringIO) -> None:
    log.logger("x").info("operation accepted", operation=7, mobile=CANARY, nested={"mobile": CANARY})
    told = json.loads(lines.getvalue())
    assert (told["event"], told["operation"], told["mobile"], told["nested"]) == ("operation accepted", 7, "•••", "•••")
    assert CANARY not in lines.getvalue()


def test_a_traceback_shows_types_and_places_but_no_messages(lines: io.StringIO) -> None:
    def choke() -> None:
        raise ValueError(CANARY)

    try:
        try:
            choke()
        except ValueError as error:
            raise ExceptionGroup(CANARY, [KeyError(CANARY)]) from error
    except ExceptionGroup:
        log.logger("x").exception("job failed")
    told = json.loads(lines.getvalue())
    assert "ExceptionGroup at test_log.py" in told["failure"]
    assert "ValueError at test_log.py" in told["failure"]
    assert " choke" in told["failure"]
    assert "KeyError" in told["failure"]
    assert CANARY not in lines.getvalue()


def test_lines_of_other_libraries_show_their_template_only(lines: io.StringIO) -> None:
    logging.getLogger("library").warning("cannot parse %s", CANARY)
    logging.getLogger("asyncio").error(f"Task failed\nfuture: {CANARY}")
    assert "library: cannot parse %s" in lines.getvalue()
    assert "asyncio: Task failed" in lines.getvalue()
    assert CANARY not in lines.getvalue()


def test_the_console_hides_the_same(lines: io.StringIO) -> None:
    console = io.StringIO()
    log.configure({"operation"}, form="console", stream=console)
    log.logger("x").info("operation accepted", operation=7, mobile=CANARY)
    assert "operation=7" in console.getvalue()
    assert CANARY not in console.getvalue()


def test_the_last_warnings_are_kept_with_what_a_line_may_show_and_no_more() -> None:
    root, stream = logging.getLogger(), io.StringIO()
    before = (list(root.handlers), root.level)
    try:
        recent = log.configure({"operation"}, form="json", stream=stream)
        log.logger("x").info("an ordinary line", operation=1)
        log.logger("x").warning("look at this", operation=2, mobile=CANARY)
        logging.getLogger("a library").error("it failed for %s", CANARY)
        assert [line["event"] for line in recent.lines] == ["look at this", "a library: it failed for %s"]
        assert recent.lines[0]["operation"] == 2 and CANARY not in repr(recent.lines)
        for number in range(2 * log.Recent.MOST):
            log.logger("x").warning("many", operation=number)
        assert len(recent.lines) == log.Recent.MOST
    finally:
        root.handlers[:], root.level = before
        structlog.reset_defaults()
