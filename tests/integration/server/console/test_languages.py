"""The console's languages: each catalogue is complete, and a page speaks the reader's."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_agent.whatsapp.browser import NO_SANDBOX
from messenger_hub_agent.whatsapp.errors import BrowserMissing
from messenger_hub_agent.whatsapp.finding import find_browser
from messenger_hub_server import checks, desktop_checks
from messenger_hub_server.console import showing, site, words
from messenger_hub_server.console.said import SAID, SHAPES, WORDS, shaped
from messenger_hub_server.desktop_checks import Desktop, Examined, Unexamined
from messenger_hub_server.own_certificate import OwnCertificate

from tests.integration.server.console.guest import HTML, guest
from tests.integration.server.hub import Hub

SAME = {"pt_BR": {"Log", "Desktops", "WhatsApp Web"}, "es": {"Log", "WhatsApp Web"}}
"""Words that are the same in that language."""
TRANSLATED = [name for name in words.LANGUAGES if name != words.ENGLISH]
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]


def spoken() -> dict[str | tuple[str, ...], str]:
    """Every sentence of templates and views."""
    folder = Path(str(files(site.__package__)))
    found = extract_from_dir(folder, METHODS, {"templates/**.html": {"trimmed": "true"}})
    return {message: message if isinstance(message, str) else message[0] for _, _, message, _, _ in found}


def catalogue(language: str) -> Catalog:
    with (files(site.__package__) / "locale" / f"{language}.po").open("rb") as source:
        return read_po(source, locale=language)


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_sentence_is_translated_and_no_other(language: str) -> None:
    found, wanted = catalogue(language), set(spoken().values())
    known = {message.id if isinstance(message.id, str) else message.id[0] for message in found if message.id}
    assert (wanted - known, known - wanted) == (set(), set())
    assert [m.id for m in found if m.id and not all([m.string] if isinstance(m.string, str) else m.string)] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_keeps_the_places_for_values(language: str) -> None:
    places = re.compile(r"%\(\w+\)s")
    for message in catalogue(language):
        texts = [message.string] if isinstance(message.string, str) else message.string
        wanted = (
            set(places.findall(message.id if isinstance(message.id, str) else message.id[-1])) if message.id else set()
        )
        assert all(set(places.findall(text)) == wanted for text in texts) or not message.id


def test_what_the_catalogue_says_that_others_say_they_do_say(request: pytest.FixtureRequest) -> None:
    root, own = Path(request.config.rootpath), Path(str(files(site.__package__)))
    programs = [*(root / "server").rglob("*.py"), *(root / "tray_agent").rglob("*.py")]
    said = "".join(path.read_text() for path in programs if own not in path.parents)
    assert [sentence for sentence in SAID if f'"{sentence}"' not in said] == []


def checked(tmp_path: Path) -> list[str]:
    """Each thing that a check can say, and its name."""
    hosts = frozenset({"127.0.0.1", "hub.local"})
    certificate = OwnCertificate(certificate=tmp_path, key=tmp_path, fingerprint="", hosts=hosts)
    now = datetime.now(UTC)
    lines = [{"timestamp": now.isoformat(), "level": level} for level in ("warning", "error")]
    away = [None, 10.0, 100.0, 200.0, 3_600.0, 9_000.0, 90_000.0, 200_000.0]
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    desktops = [Desktop(connected=False, version="", away_seconds=seconds) for seconds in away]
    desktops += [Desktop(connected=True, version=version, away_seconds=None) for version in ("", "1", "2")]
    sizes = [(0, 0, free) for free in (1 << 20, 1 << 29, 1 << 40)]
    findings = [
        checks.folder(tmp_path / "new"), checks.folder(shared), checks.folder(tmp_path),
        *[checks.disk(tmp_path, lambda _, size=size: size) for size in sizes],  # type: ignore[misc]
        checks.network(certificate, "127.0.0.1"), checks.network(certificate, "10.0.0.9"),
        desktop_checks.no_desktop(), *[desktop_checks.connection(one, "2") for one in desktops], *checks.doubts(3),
        *examined(desktops[-1], tmp_path),
        checks.nodes(["north", "south"], "south"), desktop_checks.connection(replace(desktops[-1], node="north"), "2"),
        checks.log([], now), checks.log(lines[:1], now), checks.log(lines, now),
    ]  # fmt: skip
    return [text for one in findings for text in (one.name, one.said)]


def examined(desktop: Desktop, tmp_path: Path) -> list[checks.Finding]:
    """Each thing that is said of what a desktop tells, and of one that tells nothing."""
    program = tmp_path / "browser"
    program.touch()
    died = "/usr/bin/chromium ended while starting (exit code 1): it wrote nothing. All that it wrote is in /x/browser.log; try another one"
    problems = [
        "",
        missing(None),
        missing(tmp_path / "none"),
        missing(program),
        NO_SANDBOX,
        f"{died} with --browser PATH.",
    ]
    told = [pb.Examination(browser_problem=one) for one in problems]
    told += [pb.Examination(browser="Chrome/1", free_bytes=free, folder_open=True) for free in (0, 1 << 29, 1 << 40)]
    pages = [pb.Examination.Page(channel_id=1, look=look) for look in pb.PageLook.values()]
    pages.append(pb.Examination.Page(channel_id=1, look=pb.PAGE_LOOK_DONE, whatsapp_web="2.3", lacking=["Cmd", "Conn"]))
    seen = [Examined(told=one, ahead_seconds=ahead) for one in told for ahead in (None, 0.0, 90.0, -90.0)]
    found = [one for each in (*seen, *Unexamined) for one in desktop_checks.desktop(desktop, each)]
    found += [desktop_checks.page(pb.Examination(pages=[page]), 1) for page in pages]
    # Versions are the same in each language.
    return [replace(one, said=one.name) if one.name == "Versions" else one for one in found]


def missing(browser: Path | None) -> str:
    """What is said where there is no browser, or none at a path."""
    with pytest.raises(BrowserMissing) as caught:
        find_browser(browser, candidates=[])
    return str(caught.value)


def refused() -> list[str]:
    """Each thing that is said of a field: those of the contract's own messages that have such a rule."""
    return [
        "The mobile field is required when group id is not present.", "The name field is required.",
        "The group id field is prohibited when mobile is present.", "The name field must not hold NUL.",
        "The name field must not be greater than 60 characters.", "The phone field format is invalid.",
        "The rate per minute field must be between 0 and 1000000.", "The selected scopes is invalid.",
        "The send at field must be a valid date.", "The expires at field must be a date after send at.",
        "The expires at field must be a date in the future.",
    ]  # fmt: skip


