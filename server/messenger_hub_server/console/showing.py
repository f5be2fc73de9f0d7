"""From values to HTML: templates, their filters, and what every page has."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from importlib.resources import files

import segno
from aiohttp import web
from google.protobuf.timestamp_pb2 import Timestamp
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from messenger_hub_server.console import words
from messenger_hub_server.console.guard import SIGNED_IN
from messenger_hub_server.errors import HubError, ValidationFailed

LANGUAGE_COOKIE = "messenger_hub_language"
FETCHED = frozenset({"htmx.min.js"})
"""Files that the build has fetched; without them pages do not change by themselves."""


def page(
    request: web.Request, template: str, values: Mapping[str, object] | None = None, *, status: int = 200
) -> web.Response:
    """A whole page in the reader's language."""
    text = fragment(request, template, values)
    return web.Response(text=text, content_type="text/html", status=status)


def fragment(request: web.Request, template: str, values: Mapping[str, object] | None = None) -> str:
    """A template's text in the reader's language."""
    language = words.language(request.cookies.get(LANGUAGE_COOKIE, ""), request.headers.get("Accept-Language", ""))
    signed_in = request.get(SIGNED_IN)
    common = {
        "signed_in": signed_in,
        "csrf": signed_in.csrf if signed_in is not None else "",
        "path": request.path,
        "here": request.path_qs,
        "language": language,
        "done": request.query.get("done", ""),
        "version": version("messenger-hub"),
        "done_words": words.DONE,
    }
    return _environment(language).get_template(template).render({**common, **(values or {})})


def problems(error: HubError) -> Mapping[str, Sequence[str]]:
    """Field → sentences; what is about no field stands under ""."""
    if not isinstance(error, ValidationFailed):
        return {"": [error.sentence]}
    # A field of a nested message stands in a form by its own name.
    return {name.rpartition(".")[2]: sentences for name, sentences in error.violations.items()}


def done(path: str, what: str) -> web.HTTPSeeOther:
    """After a change: the page again, with a word of what was done (DONE in the templates)."""
    return web.HTTPSeeOther(f"{path}{'&' if '?' in path else '?'}done={what}")


def qr(text: str) -> Markup:
    """A QR code as SVG without styles; dark on light whatever the page's colours."""
    code = segno.make(text, error="l", micro=False)
    return Markup(code.svg_inline(scale=1, border=4, light="#ffffff", dark="#000000", omitsize=True, svgclass="qr"))  # noqa: S704 segno's own


@cache
def static(name: str) -> tuple[bytes, str]:
    """A static file and the start of its hash, by which browsers keep it. FileNotFoundError when the installation lacks it."""
    folder = "assets" if name in FETCHED else "static"
    content = (files(__package__) / folder / name).read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:12]


@cache
def _environment(language: str) -> Environment:
    made = Environment(
        loader=PackageLoader("messenger_hub_server.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.policies["ext.i18n.trimmed"] = True
    made.install_gettext_translations(words.translations(language), newstyle=True)  # type: ignore[attr-defined]
    made.filters.update(when=_when, when_ms=_when_ms, status=_status, state=_state, kind=_kind, scope=_scope)
    made.globals.update(qr=qr, asset=_asset, languages=words.LANGUAGES, paces=words.PACES, scopes=words.SCOPES)
    made.globals.update(statuses=words.STATUSES, kinds=words.TYPES, token=_token)
    return made


def _asset(name: str) -> str:
    try:
        return f"/console/static/{name}?{static(name)[1]}"
    except FileNotFoundError:
        return f"/console/static/{name}"


@pass_context
def _token(context: Context) -> Markup:
    """What every form of a browser that is signed in carries."""
    return Markup('<input type="hidden" name="csrf" value="{}">').format(context["csrf"])


def _when(at: Timestamp) -> Markup:
    """A time that the page's script says in the reader's zone."""
    return _when_ms(at.seconds * 1000 + at.nanos // 1_000_000)


def _when_ms(at_ms: int) -> Markup:
    """The same, of milliseconds; 0 is never."""
    if not at_ms:
        return Markup("–")
    found = datetime.fromtimestamp(at_ms / 1000, UTC)
    exact = found.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(found.isoformat(), exact, exact)


@pass_context
def _status(context: Context, status: int) -> Markup:
    return _badge(context, *words.STATUSES[status])


@pass_context
def _state(context: Context, state: int) -> Markup:
    return _badge(context, *words.CHANNEL_STATES[state])


def _badge(context: Context, word: str, tone: str) -> Markup:
    return Markup('<span class="badge {}">{}</span>').format(tone, _said(context, word))


@pass_context
def _kind(context: Context, number: int) -> str:
    return _said(context, words.TYPES[number])


@pass_context
def _scope(context: Context, number: int) -> str:
    return _said(context, words.SCOPES[number])


def _said(context: Context, text: str) -> str:
    return str(context.call(context.resolve("gettext"), text))
