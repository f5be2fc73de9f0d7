"""A look at npm for another wa-js than is used: whether what it has is wanted, the whole of it, and what can come of a look."""

from __future__ import annotations

from dataclasses import dataclass

from messenger_hub_agent.updating import npm
from messenger_hub_agent.updating.choice import Choice, is_newer
from messenger_hub_agent.updating.problems import RejectedBefore, UpdateProblem
from messenger_hub_agent.whatsapp.wa_js import WaJs


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """A look goes on; `named` is the version that somebody wants, empty for the latest."""

    named: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingNewer:
    """npm has none that is newer than what is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedAlready:
    """The version that somebody wants is used already."""


Look = Looking | NothingNewer | UsedAlready | UpdateProblem | None
"""The last one; None where the choice tells everything."""


async def looked_for(choice: Choice, named: str) -> WaJs | None:
    """The version that somebody has named, or else the latest; None when there is nothing to change. Raises UpdateProblem."""
    if named == choice.in_use:
        return None
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
