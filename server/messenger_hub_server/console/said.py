"""Sentences that others say and pages show, marked for the catalogue: as they are, or with places for names, numbers and times.

They stand here as well as where they are said, because who says them knows no language. A test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from messenger_hub_server.console.words import _

SAID = (
    # of a channel
    _("Messages go out"),
    _("WhatsApp Web is starting on the desktop"),
    _("WhatsApp Web is starting again"),
    _("WhatsApp Web is synchronising"),
    _("WhatsApp Web is offline"),
    _("Linked; WhatsApp Web is saving the link"),
    _("WhatsApp Web cannot be reached: check this desktop's network"),
    _("Waiting for a person to link WhatsApp with messenger-hub channel link"),
    _("Waiting for a desktop app: none is enrolled for this channel, messenger-hub agent enrol does that"),
    _("WhatsApp asks for a passkey: link in a visible window"),
    _("WhatsApp asks for a passkey: confirm it on the phone"),
    _("WhatsApp Web refuses this version: update Messenger Hub or the browser"),
    _("Another WhatsApp account was linked: an operator confirms it with messenger-hub channel resume"),
    _("The channel is paused on the desktop: resume it in the tray's menu"),
    _("The channel is paused"),
    _("More than 20 operations have waited for over six hours: decide what becomes of them"),
    _("The channel is moving to another desktop app"),
    _("Waiting for the desktop app, never seen yet"),
    # of an operation
    _("Accepted"),
    _("Next in line"),
    _("Handed to the desktop app"),
    _("The desktop app has taken it"),
    _("Being carried out"),
    _("Accepted by WhatsApp"),
    _("Delivered to the recipient's phone"),
    _("Read by the recipient"),
    _("Cancelled by an operator"),
    _("Cancelled by an operator who cleared the queue"),
    _("Cancelled: it had waited for too long"),
    _("Cancelled when its session API was deactivated"),
    _("expires_at passed before it could be sent"),
    _("The channel was deleted"),
    _("Making sure whether the number is on WhatsApp"),
    _("WhatsApp Web is not ready"),
    _("WhatsApp Web did not answer"),
    _("The number is not on WhatsApp: check its country code."),
    _("WhatsApp Web went away while sending and does not know the message now: look into the chat, then resolve it."),
    # why a wa-js was not taken
    _("it took a message that WhatsApp Web does not know afterwards"),
    _("npm did not answer in time"),
    _("npm packed nothing"),
    _("npm names no released version"),
    _("npm states no sha512"),
    _("npm gave another version than was asked for"),
    _("it is not what npm states"),
    _("it is no package of wa-js"),
    _("there is no such version"),
    _("that is no version"),
    # refusals
    _("The channel's desktop app is not connected: start messenger-hub agent on the desktop, then try again."),
    _("The desktop app is not connected: start messenger-hub agent on the desktop, then try again."),
    _("The desktop app did not answer: look whether it runs and is connected, then try again."),
    _(
        "The desktop app is too old to be asked from here: update it, or run messenger-hub update wa-js on that desktop."
    ),
    _("The desktop looks for another wa-js already: wait until it has told what came of it."),
    _("The desktop was revoked: enrol it again with messenger-hub agent enrol, then try again."),
    _("It is too late to cancel: the operation has started or is settled. Look it up to see how it ended."),
    _("The desktop gave no picture of the page: try again when the channel is up."),
    _("The desktop has not opened the channel yet: try again in a moment, and look at the log there if that goes on."),
    _("The operation is not uncertain, so there is nothing to decide. Look it up to see where it stands."),
    _("A message is being sent right now: try again in a minute."),
    _("The hub's database was restored: start the channel's desktop app, then try again."),
    _("Nobody linked the channel within 10 minutes: start again when the phone is at hand."),
    _("The hub cannot write to its database (is its disk full?): nothing was queued, try again later."),
    _("Too many requests: wait as long as Retry-After says."),
    _("Something went wrong on the hub; its log has the request id."),
    _("That is neither the admin token nor the console's password."),
    _("This link was used, or is older than ten minutes: make another one."),
)

WORDS = (
    # of checks
    _("Data folder"),
    _("Disk"),
    _("Nodes"),
    _("Database"),
    _("Local network"),
    _("Desktops"),
    _("Connection"),
    _("Desktop app"),
    _("Browser"),
    _("Clock"),
    _("Versions"),
    _("none yet: run messenger-hub up, or enrol one under Agents"),
    _("has never connected: start the desktop app there"),
    _("of an unknown version"),
    _("is too old to tell of its browser and of WhatsApp's page: update it, or run messenger-hub doctor there"),
    _("did not answer in time: look again, and start the desktop app there anew if that does not help"),
    _("went away while it was asked: look again in a minute"),
    _("found, and not started yet"),
    _("can be read by others: messenger-hub check on that desktop says how to close it"),
    _("for its owner only"),
    _("agrees with the hub's"),
    _("is not open on the desktop, and the state says why: look again in a minute"),
    _("is still loading on the desktop: look again in a minute, and for a newer wa-js if that does not help"),
    _("did not answer the desktop: look again, and start the desktop app there anew if that does not help"),
    _("is a page on which wa-js fails: messenger-hub update wa-js, or Agents in the console"),
    _("no warning in the last hour"),
    _("can be written"),
    # of browsers that do not start
    _(
        "No browser was found: install one (Debian: apt install chromium; Ubuntu: Google Chrome or Microsoft Edge, because its Chromium "
        "is a snap that cannot read our folders), or give --browser PATH"
    ),
    _("No browser was found: install Google Chrome, Chromium or Microsoft Edge, or give --browser PATH"),
    _(
        "The browser has no sandbox here, because this system gives no user namespaces: in Docker, start the container with "
        "--security-opt seccomp=unconfined (or with a profile that allows clone and unshare); on Ubuntu, allow user namespaces for the "
        "browser in AppArmor"
    ),
    # a time that has passed
    _("1 day"),
    _("1 hour"),
    _("1 minute"),
    _("less than a minute"),
    _("a moment ago"),
    _("Queued with 1 other"),
    _("WhatsApp refuses messages to new chats for a while; existing chats go on"),
    # why a channel lost its link
    _("it was logged out here"),
    _("the phone has removed this device"),
    _("the account was removed from the phone"),
    # a channel's state
    _("offline"),
    _("starting"),
    _("unlinked"),
    _("passkey_needed"),
    _("linked"),
    _("restricted"),
    _("changed_account"),
    _("paused"),
    _("needs_update"),
    # refusals
    _("The default lifetime field must be in whole seconds, 365 days at most."),
    _("The cors origins field must be origins, for example https://shop.example."),
    _("The selected agent is revoked: enrol it again."),
)
"""The same, where the programs put them together from parts, or where they are too short to be looked for there: a test has them said."""

SHAPES = (
    # of a channel and of what waits on it
    _("Waiting for the desktop app, last seen %(when)s"),
    _("The hub's database was restored, and the desktop's journal has to tell what is missing. %(told)s"),
    _("The channel is paused on the desktop until %(when)s: resume it in the tray's menu"),
    _("WhatsApp refuses messages to new chats until %(when)s; existing chats go on"),
    _("Started, then the desktop app went away, last seen %(when)s; checked when it is back"),
    _("Held until %(when)s"),
    _("%(told)s; tried again at %(when)s"),
    _("Queued with %(count)s others"),
    _("The channel's pace: next message in %(count)s s"),
    _("%(lasted)s ago"),
    # why a wa-js was not taken, and why the one that is used may not do
    _(
        "needed and missing: %(names)s, so messages may not go out: messenger-hub update wa-js, or Agents in the console"
    ),
    _("needed and missing: %(names)s"),
    _("a script of the page failed: %(code)s"),
    _("the page did not answer: %(code)s"),
    _("the page did not get ready in time: %(lasted)s"),
    _("npm says: %(code)s"),
    _("npm cannot be started: %(why)s"),
    # of checks
    _("%(path)s is made at the first start"),
    _("%(path)s cannot be written: run this as its owner"),
    _("%(path)s can be read by others: %(remedy)s"),
    _("%(path)s, for its owner only"),
    _("%(size)s GiB free: make room, or nothing can be queued soon"),
    _("%(size)s GiB free: make room, or nothing can be sent soon"),
    _("%(size)s GiB free: a browser's profile may need more"),
    _("%(size)s GiB free"),
    _("reached at %(address)s, with a certificate that names it"),
    _(
        "this machine is %(address)s now, and the certificate names %(names)s: programs call it by name; desktops that joined by the "
        "old address join again with a new link"
    ),
    _("has been away for %(lasted)s: is it on, and does the desktop app run there?"),
    _("%(count)s seconds"),
    _("%(count)s days"),
    _("%(count)s hours"),
    _("%(count)s minutes"),
    _("runs Messenger Hub %(theirs)s, and the hub %(ours)s: update the older one"),
    _("connected, Messenger Hub %(version)s"),
    _("connected to %(node)s, Messenger Hub %(version)s"),
    _("%(count)s at work: %(names)s; this is %(node)s"),
    _("%(browser)s works"),
    _("%(count)s s ahead of the hub's: let both systems set theirs by the network"),
    _("%(count)s s behind the hub's: let both systems set theirs by the network"),
    _("There is no browser at %(path)s: give --browser the path of Chrome, Chromium or Edge"),
    _("%(path)s is not executable: give --browser the path of Chrome, Chromium or Edge"),
    _(
        "%(path)s ended while starting (exit code %(code)s): %(why)s. All that it wrote is in %(file)s; try another one with --browser PATH"
    ),
    _("WhatsApp Web %(version)s has everything that sending needs"),
    _("%(count)s may or may not have been sent: look into the chats, then decide under Operations"),
    _("%(count)s faults in the last hour: the last ones are under Log"),
    _("%(count)s warnings in the last hour: they are under Log"),
    _("cannot be written, so nothing is accepted: %(why)s"),
    # of fields
    _("The %(field)s field is required when %(other)s is not present."),
    _("The %(field)s field is required."),
    _("The %(field)s field is prohibited when %(other)s is present."),
    _("The %(field)s field must not hold NUL."),
    _("The %(field)s field must not be greater than %(count)s characters."),
    _("The %(field)s field format is invalid."),
    _("The %(field)s field must be between %(least)s and %(most)s."),
    _("The selected %(field)s is invalid."),
    _("The %(field)s field must be a valid date."),
    _("The %(field)s field must be a date after %(other)s."),
    _("The %(field)s field must be a date in the future."),
    # whatever else has a reason behind it
    _("%(told)s: %(why)s"),
)
"""Sentences with places; the first that fits counts."""

PLACES: Mapping[str, str] = {"count": r"\d+", "size": r"[\d.]+"}
"""What may stand in a place of that name; in all others anything."""


def _pattern(shape: str) -> re.Pattern[str]:
    parts = re.split(r"%\((\w+)\)s", shape)
    places = [f"(?P<{name}>{PLACES.get(name, '.+?')})" for name in parts[1::2]]
    return re.compile("".join(re.escape(text) + place for text, place in zip(parts[::2], [*places, ""], strict=True)))


_PATTERNS = {shape: _pattern(shape) for shape in SHAPES}


def shaped(sentence: str, translate: Callable[[str], str], say: Callable[[str], str]) -> str | None:
    """The sentence in another language, if it has a shape: `translate` knows the shapes, and `say` says what stands in its places."""
    for shape, pattern in _PATTERNS.items():
        if found := pattern.fullmatch(sentence):
            return translate(shape) % {name: say(value) for name, value in found.groupdict().items()}
    return None
