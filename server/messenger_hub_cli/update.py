"""Updates of what this machine uses without a release of ours: wa-js, which follows WhatsApp Web."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from messenger_hub.runtime.folder import FolderError
from messenger_hub.runtime.version import VERSION
from messenger_hub_agent.folder import WA_JS
from messenger_hub_agent.updating import package
from messenger_hub_agent.updating.choice import Choice, Stage, described
from messenger_hub_agent.updating.looking import looked_for
from messenger_hub_agent.updating.problems import NotFetched, NpmMissing, RejectedBefore, Unusable
from messenger_hub_agent.updating.shelf import Shelf, Wanted
from messenger_hub_agent.whatsapp.wa_js import WaJs

from messenger_hub_cli.failures import Conflict, Failed, Misused, Refused
from messenger_hub_cli.output import Answer, Json, Record
from messenger_hub_cli.remembered import AGENT, is_enrolled
from messenger_hub_cli.signals import interruptible
from messenger_hub_cli.update_elsewhere import update_elsewhere
from messenger_hub_cli.verb import data_dir_option, verb, with_hub

TAKEN_SECONDS = 10.0  # the desktop app looks every two
CHECKED_SECONDS = 240.0  # what is being sent ends first, and a page that never becomes ready is given up after 90
LOOK_SECONDS = 0.25


@click.group(epilog="Example:\n\n\b\nmessenger-hub update wa-js --to 4.6.0")
def update() -> None:
    """Fetch a newer wa-js than this release ships, or go back to that one."""


@verb("wa-js", group=update, example="messenger-hub update wa-js\nmessenger-hub update wa-js --agent office-pc")
@data_dir_option
@click.option(
    "--agent", metavar="NAME", help="On the desktop of that name or id, asked through the hub of this machine."
)
@click.option("--to", metavar="VERSION", help="This version, also one that was rejected here.  [default: the latest]")
@click.option("--file", type=click.Path(path_type=Path), help="A package that npm pack has made, without asking npm.")
@click.option("--integrity", metavar="sha512-…", help="Of --file, as npm states it.")
@click.option("--back", is_flag=True, help="Use the one that this release ships again.")
def wa_js(
    data_dir: Path, agent: str | None, to: str | None, file: Path | None, integrity: str | None, back: bool
) -> Answer | None:
    """Use a newer wa-js, the day that WhatsApp changes its page.

    It comes from npm, and has to be what npm states (its sha512). The desktop app of this data folder puts it into WhatsApp Web as
    soon as nothing is being sent, and works on when it has everything that sending needs. Until its first message has reached WhatsApp
    it is on trial: the desktop app goes back to the one before, by itself, when the check or that message shows that it does not do.

    With --agent another desktop does all of this, with the npm that is there; so does the button on the console's page Agents.
    """
    if (file is None) != (integrity is None):
        raise Misused("--file and --integrity belong together: give both, or neither to ask npm.")
    if sum((to is not None, file is not None, back)) > 1:
        raise Misused("--to, --file and --back exclude each other: give one of them.")
    if agent is not None:
        return _elsewhere(data_dir, agent, to, file, back=back)
    if not is_enrolled(data_dir):
        raise Misused(f"There is no desktop app in {data_dir}: give its folder with --data-dir.", code="no_agent")
    shelf = Shelf(data_dir / AGENT / WA_JS)
    with interruptible(), _told():
        choice = shelf.choice()
        if back:
            return _back(shelf, choice)
        found = package.opened(file, integrity, str(file)) if file and integrity else _fetched(choice, to)
        if found is None or found.version == choice.in_use:
            return _record(choice, f"{described(choice)} Nothing was changed.")
        shelf.want(Wanted(found))
        return _tried(shelf, found.version)


def _elsewhere(data_dir: Path, agent: str, to: str | None, file: Path | None, *, back: bool) -> Answer | None:
    if file is not None:
        raise Misused("--file is a file of the desktop that uses it: run messenger-hub update wa-js --file there.")
    _require_version(to, "4.6.0")
    return asyncio.run(with_hub(update_elsewhere, data_dir, {"agent": agent, "to": to or "", "back": back}))


@contextmanager
def _told() -> Iterator[None]:
    """A problem of an update as a sentence with its exit code."""
    try:
        yield
    except Unusable as problem:
        raise Misused(problem.sentence, code=problem.code) from problem
    except RejectedBefore as problem:
        raise Conflict(problem.sentence, code=problem.code) from problem
    except NpmMissing as problem:
        raise Refused(problem.sentence, code=problem.code) from problem
    except NotFetched as problem:
        raise Failed(problem.sentence, code=problem.code) from problem
    except FolderError as problem:
        raise Refused(str(problem), code="folder") from problem


def _fetched(choice: Choice, to: str | None) -> WaJs | None:
    """What npm has; None when that is used already, or is older than what is."""
    _require_version(to, choice.pinned)
    return asyncio.run(looked_for(choice, to or ""))


def _require_version(to: str | None, example: str) -> None:
    if to is not None and not re.fullmatch(VERSION, to):
        raise Misused(f"{to!r} is no version of wa-js: give three numbers, as in --to {example}.")


def _back(shelf: Shelf, choice: Choice) -> Record:
    if choice.in_use == choice.pinned and not shelf.waits:
        return _record(choice, f"{described(choice)} Nothing was changed.")
    shelf.want(Wanted())
    if not _until(lambda: not shelf.waits, TAKEN_SECONDS):
        return _record(choice, f"The desktop app does not run: it goes back to wa-js {choice.pinned} when it starts.")
    now = shelf.choice()
    if now.in_use != now.pinned:
        raise Failed(
            f"The desktop app could not go back ({described(now).rstrip('.')}): its log says why.", code="not_stored"
        )
    return _record(now, f"The desktop app goes back to wa-js {now.pinned}.")


def _tried(shelf: Shelf, version: str) -> Record:
    """Waits until the desktop app has checked it. Raises Failed when it was rejected."""
    if not _until(lambda: not shelf.waits, TAKEN_SECONDS):
        sentence = f"The desktop app does not run: it tries wa-js {version}, which is fetched, when it starts."
        return _record(shelf.choice(), sentence)
    if not _until(lambda: shelf.choice().stage is not Stage.CANDIDATE, CHECKED_SECONDS):
        sentence = f"wa-js {version} is not checked yet, because no page of the desktop app is ready: see messenger-hub doctor."
        return _record(shelf.choice(), sentence)
    choice = shelf.choice()
    if choice.in_use != version:
        raise Failed(described(choice), code="rejected")
    return _record(choice, described(choice))


def _until(holds: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def _record(choice: Choice, sentence: str) -> Record:
    data: Mapping[str, Json] = {
        "wa_js": choice.in_use,
        "stage": choice.stage.value,
        "shipped": choice.pinned,
        "rejected": [
            {
                "version": one.version,
                "reason": one.reason,
                "at": datetime.fromtimestamp(one.at_ms / 1000, UTC).isoformat(),
            }
            for one in choice.rejections
        ],
    }
    return Record(data=data, sentence=sentence)
