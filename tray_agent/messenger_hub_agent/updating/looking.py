"""A look at npm for another wa-js than is used: whether what it has is wanted, and then the whole of it."""

from __future__ import annotations

from messenger_hub_agent.updating import npm
from messenger_hub_agent.updating.choice import Choice, is_newer
from messenger_hub_agent.updating.problems import RejectedBefore
from messenger_hub_agent.whatsapp.wa_js import WaJs


async def looked_for(choice: Choice, named: str) -> WaJs | None:
    """The version that somebody has named, or else the latest; None when there is nothing to change. Raises UpdateProblem."""
    offer = await npm.offered(named or npm.LATEST)
    return await npm.fetched(offer) if is_wanted(choice, offer.version, named) else None


def is_wanted(choice: Choice, offered: str, named: str) -> bool:
    """Whether what npm offers is to be tried: one that was named if it is not used already, the latest if it is newer. Raises
    RejectedBefore."""
    if named:
        return offered != choice.in_use
    if not is_newer(offered, choice.in_use):
        return False
    rejection = choice.rejection(offered)
    if rejection is not None:
        raise RejectedBefore(offered, rejection.reason)
    return True
