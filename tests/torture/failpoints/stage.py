"""The whole way on a stage: server, agent with Chromium, and twin, each of which can be told where to die, and a careful client."""

from __future__ import annotations

import http.client
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from messenger_hub.runtime.failpoints import VARIABLE, Order

from tests.e2e.whole_way.world import World
from tests.e2e.whole_way.world import http as http_call
from tests.eventually import eventually
from tests.torture.failpoints.plan import Program

PEOPLE = ("12025550111", "12025550112", "12025550113")
NOBODY = "12025550199"
GROUP = "120363000000000001@g.us"
EXPIRES_SECONDS = 1.5
RATE_PER_MINUTE = "1000000"


@dataclass(slots=True, kw_only=True)
class Sent:
    """One operation that was asked for: `id` once it was accepted, -1 when nobody will ever know (no key, no answer; or expired
    before there was one)."""

    text: str
    lane: tuple[str, str]
    kind: str = "message"
    id: int = 0


@dataclass(slots=True)
class Asked:
    """All operations of one scene, in order."""

    all: list[Sent] = field(default_factory=list)

    @property
    def accepted(self) -> list[Sent]:
        """Those that have an id."""
        return [one for one in self.all if one.id > 0]


class Stage(World):
    """A world whose server and agent have their failpoints on, and asked for nothing so far."""

    def _order_file(self, name: str) -> Path:
        return self.folder / f"{name}.failpoint"

    def _environment(self, name: Any) -> Mapping[str, str]:
        inherited = super()._environment(name)
        return inherited if name == "twin" else {**inherited, VARIABLE: str(self._order_file(name))}

    def _forms(self) -> Mapping[str, Sequence[str]]:
        forms = dict(super()._forms())
        forms["server"] = (*forms["server"], "--rate-per-minute", RATE_PER_MINUTE)
        return forms

    # ---- processes ----------------------------------------------------------------------------------------------------------

    def arm(self, name: Program, order: Order | None) -> None:
        """From now on; None asks for nothing."""
        file = self._order_file(name)
        draft = file.with_suffix(".draft")
        draft.write_text(str(order) if order else "")
        draft.replace(file)

    def has_died(self, name: Program) -> bool:
        """It was started, and ended by itself."""
        return name in self._processes and self._processes[name].poll() is not None

    def reap(self, name: Program) -> int:
        """The exit code of one that has died."""
        process = self._processes.pop(name)
        code = process.wait()
        process.stdin.close()
        process.stdout.close()
        return code

    def try_to_start(self, name: Program) -> None:
        """Starts one that may die before it works."""
        try:
            self.start(name)
        except AssertionError:
            eventually(lambda: self.has_died(name), what=f"{name} to end")

    # ---- the journal --------------------------------------------------------------------------------------------------------

    @property
    def _journal(self) -> Path:
        """The agent's; it may only be touched while no agent runs."""
        (folder,) = [one for one in (self.folder / "desktop" / "agent" / "channels").iterdir() if one.is_dir()]
        return folder / "journal.db"

    def keep_journal(self) -> None:
        """Copies it as it is after a clean end."""
        shutil.copy(self._journal, self.folder / "older journal.db")

    def put_older_journal(self) -> None:
        """Puts the copy back, as somebody does who restores a folder."""
        for end in ("-wal", "-shm"):
            self._journal.with_name(f"journal.db{end}").unlink(missing_ok=True)
        shutil.copy(self.folder / "older journal.db", self._journal)

    # ---- programs that send -------------------------------------------------------------------------------------------------

    def ask_once(self, path: str, body: Mapping[str, object], key: str) -> int:
        """The operation's id; 0 when no answer came, or one that says to come again; -1 when it has expired by the time it is repeated."""
        headers = {"X-API-Key": self.key} | ({"Idempotency-Key": key} if key else {})
        try:
            code, answer = http_call("POST", f"{self.http}/api/whatsapp-session{path}", body, **headers)
        except (OSError, http.client.HTTPException, ValueError):
            return 0
        if code == 422 and "expires_at" in answer.get("errors", ()):
            return -1
        assert code in (201, 503), f"{code} {answer}"
        data = answer.get("data") or {}
        return int(data.get("message_id") or data.get("operation_id") or 0)

    def states(self, count: int) -> Mapping[int, Mapping[str, Any]]:
        """The newest operations, a hundred at most; nothing while the server is away."""
        try:
            code, answer = self.call("GET", f"/operations?limit={min(count, 100)}")
        except (OSError, http.client.HTTPException, ValueError):
            return {}
        return {one["operation_id"]: one for one in answer["data"]["operations"]} if code == 200 else {}


class Client:
    """Asks as a careful program does: with a key it repeats until it is answered, without one it never does."""

    def __init__(self, stage: Stage, scene: str, random: Random, asked: Asked) -> None:
        self._stage = stage
        self._scene = scene
        self._random = random
        self._asked = asked

    def send(self, kinds: Sequence[str], revive: Any) -> None:
        """Asks for one operation of these kinds. `revive` brings back a server that has died meanwhile."""
        kind = self._random.choice(kinds)
        sent = Sent(text=f"{self._scene} {len(self._asked.all)}", lane=("", ""), kind=kind)
        path, body = self._request(sent)
        key = "" if kind == "keyless" else str(uuid.UUID(int=self._random.getrandbits(128)))
        self._asked.all.append(sent)
        while not (number := self._stage.ask_once(path, body, key)):
            if not key:
                sent.id = -1
                revive()
                return
            revive()
        sent.id = number

    def _request(self, sent: Sent) -> tuple[str, Mapping[str, object]]:
        priority = self._random.choice(("high", "normal", "normal", "low"))
        chat = self._random.choice((*PEOPLE, GROUP))
        match sent.kind:
            case "contact":
                sent.lane = (f"contact {PEOPLE[1]}", "normal")
                return "/save-contact", {"contact_id": PEOPLE[1], "name": sent.text}
            case "nobody":
                sent.lane = (NOBODY, "normal")
                soon = datetime.now(UTC) + timedelta(seconds=EXPIRES_SECONDS)
                at = soon.isoformat(timespec="milliseconds").replace("+00:00", "Z")
                return "/send", {"mobile": NOBODY, "message": sent.text, "expires_at": at}
        sent.lane = (chat, priority)
        where = {"group_id": chat} if chat == GROUP else {"mobile": chat}
        return "/send", {**where, "message": sent.text, "priority": priority}
