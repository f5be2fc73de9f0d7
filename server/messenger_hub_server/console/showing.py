"""From values to HTML: templates, their filters, and what every page has."""

from __future__ import annotations

import gettext
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
from messenger_hub.agent.v1 import agent_service_pb2
from messenger_hub.v1 import channel_service_pb2, operation_pb2

from messenger_hub_server.console import words
from messenger_hub_server.console.guard import SIGNED_IN
from messenger_hub_server.console.said import shaped
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


def form_page(
    request: web.Request, template: str, values: Mapping[str, object], error: HubError | None = None
) -> web.Response:
    """A page with a form, which after a refusal says what is wrong, field by field."""
    shown = {**values, "problems": problems(error) if error is not None else {}}
    return page(request, template, shown, status=error.http_status if error is not None else 200)


def fragment(request: web.Request, template: str, values: Mapping[str, object] | None = None) -> str:
    """A template's text in the reader's language."""
    language = words.language(request.cookies.get(LANGUAGE_COOKIE, ""), request.headers.get("Accept-Language", ""))
    signed_in = request.get(SIGNED_IN)
    common = {
        "signed_in": signed_in,
        "csrf": signed_in.csrf if signed_in is not None else "",
        "path": request.path,
        # Where the page is fetched again; what answers a change has no such address.
        "here": request.path_qs if request.method == "GET" else "",
        "language": language,
        "done": request.query.get("done", ""),
        "version": version("messenger-hub"),
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
    said = _Said(words.translations(language))
    made.install_gettext_translations(said.catalogue, newstyle=True)  # type: ignore[attr-defined]
    made.filters.update(
        said=said.text, status=said.status, state=said.state, kind=said.kind, when=_when, when_ms=_when_ms
    )
    made.filters.update(wa_js_stage=said.wa_js_stage)
    made.globals.update(qr=qr, asset=_asset, languages=words.LANGUAGES, paces=words.PACES, scopes=words.SCOPES)
    made.globals.update(statuses=words.STATUSES, kinds=words.TYPES, done_words=words.DONE, token=_token)
    made.globals.update(states=channel_service_pb2, decisions=operation_pb2, stages=agent_service_pb2)
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


class _Said:
    """Words in one language. What others have written is looked up and stays text: jinja's own gettext would take it for HTML."""

    def __init__(self, catalogue: gettext.NullTranslations) -> None:
        self.catalogue = catalogue

    def text(self, text: str) -> str:
        """A sentence of the catalogue, or one of a known shape, or the text as it is."""
        if not text or not isinstance(self.catalogue, gettext.GNUTranslations):
            return text  # English is what all of them are said in
        known = self.catalogue.gettext(text)
        return known if known != text else shaped(text, self.catalogue.gettext, self.text) or text

    def status(self, status: int) -> Markup:
        """Of an operation."""
        return self._badge(*words.STATUSES[status])

    def state(self, state: int) -> Markup:
        """Of a channel."""
        return self._badge(*words.CHANNEL_STATES[state])

    def wa_js_stage(self, stage: int) -> Markup:
        """Of another wa-js."""
        return self._badge(*words.WA_JS_STAGES[stage])

    def kind(self, number: int) -> str:
        """Of an operation."""
        return self.text(words.TYPES[number])

    def _badge(self, word: str, tone: str) -> Markup:
        return Markup('<span class="badge {}">{}</span>').format(tone, self.text(word))
