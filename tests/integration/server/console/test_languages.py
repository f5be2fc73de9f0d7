"""The console's languages: each catalogue is complete, and a page speaks the reader's."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from messenger_hub_server.console import site, words
from messenger_hub_server.console.said import SAID

from tests.integration.server.console.guest import HTML, guest
from tests.integration.server.hub import Hub

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
