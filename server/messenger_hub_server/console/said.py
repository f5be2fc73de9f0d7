"""Sentences that others say and pages show, marked for the catalogue: those that never change with a time, a name or a number.

They stand here as well as where they are said, because who says them knows no language. A test holds the two together.
"""

from __future__ import annotations

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
    # refusals
    _("The channel's desktop app is not connected: start messenger-hub agent on the desktop, then try again."),
    _("The desktop app is not connected: start messenger-hub agent on the desktop, then try again."),
    _("The desktop app did not answer: look whether it runs and is connected, then try again."),
    _(
        "The desktop app is too old to be asked from here: update it, or run messenger-hub update wa-js on that desktop."
    ),
    _("The desktop looks for another wa-js already, or tries one: wait until it has told what came of it."),
    _("It is too late to cancel: the operation has started or is settled. Look it up to see how it ended."),
    _("The desktop gave no picture of the page: try again when the channel is up."),
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
