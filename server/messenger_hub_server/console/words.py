"""The console's languages: one catalogue of English sentences, gettext files beside it, and the words for the contract's values."""

from __future__ import annotations

import gettext
import io
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from babel.core import negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from messenger_hub.agent.v1 import agent_service_pb2
from messenger_hub.v1 import channel_service_pb2, operation_pb2, rest_pb2

ENGLISH = "en"
LANGUAGES: Mapping[str, str] = {"en": "English", "pt_BR": "Português (Brasil)", "es": "Español"}


def _(text: str) -> str:
    """Marks a sentence for the catalogue; it is translated where it is shown."""
    return text


STATUSES: Mapping[int, tuple[str, str]] = {
    operation_pb2.OPERATION_STATUS_PENDING: (_("Waiting"), "calm"),
    operation_pb2.OPERATION_STATUS_PROCESSING: (_("Being sent"), "busy"),
    operation_pb2.OPERATION_STATUS_SENT: (_("Sent"), "good"),
    operation_pb2.OPERATION_STATUS_DELIVERED: (_("Delivered"), "good"),
    operation_pb2.OPERATION_STATUS_READ: (_("Read"), "good"),
    operation_pb2.OPERATION_STATUS_SUCCEEDED: (_("Done"), "good"),
    operation_pb2.OPERATION_STATUS_FAILED: (_("Failed"), "bad"),
    operation_pb2.OPERATION_STATUS_CANCELLED: (_("Cancelled"), "calm"),
    operation_pb2.OPERATION_STATUS_EXPIRED: (_("Expired"), "warn"),
    operation_pb2.OPERATION_STATUS_UNCERTAIN: (_("Uncertain"), "warn"),
}
"""Status → the word for it, and its tone: calm, busy, good, warn or bad."""

TYPES: Mapping[int, str] = {
    operation_pb2.OPERATION_TYPE_SEND_MESSAGE: _("Send a message"),
    operation_pb2.OPERATION_TYPE_SAVE_CONTACT: _("Save a contact"),
    operation_pb2.OPERATION_TYPE_REMOVE_CONTACT: _("Remove a contact"),
}

CHANNEL_STATES: Mapping[int, tuple[str, str]] = {
    channel_service_pb2.CHANNEL_STATE_OFFLINE: (_("Desktop away"), "bad"),
    channel_service_pb2.CHANNEL_STATE_STARTING: (_("Starting"), "busy"),
    channel_service_pb2.CHANNEL_STATE_UNLINKED: (_("Not linked"), "warn"),
    channel_service_pb2.CHANNEL_STATE_PASSKEY_NEEDED: (_("Passkey needed"), "warn"),
    channel_service_pb2.CHANNEL_STATE_LINKED: (_("Linked"), "good"),
    channel_service_pb2.CHANNEL_STATE_RESTRICTED: (_("Restricted by WhatsApp"), "warn"),
    channel_service_pb2.CHANNEL_STATE_CHANGED_ACCOUNT: (_("Another account"), "warn"),
    channel_service_pb2.CHANNEL_STATE_PAUSED: (_("Paused"), "calm"),
    channel_service_pb2.CHANNEL_STATE_NEEDS_UPDATE: (_("Needs an update"), "bad"),
}

WA_JS_STAGES: Mapping[int, tuple[str, str]] = {
    agent_service_pb2.WA_JS_STAGE_UNSPECIFIED: (_("Not known"), "calm"),
    agent_service_pb2.WA_JS_STAGE_PINNED: (_("As shipped"), "calm"),
    agent_service_pb2.WA_JS_STAGE_LOOKING: (_("Looking"), "busy"),
    agent_service_pb2.WA_JS_STAGE_CANDIDATE: (_("On trial"), "busy"),
    agent_service_pb2.WA_JS_STAGE_PROVING: (_("Proving itself"), "busy"),
    agent_service_pb2.WA_JS_STAGE_ADOPTED: (_("Adopted"), "good"),
    agent_service_pb2.WA_JS_STAGE_REJECTED: (_("Rejected"), "warn"),
    agent_service_pb2.WA_JS_STAGE_NOTHING_NEWER: (_("Nothing newer"), "good"),
    agent_service_pb2.WA_JS_STAGE_REJECTED_BEFORE: (_("Rejected before"), "warn"),
    agent_service_pb2.WA_JS_STAGE_NO_NPM: (_("No npm"), "bad"),
    agent_service_pb2.WA_JS_STAGE_NPM_FAILED: (_("npm failed"), "bad"),
    agent_service_pb2.WA_JS_STAGE_UNUSABLE: (_("Not usable"), "bad"),
    agent_service_pb2.WA_JS_STAGE_NOT_STORED: (_("Not stored"), "bad"),
    agent_service_pb2.WA_JS_STAGE_FAULT: (_("Failed"), "bad"),
    agent_service_pb2.WA_JS_STAGE_USED_ALREADY: (_("Used already"), "good"),
}

PACES: Mapping[int, tuple[str, str]] = {
    agent_service_pb2.PACE_NORMAL: (_("Normal"), _("1 to 3 seconds between messages, longer before a new chat")),
    agent_service_pb2.PACE_CAREFUL: (_("Careful"), _("slower, for a number that is new to WhatsApp")),
    agent_service_pb2.PACE_OFF: (_("Off"), _("no gaps: WhatsApp may restrict the account")),
}

SCOPES: Mapping[int, str] = {
    rest_pb2.SCOPE_SEND: _("Send messages"),
    rest_pb2.SCOPE_CONTACTS: _("Save and remove contacts"),
    rest_pb2.SCOPE_LOOK_UP: _("Look up operations, status and groups; cancel what waits"),
    rest_pb2.SCOPE_RESOLVE: _("Decide on uncertain operations"),
}

DONE: Mapping[str, str] = {
    "made": _("It is there."),
    "saved": _("Saved."),
    "pause": _("Paused: nothing goes out until you resume."),
    "resume": _("Resumed."),
    "clear": _("The queue was cleared."),
    "cancelled": _("What waited was cancelled."),
    "unlink": _("The desktop is logging out of WhatsApp."),
    "pace": _("The pace was changed."),
    "move": _("The channel was given to the other desktop."),
    "delete": _("The channel was deleted."),
    "backlog": _("Decided: what waits goes out."),
    "cancel": _("Cancelled."),
    "resolve": _("Decided."),
    "revoked": _("The desktop was shut out."),
    "wa-js": _("The desktop was asked to look for a newer wa-js; what comes of it stands below."),
    "activated": _("Activated: its keys work again."),
    "deactivated": _("Deactivated: its keys do not work any more."),
    "password": _("The password was set; all other browsers are signed out."),
    "signed-out": _("That browser is signed out."),
}
"""What a page says after a change, by the word in its address."""


def language(wanted: str, accepted: str) -> str:
    """The language of a page: what was chosen, else the first that the browser names, else English."""
    if wanted in LANGUAGES:
        return wanted
    asked = [part.partition(";")[0].strip().replace("-", "_") for part in accepted[:200].split(",")]
    # Portuguese of any country reads better than English.
    asked = ["pt_BR" if one.lower().startswith("pt") else one for one in asked if one]
    return negotiate_locale(asked, list(LANGUAGES)) or ENGLISH


@cache
def translations(name: str) -> gettext.NullTranslations:
    """The catalogue of a language."""
    if name == ENGLISH:
        return gettext.NullTranslations()
    with (files(__package__) / "locale" / f"{name}.po").open("rb") as source:
        compiled = io.BytesIO()
        write_mo(compiled, read_po(source, locale=name))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