def waited() -> list[str]:
    """Each reason with places for which an operation waits (services/explanation.py)."""
    when = "2026-11-27 12:00:00 UTC"
    return [
        "Waiting for the desktop app, last seen 3 minutes ago", f"Held until {when}", "Queued with 3 others",
        "The hub's database was restored, and the desktop's journal has to tell what is missing. Waiting for the desktop app, never "
        "seen yet",
        f"The channel is paused on the desktop until {when}: resume it in the tray's menu",
        f"WhatsApp refuses messages to new chats until {when}; existing chats go on",
        "Started, then the desktop app went away, last seen a moment ago; checked when it is back",
        f"WhatsApp Web did not answer; tried again at {when}", "The channel's pace: next message in 7 s", "3 days ago",
        "45 seconds", "Waiting for a person to link WhatsApp with messenger-hub channel link: the phone has removed this device",
    ]  # fmt: skip


def rejected() -> list[str]:
    """Each reason with places for which a desktop does not take a wa-js."""
    return [
        "needed and missing: ChatStore", "a script of the page failed: script_error", "the page did not answer: timeout",
        "the page did not get ready in time: 90 s", "npm says: ENOTFOUND", "npm cannot be started: Exec format error",
    ]  # fmt: skip


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_checks_and_forms_say_is_said_in_the_readers_language(language: str, tmp_path: Path) -> None:
    say = showing._Said(words.translations(language)).text
    sentences = [
        *WORDS,
        *checked(tmp_path),
        *refused(),
        *rejected(),
        *waited(),
        "linked: Messages go out",
    ]
    assert [one for one in sentences if say(one) == one and one not in SAME[language]] == []


def test_each_sentence_with_places_is_said_by_somebody(tmp_path: Path) -> None:
    used: set[str] = set()
    for sentence in [*checked(tmp_path), *refused(), *rejected(), *waited(), "linked: Messages go out"]:
        shaped(sentence, lambda shape: used.add(shape) or shape, str)  # type: ignore[func-returns-value]
    assert set(SHAPES) - used == {
        "%(path)s cannot be written: run this as its owner",  # the tests run as root
        "cannot be written, so nothing is accepted: %(why)s",
        "%(count)s days", "%(count)s hours", "%(count)s minutes",  # inside another
    }  # fmt: skip


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("pt-BR,pt;q=0.9,en;q=0.8", "pt-BR"),
        ("pt-PT,pt;q=0.9", "pt-BR"),
        ("es-MX,es;q=0.9,en;q=0.8", "es"),
        ("de,fr;q=0.8", "en"),
        ("", "en"),
        ("x" * 10_000, "en"),
    ],
)
async def test_a_page_speaks_the_first_language_of_the_browser_that_it_knows(
    hub: Hub, accepted: str, language: str
) -> None:
    async with guest(hub, signed_in=False) as one:
        _, text, _ = await one.get("/console/sign-in", {**HTML, "Accept-Language": accepted})
        assert f'<html lang="{language}">' in text


async def test_a_language_that_was_chosen_stays(hub: Hub) -> None:
    async with guest(hub) as one:
        status, _, headers = await one.post("/console/language", language="es", back="/console/channels")
        assert (status, headers["Location"]) == (303, "/console/channels")
        assert '<html lang="es">' in (await one.get("/console/channels"))[1]
        _, _, headers = await one.post("/console/language", language="es", back="https://evil.example/console/")
        assert headers["Location"] == "/console/"
