"""The control API under /_twin/: what a person, or a test, makes the phones and the network do.

Every call is a POST with a JSON object and answers with JSON; a mistake is a 400 with a sentence, something that cannot be done
now a 409. `GET /_twin/` lists the calls.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from aiohttp import web

from messenger_hub_twin.exchange import Exchange
from messenger_hub_twin.faults import FOREVER, QR_CODES, QR_SECONDS, Codes, Receipts
from messenger_hub_twin.fields import BadField, Fields
from messenger_hub_twin.mailbox import ACK_DELIVERED, ACK_READ
from messenger_hub_twin.pages import Page, PageState
from messenger_hub_twin.people import PERSON_SUFFIX

Answer = Mapping[str, object]


class NotNow(Exception):
    """Understood, but it cannot be done in this state; the message says what must be so first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One control call: what it takes (by example) and what it does."""

    name: str
    takes: str
    does: str
    run: Callable[[Fields], Answer]
    fields: tuple[str, ...]


class Control:
    """The calls, over one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._faults = exchange.faults
        self.calls = {call.name: call for call in self._table()}

    def _table(self) -> tuple[Call, ...]:
        def call(run: Callable[[Fields], Answer], takes: str, does: str, *fields: str) -> Call:
            name = run.__name__.strip("_").replace("_", "-")
            return Call(name=name, takes=takes, does=does, run=run, fields=fields)

        return (
            call(self._scan, '{"page": "…", "account": "12015550100"}', "Scan the code that a page shows; both fields are optional. 409 until a page shows one.", "page", "account"),
            call(self._pair, '{"code": "ABCD1234", "account": "12015550100"}', "Type a pairing code into the phone.", "code", "account"),
            call(self._codes, '{"count": 6, "seconds": 20}', "How many codes a page gets until it waits to be asked for more, and how long each is shown (the first three times as long); pages that show one begin anew, 0 stops them at once.", "count", "seconds"),
            call(self._incoming, '{"from": "12025550111", "body": "Hi", "to": "…", "group": "…@g.us"}', "A message to an account; `to` and `group` are optional.", "from", "body", "to", "group"),
            call(self._receipts, '{"automatic": true, "delivered_seconds": 0.5, "read_seconds": 1.5}', "When receipts come, for all messages from now on.", "automatic", "delivered_seconds", "read_seconds"),
            call(self._receipt, '{"id": "3EB0…", "kind": "read"}', "One receipt by hand: delivered or read.", "id", "kind", "account"),
            call(self._drop, "{}", "Cut the connections; pages connect again."),
            call(self._logout, '{"cause": "unknown_companion", "account": "…"}', "Remove the linked device on the phone.", "cause", "account"),
            call(self._needs_update, "{}", "Every open page is told that it is too old; a reload brings the new one."),
            call(self._mute, '{"on": true}', "Connections look open, but nothing that pages send arrives; off cuts them, and pages send again.", "on"),
            call(self._swallow, '{"count": 1}', "Deliver the next messages, never acknowledge them.", "count"),
            call(self._delay, '{"seconds": 2}', "Acknowledge so much later.", "seconds"),
            call(self._fail, '{"count": 1, "code": 479, "received": false}', "Answer the next messages with an error, with or without a code; `received` delivers them all the same.", "count", "code", "received"),
            call(self._restrict, '{"seconds": 3600}', "The reach-out time-lock: messages to new chats get error 463; 0 ends it.", "seconds"),
            call(self._lookup_fail, '{"count": 1, "seconds": 60}', "Look-ups of numbers fail like a broken network: the next so many, or for so long.", "count", "seconds"),
            call(self._lookup_swallow, '{"count": 1}', "Never answer the next look-ups of numbers, on a connection that is sound.", "count"),
            call(self._passkey, '{"on": true}', "Linking stops where WhatsApp asks for a passkey; off lets waiting pages go on.", "on"),
            call(self._not_on_whatsapp, '{"numbers": ["12025550199"]}', "Replace the list of numbers that are not on WhatsApp.", "numbers"),
            call(self._contacts, '{"stored": true, "seconds": 0}', "Whether and when the phone stores what pages save.", "stored", "seconds"),
            call(self._drop_repeats, '{"on": true}', "Acknowledge a repeated id without logging it, as WhatsApp may do.", "on"),
            call(self._history, '{"seconds": 3}', "How long the history takes to arrive at a page that is opened.", "seconds"),
            call(self._crash, '{"page": "…"}', "A page's renderer dies; without `page`, all of them.", "page"),
            call(self._hang, '{"page": "…"}', "A page stops answering; without `page`, all of them.", "page"),
            call(self._reset, "{}", "All faults off; links, contacts and messages stay."),
        )  # fmt: skip

    # ---- looking ------------------------------------------------------------------------------------------------------------

    def state(self) -> Answer:
        """Pages, accounts and switches as they are now."""
        faults = asdict(self._faults)
        network = self._exchange.network
        return {
            "pages": [
                {"id": page.id, "state": page.state.value, "account": page.account, "pairing_code": page.pairing_code}
                for page in self._exchange.pages
            ],
            "accounts": [
                {
                    "number": number,
                    "name": account.person.name,
                    "linked": bool(network.links_of(number)),
                    "contacts": {c.number: c.name for c in network.contacts_of(number)},
                    "messages": [
                        {"id": m.id, "chat": m.chat, "outgoing": m.outgoing, "ack": m.ack, "body": m.body}
                        for m in network.mailbox.of_account(number)[-200:]
                    ],
                }
                for number, account in network.accounts.items()
            ],
            "received": self._exchange.log.count,
            "not_on_whatsapp": sorted(network.directory.absent),
            "faults": {k: (None if v == FOREVER else v) for k, v in faults.items()},
        }

    # ---- linking ------------------------------------------------------------------------------------------------------------

    def _scan(self, fields: Fields) -> Answer:
        wanted, account = fields.optional_text("page"), self._known(fields.optional_text("account"))
        return self._link(self._page_with(PageState.QR, wanted), account)

    def _pair(self, fields: Fields) -> Answer:
        code, account = fields.text("code").replace("-", "").upper(), self._known(fields.optional_text("account"))
        for page in self._exchange.pages:
            if page.pairing_code == code:
                return self._link(page, account)
        raise NotNow("No page shows this pairing code; codes change when a page asks for another.")

    def _page_with(self, state: PageState, wanted: str | None) -> Page:
        showing = [p for p in self._exchange.pages if p.state is state and wanted in (None, p.id)]
        if not showing and any(p.state is PageState.IDLE and wanted in (None, p.id) for p in self._exchange.pages):
            raise NotNow("The page's codes are used up: click its button, and it shows a new one.")
        if not showing:
            raise NotNow("No page shows a QR code now: open one, or wait until it has loaded.")
        if len(showing) > 1:
            raise NotNow("Several pages show a code; say which: " + ", ".join(page.id for page in showing))
        return showing[0]

    def _link(self, page: Page, wanted: str | None) -> Answer:
        accounts = self._exchange.network.accounts
        unlinked = [number for number in accounts if not self._exchange.network.links_of(number)]
        account = wanted or (unlinked or list(accounts))[0]
        self._exchange.link(page, account)
        return {"page": page.id, "account": account}

    def _codes(self, fields: Fields) -> Answer:
        self._faults.codes = Codes(count=fields.count("count", QR_CODES), seconds=fields.seconds("seconds", QR_SECONDS))
        for page in self._exchange.pages:
            if page.state is PageState.QR:
                self._exchange.show_codes(page)
        return asdict(self._faults.codes)

    # ---- messages -----------------------------------------------------------------------------------------------------------

    def _known(self, wanted: str | None) -> str | None:
        accounts = self._exchange.network.accounts
        if wanted is not None and wanted not in accounts:
            raise BadField(f'There is no account "{wanted}"; the accounts are: {", ".join(accounts)}.')
        return wanted

    def _account(self, wanted: str | None) -> str:
        """The one that is meant: without a word the first whose page is open, or else the first that is linked."""
        network = self._exchange.network
        shown = [page.account for page in self._exchange.pages if page.state is PageState.LINKED and page.account]
        linked = [number for number in network.accounts if network.links_of(number)]
        return self._known(wanted) or (shown or linked or list(network.accounts))[0]

    def _incoming(self, fields: Fields) -> Answer:
        account = self._account(fields.optional_text("to"))
        number, body, group = fields.text("from"), fields.text("body"), fields.optional_text("group")
        groups = [each.id for each in self._exchange.network.groups_of(account)]
        if group is not None and group not in groups:
            raise BadField(f'"group" must be a group that {account} is in: {", ".join(groups)}.')
        if not _is_number(number):
            raise BadField('"from" must be a phone number in digits, like 12025550111.')
        person = self._exchange.network.directory.find(number)
        if person is None:
            raise BadField(f"{number} is not on WhatsApp.")
        sender = person.number + PERSON_SUFFIX
        message = self._exchange.incoming(
            account,
            sender=sender,
            chat=group or sender,
            body=body,
            message_id=secrets.token_hex(16).upper(),
        )
        return {"id": message.id, "account": account, "chat": message.chat}

    def _receipts(self, fields: Fields) -> Answer:
        self._faults.receipts = Receipts(
            automatic=fields.flag("automatic", True),
            delivered_seconds=fields.seconds("delivered_seconds", 0.5),
            read_seconds=fields.seconds("read_seconds", 1.5),
        )
        return asdict(self._faults.receipts)

    def _receipt(self, fields: Fields) -> Answer:
        kinds = {"delivered": ACK_DELIVERED, "read": ACK_READ}
        kind = fields.text("kind")
        if kind not in kinds:
            raise BadField('"kind" must be delivered or read.')
        wanted = fields.optional_text("account")
        accounts = [self._account(wanted)] if wanted else list(self._exchange.network.accounts)
        changed = [self._exchange.receipt(account, fields.text("id"), kinds[kind]) for account in accounts]
        return {"changed": any(changed)}

    # ---- the connection -----------------------------------------------------------------------------------------------------

    def _drop(self, _: Fields) -> Answer:
        pages = list(self._exchange.pages)
        for page in pages:
            page.close()
        return {"dropped": len(pages)}

    def _logout(self, fields: Fields) -> Answer:
        account = self._account(fields.optional_text("account"))
        cause = fields.text("cause", "unknown_companion")
        ended = self._exchange.network.links_of(account)
        for page in self._exchange.pages.linked_to(account):
            self._exchange.log_out(page, cause)
        for link in self._exchange.network.links_of(account):
            self._exchange.network.end_link(link.token, cause)
        return {"account": account, "ended": len(ended)}

    def _needs_update(self, _: Fields) -> Answer:
        newest = max((page.build for page in self._exchange.pages), default=0)
        self._faults.needs_update_below = max(newest, self._faults.needs_update_below) + 1
        for page in self._exchange.pages:
            page.send("needs_update")
        return {"pages": len(self._exchange.pages)}

    def _mute(self, fields: Fields) -> Answer:
        self._faults.mute = fields.flag("on", True)
        if not self._faults.mute:
            self._drop(fields)
        return {"mute": self._faults.mute}

    # ---- faults -------------------------------------------------------------------------------------------------------------

    def _swallow(self, fields: Fields) -> Answer:
        self._faults.swallow = fields.count("count", 1)
        return {"swallow": self._faults.swallow}

    def _delay(self, fields: Fields) -> Answer:
        self._faults.delay_seconds = fields.seconds("seconds")
        return {"seconds": self._faults.delay_seconds}

    def _fail(self, fields: Fields) -> Answer:
        # All are read before one is set: a wrong body changes nothing.
        count, code, received = fields.count("count", 1), fields.optional_count("code"), fields.flag("received", False)
        self._faults.fail, self._faults.fail_code, self._faults.fail_received = count, code, received
        return {"count": count, "code": code, "received": received}

    def _restrict(self, fields: Fields) -> Answer:
        seconds = fields.seconds("seconds")
        self._faults.restricted_until = time.time() + seconds if seconds else 0.0
        for page in self._exchange.pages:
            page.send("restricted", until=self._faults.restricted_until)
        return {"restricted_until": self._faults.restricted_until}

    def _lookup_fail(self, fields: Fields) -> Answer:
        count, seconds = fields.count("count", 0), fields.seconds("seconds", 0.0)
        self._faults.lookup_fail, self._faults.lookup_fail_until = count, time.time() + seconds
        return {"count": self._faults.lookup_fail, "until": self._faults.lookup_fail_until}

    def _lookup_swallow(self, fields: Fields) -> Answer:
        self._faults.lookup_swallow = fields.count("count", 1)
        return {"count": self._faults.lookup_swallow}

    def _passkey(self, fields: Fields) -> Answer:
        self._faults.passkey = fields.flag("on", True)
        if not self._faults.passkey:
            for page in self._exchange.pages:
                if page.state is PageState.PASSKEY and page.account:
                    self._exchange.link(page, page.account)
        return {"passkey": self._faults.passkey}

    def _not_on_whatsapp(self, fields: Fields) -> Answer:
        numbers = fields.texts("numbers")
        if not all(map(_is_number, numbers)):
            raise BadField('"numbers" must be phone numbers in digits, like ["12025550199"].')
        self._exchange.network.directory.set_absent(frozenset(numbers))
        return {"numbers": sorted(self._exchange.network.directory.absent)}

    def _contacts(self, fields: Fields) -> Answer:
        stored, seconds = fields.flag("stored", True), fields.seconds("seconds", 0.0)
        self._faults.contacts_stored, self._faults.contacts_seconds = stored, seconds
        return {"stored": stored, "seconds": seconds}

    def _drop_repeats(self, fields: Fields) -> Answer:
        self._faults.drop_repeats = fields.flag("on", True)
        return {"drop_repeats": self._faults.drop_repeats}

    def _history(self, fields: Fields) -> Answer:
        self._faults.history_seconds = fields.seconds("seconds")
        return {"seconds": self._faults.history_seconds}

    def _crash(self, fields: Fields) -> Answer:
        return self._harm(fields, "crash")

    def _hang(self, fields: Fields) -> Answer:
        return self._harm(fields, "hang")

    def _harm(self, fields: Fields, event: str) -> Answer:
        wanted = fields.optional_text("page")
        pages = [page for page in self._exchange.pages if wanted in (None, page.id)]
        if not pages:
            raise NotNow("There is no such page." if wanted else "No page is open.")
        for page in pages:
            page.send(event)
        return {"pages": [page.id for page in pages]}

    def _reset(self, _: Fields) -> Answer:
        self._faults.reset()
        self._exchange.network.directory.set_absent(frozenset())
        for page in self._exchange.pages:
            page.send("restricted", until=0)
        return {"reset": True}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def routes(control: Control) -> list[web.RouteDef]:
    """The HTTP routes of the API."""

    async def act(request: web.Request) -> web.Response:
        call = control.calls.get(request.match_info["name"])
        if call is None:
            names = ", ".join(control.calls)
            return web.json_response({"error": f"There is no such call; the calls are: {names}."}, status=404)
        try:
            fields = Fields.parse(await request.text())
            fields.refuse_others(*call.fields)
            return web.json_response(call.run(fields))
        except BadField as error:
            return web.json_response({"error": str(error), "example": call.takes}, status=400)
        except NotNow as error:
            return web.json_response({"error": str(error)}, status=409)

    async def state(_: web.Request) -> web.Response:
        return web.json_response(control.state())

    async def help_(_: web.Request) -> web.Response:
        lines = [f"POST /_twin/{call.name}  {call.takes}\n    {call.does}\n" for call in control.calls.values()]
        text = "The twin's control API. GET /_twin/state shows everything.\n\n" + "\n".join(lines)
        return web.Response(text=text)

    return [web.get("/_twin/", help_), web.get("/_twin/state", state), web.post("/_twin/{name}", act)]
