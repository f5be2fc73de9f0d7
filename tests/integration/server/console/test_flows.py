"""What an operator does in the console, in a real browser on a real hub."""

from __future__ import annotations

import csv
import io
import re

import pytest
from markupsafe import escape
from messenger_hub.admin.v1 import session_api_admin_service_pb2
from playwright.async_api import expect

from tests.integration.server.agent import connected, enrolled
from tests.integration.server.console.guest import guest
from tests.integration.server.console.visitor import Browser, visiting
from tests.integration.server.hub import Hub
from tests.integration.server.test_operations import send, uncertain

QR = "2@abcdefghijklmnop,qrstuvwxyz,0123456789=="


async def test_a_key_is_shown_once_with_lines_that_send(hub: Hub, browser: Browser) -> None:
    async with visiting(browser, hub) as visitor:
        await visitor.go("session-apis/new")
        await visitor.page.fill("#name", "shop")
        await visitor.press("Create and show the key")
        key = await visitor.page.inner_text("#key")
        curl = await visitor.page.inner_text("#lines-1")
        assert key.startswith("mh_") and key in curl and f"{hub.running.http[0]}/api/whatsapp-session/send" in curl
        await visitor.page.fill("#mobile", "+1 202 555 0147")
        await visitor.press("Send")
        await visitor.page.wait_for_url("**/operations/*")
        assert "12025550147" in await visitor.words()
        await visitor.go("session-apis/1")
        assert key not in await visitor.page.content()
        assert visitor.complaints == []


async def test_a_key_works_as_the_page_shows_it(hub: Hub) -> None:
    async with guest(hub) as one:
        _, text, headers = await one.post("/console/session-apis", name="shop", channel="main", scopes="1")
        key = re.findall(r'id="key">([^<]+)<', text)[0]
        assert headers["Cache-Control"] == "no-store"
    body = {"mobile": "12025550147", "message": "Hello"}
    async with hub.http.post(
        f"{hub.running.http[0]}/api/whatsapp-session/send", json=body, headers={"X-API-Key": key}
    ) as answer:
        assert answer.status == 201


async def test_the_copy_button_copies_the_key(hub: Hub, browser: Browser) -> None:
    async with visiting(browser, hub) as visitor:
        await visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await visitor.go("session-apis/new")
        await visitor.page.fill("#name", "shop")
        await visitor.press("Create and show the key")
        await visitor.press("Copy the key")
        await expect(visitor.page.get_by_role("button", name="Copied")).to_be_visible()
        assert await visitor.page.evaluate("navigator.clipboard.readText()") == await visitor.page.inner_text("#key")


async def test_rotating_keeps_the_old_key_and_deactivating_ends_both(hub: Hub, browser: Browser) -> None:
    api = await hub.session_api()
    async with visiting(browser, hub) as visitor:
        await visitor.go("session-apis/1")
        await visitor.press("Make a new key")
        assert (await visitor.page.inner_text("#key")) != api.key
        await visitor.go("session-apis/1")
        assert (await visitor.words()).count("mh_") == 2
        await visitor.press("Deactivate: its keys stop working now")
        await visitor.page.wait_for_url("**done=deactivated")
        assert "Deactivated" in await visitor.words()
        await visitor.press("Activate: its keys work again")
        await visitor.page.wait_for_url("**done=activated")


async def test_settings_that_are_saved_come_back_and_can_be_emptied(hub: Hub, browser: Browser) -> None:
    await hub.session_api()
    async with visiting(browser, hub) as visitor:
        await visitor.go("session-apis/1")
        await visitor.page.fill("#default_country", "br")
        await visitor.page.fill("#lifetime_hours", "48")
        await visitor.page.get_by_text("Limits and web pages").click()
        await visitor.page.fill("#cors_origins", "https://shop.example\nhttps://www.shop.example")
        await visitor.press("Save")
        await visitor.page.wait_for_url("**done=saved")
        assert await visitor.page.input_value("#default_country") == "BR"
        assert await visitor.page.input_value("#lifetime_hours") == "48"
        assert "www.shop.example" in await visitor.page.input_value("#cors_origins")
        await visitor.page.get_by_text("Limits and web pages").click()
        for field in ("#default_country", "#lifetime_hours", "#cors_origins"):
            await visitor.page.fill(field, "")
        await visitor.press("Save")
        await visitor.page.wait_for_url("**done=saved")
        for field in ("#default_country", "#lifetime_hours", "#cors_origins"):
            assert await visitor.page.input_value(field) == ""


async def test_a_new_operation_appears_without_loading_the_page_again(hub: Hub, browser: Browser) -> None:
    api = await hub.session_api()
    async with visiting(browser, hub) as visitor:
        await visitor.go("operations")
        await visitor.page.evaluate("document.body.dataset.sameDocument = 'yes'")
        await send(hub, api, mobile="12025550147")
        await expect(visitor.page.get_by_role("link", name="#1", exact=True)).to_be_visible()
        assert await visitor.page.evaluate("document.body.dataset.sameDocument") == "yes"
        assert visitor.complaints == []


async def test_many_tabs_do_not_use_the_browsers_connections_up(hub: Hub, browser: Browser) -> None:
    """Six connections to one address are all that a browser opens; the tabs behind the one in front need none. Here
    is one tab more than that."""
    api = await hub.session_api()
    async with visiting(browser, hub) as visitor:
        pages = [visitor.page, *[await visitor.page.context.new_page() for _ in range(6)]]
        for page in pages:
            await page.goto(f"{visitor.address}/console/operations")
            await page.evaluate(
                "Object.defineProperty(document, 'hidden', {get: () => window.behind}), window.behind = true,"
                "document.dispatchEvent(new Event('visibilitychange'))"
            )
        await pages[0].evaluate("window.behind = false, document.dispatchEvent(new Event('visibilitychange'))")
        await send(hub, api)
        await expect(pages[0].get_by_role("link", name="#1", exact=True)).to_be_visible()


async def test_what_waits_can_be_cancelled_and_its_timeline_says_so(hub: Hub, browser: Browser) -> None:
    api = await hub.session_api()
    number = await send(hub, api)
    async with visiting(browser, hub) as visitor:
        await visitor.go(f"operations/{number}")
        await visitor.press("Cancel it")
        await visitor.page.wait_for_url("**done=cancel")
        assert "Cancelled by an operator" in await visitor.page.inner_text(".timeline")


@pytest.mark.parametrize(
    ("choice", "word"),
    [
        ("It is there: mark it as sent", "Sent"),
        ("It is not there, and need not be sent any more", "Failed"),
        ("It is not there: send it again", "Being sent"),
    ],
)
async def test_a_person_decides_what_is_uncertain(hub: Hub, browser: Browser, choice: str, word: str) -> None:
    api = await hub.session_api()
    async with connected(hub, 1, await enrolled(hub)) as agent, visiting(browser, hub) as visitor:
        number = await uncertain(hub, api, agent)
        await visitor.go("")
        await visitor.page.locator(".attention").get_by_role("link", name=f"#{number}").click()
        await visitor.page.get_by_text(choice).click()
        await visitor.page.fill("#reason", "I looked")
        await visitor.press("Decide")
        await visitor.page.wait_for_url("**done=resolve")
        await expect(visitor.page.locator(".big .badge")).to_have_text(re.compile(f"{word}|Waiting"))


async def test_clearing_and_deleting_say_beforehand_how_much_goes(hub: Hub, browser: Browser) -> None:
    api = await hub.session_api()
    for _ in range(3):
        await send(hub, api)
    async with visiting(browser, hub) as visitor:
        await visitor.go("channels/1")
        await visitor.press("Clear the queue…")
        assert "3 waiting operations are cancelled" in await visitor.words()
        await visitor.press("Clear the queue")
        await visitor.page.wait_for_url("**done=clear")
        await visitor.press("Delete the channel…")
        said = await visitor.words()
        assert "0 waiting operations fail" in said and "1 session API goes with it" in said
        await visitor.press("Delete")
        await visitor.page.wait_for_url("**/channels?done=delete")
        assert "No channel yet" in await visitor.words()


async def test_a_channel_is_paused_and_resumed(hub: Hub, browser: Browser) -> None:
    async with connected(hub, 1, await enrolled(hub)), visiting(browser, hub) as visitor:
        await visitor.go("channels/1")
        await visitor.press("Pause")
        await visitor.page.wait_for_url("**done=pause")
        await expect(visitor.page.locator(".big .badge")).to_have_text("Paused")
        await visitor.press("Resume")
        await visitor.page.wait_for_url("**done=resume")
        await expect(visitor.page.locator(".big .badge")).to_have_text("Linked")


async def test_codes_come_as_whatsapp_changes_them_until_the_channel_is_linked(hub: Hub, browser: Browser) -> None:
    async with connected(hub, 1, await enrolled(hub), linked=False) as agent, visiting(browser, hub) as visitor:
        await agent.report("UNLINKED", account="", qr_text=QR)
        await visitor.go("channels/1/link")
        await expect(visitor.page.locator("svg.qr")).to_be_visible()
        first = await visitor.page.locator("svg.qr").inner_html()
        await agent.report("UNLINKED", account="", qr_text=QR.replace("abc", "xyz"))
        await expect(visitor.page.locator("svg.qr")).not_to_have_text(first)
        await visitor.page.wait_for_function(
            "before => document.querySelector('svg.qr').innerHTML !== before", arg=first
        )
        await agent.report("LINKED", account="4930999")
        await expect(visitor.page.get_by_text("+4930999")).to_be_visible()
        await visitor.press("Next: a key for your program")
        assert await visitor.page.input_value("#channel") == "main"
        assert visitor.complaints == []


async def test_a_pairing_code_can_be_asked_for_instead(hub: Hub, browser: Browser) -> None:
    async with connected(hub, 1, await enrolled(hub), linked=False) as agent, visiting(browser, hub) as visitor:
        await agent.report("UNLINKED", account="", qr_text=QR)
        await visitor.go("channels/1/link")
        await visitor.page.fill("#phone", "+1 202 555 0100")
        await visitor.press("Get a pairing code")
        await agent.report("UNLINKED", account="", pairing_code="ABCD1234")
        await expect(visitor.page.locator(".pairing")).to_have_text("ABCD1234")
        await visitor.go("channels/1/link?phone=nonsense")
        await expect(visitor.page.locator(".code .bad")).to_contain_text("format is invalid")


async def test_without_a_desktop_linking_says_what_to_do(hub: Hub, browser: Browser) -> None:
    async with visiting(browser, hub) as visitor:
        await visitor.go("channels/1/link")
        await expect(visitor.page.locator(".code")).to_contain_text("desktop app is not connected")


async def test_another_desktop_is_enrolled_with_a_line_to_type_and_can_be_shut_out(hub: Hub, browser: Browser) -> None:
    async with visiting(browser, hub) as visitor:
        await visitor.go("agents")
        await visitor.page.fill("#name", "laptop")
        await visitor.press("Make a token")
        line = await visitor.page.inner_text("#command")
        assert line.startswith(f"messenger-hub agent --server {hub.running.grpc[0]} --enrol ")
        assert "start it with --lan" in await visitor.words()
        await enrolled(hub, "desk")
        await visitor.go("agents")
        await visitor.page.get_by_role("link", name="Revoke… desk").click()
        await visitor.press("Revoke")
        await visitor.page.wait_for_url("**done=revoked")
        assert "Revoked" in await visitor.words()


async def test_a_filter_finds_and_its_export_holds_what_it_finds(hub: Hub) -> None:
    api = await hub.session_api()
    for reference in ("order-1", "order-2", "=1+1"):
        await send(hub, api, reference=reference)
    async with guest(hub) as one:
        _, text, _ = await one.get("/console/operations?reference=order-2&status=1&channel=main")
        assert re.findall(r"/console/operations/(\d+)\"", text) == ["2"]
        _, text, headers = await one.get("/console/operations.csv?channel=main")
        rows = list(csv.DictReader(io.StringIO(text)))
        assert headers["Content-Type"].startswith("text/csv")
        assert [row["reference"] for row in rows] == ["'=1+1", "order-2", "order-1"]
        assert (await one.get("/console/operations?find=%232"))[2]["Location"] == "/console/operations/2"


async def test_an_export_holds_more_than_a_page(hub: Hub) -> None:
    api = await hub.session_api()
    for _ in range(205):
        await send(hub, api)
    async with guest(hub) as one:
        _, text, _ = await one.get("/console/operations.csv")
        assert len(list(csv.DictReader(io.StringIO(text)))) == 205


@pytest.mark.parametrize("words", ["<b id=injected>bold</b>", "50% done", "%(name)s", "{{ 7 * 7 }}"])
async def test_what_others_have_written_stays_text(hub: Hub, words: str) -> None:
    api = await hub.session_api(scopes=[1, 3, 4])
    async with connected(hub, 1, await enrolled(hub)) as agent, guest(hub) as one:
        number = await uncertain(hub, api, agent)
        async with hub.http.post(
            f"{hub.running.http[0]}/api/whatsapp-session/operations/{number}/resolve",
            json={"decision": "not_sent", "reason": words},
            headers=api.headers,
        ) as answer:
            assert answer.status == 200
        await agent.report("UNLINKED", account="", reason=words)
        await one.post("/console/channels/1/pause", reason=words)
        for path in ("/console/", "/console/channels/1", "/console/operations", f"/console/operations/{number}"):
            status, text, _ = await one.get(path)
            assert (status, "<b id=injected>" in text, str(escape(words)) in text) == (200, False, True), path


async def test_a_refused_action_keeps_what_the_page_shows(hub: Hub, browser: Browser) -> None:
    async with visiting(browser, hub) as visitor:
        await visitor.go("channels/1/unlink")
        await visitor.press("Unlink")
        await expect(visitor.page.locator(".notice.bad")).to_contain_text("not connected")
        await hub.channel("another")  # the hub says that something has changed
        await visitor.page.evaluate("document.body.dispatchEvent(new CustomEvent('hub-changed'))")
        await expect(visitor.page.locator("#state")).to_be_visible()
        await expect(visitor.page.get_by_role("button", name="Pause")).to_be_visible()


async def test_two_clicks_make_one_key(hub: Hub, browser: Browser) -> None:
    await hub.session_api()
    async with visiting(browser, hub) as visitor:
        await visitor.go("session-apis/1")
        await visitor.page.get_by_role("button", name="Make a new key").dblclick()
        await visitor.page.wait_for_selector("#key")
        await visitor.go("session-apis/1")
        assert (await visitor.words()).count("mh_") == 2


async def test_limits_that_are_emptied_are_taken_off_and_an_odd_lifetime_stays(hub: Hub) -> None:
    limits = session_api_admin_service_pb2.SessionApiSettings(rate_per_minute=5, quota_per_day=6)
    limits.default_lifetime.seconds = 5400
    await hub.session_api(settings=limits)
    async with guest(hub) as one:
        assert 'value="1.5"' in (await one.get("/console/session-apis/1"))[1]
        assert (await one.post("/console/session-apis/1", scopes="1", lifetime_hours="1.5"))[0] == 303
    listed = await hub.operator.session_apis.ListSessionApis(
        session_api_admin_service_pb2.ListSessionApisRequest(), metadata=hub.operator.metadata
    )
    settings = listed.session_apis[0].settings
    assert (settings.HasField("rate_per_minute"), settings.HasField("quota_per_day")) == (False, False)
    assert settings.default_lifetime.seconds == 5400


BAD = [
    ("/console/channels", {"name": "12"}),
    ("/console/channels/1/pace", {"pace": "3000000000"}),
    ("/console/session-apis", {"name": "shop", "channel": "main", "scopes": "3000000000"}),
    ("/console/session-apis/1/rotate", {"overlap_hours": ""}),
    ("/console/session-apis/1/rotate", {"overlap_hours": "24h"}),
    ("/console/session-apis/1/rotate", {"overlap_hours": "999999999999999999"}),
    ("/console/operations/1/resolve", {"decision": "3000000000"}),
    ("/console/channels", {"name": ""}),
    ("/console/channels", {"name": "x" * 65}),
    ("/console/channels", {"name": "main"}),
    ("/console/session-apis", {"name": "", "channel": "main", "scopes": "1"}),
    ("/console/session-apis", {"name": "shop", "channel": "nowhere", "scopes": "1"}),
    ("/console/session-apis", {"name": "shop", "channel": "main", "scopes": ""}),
    ("/console/session-apis", {"name": "shop", "channel": "main", "scopes": "99"}),
    ("/console/session-apis", {"name": "shop", "channel": "main", "scopes": "1", "default_country": "Brazil"}),
    ("/console/session-apis", {"name": "shop", "channel": "main", "scopes": "1", "lifetime_hours": "a day"}),
    ("/console/session-apis", {"name": "shop", "channel": "main", "scopes": "1", "rate_per_minute": "-1"}),
    ("/console/session-apis", {"name": "shop", "channel": "main", "scopes": "1", "quota_per_day": "999999999999"}),
    ("/console/session-apis", {"name": "shop", "channel": "main", "scopes": "1", "cors_origins": "shop.example"}),
    ("/console/session-apis/1/rotate", {"overlap_hours": "9999"}),
    ("/console/session-apis/1/test", {"key": "mh_wrong", "mobile": "12025550147", "message": "x"}),
    ("/console/agents", {"name": "", "channel": "main"}),
    ("/console/agents", {"name": "desk", "channel": "nowhere"}),
    ("/console/channels/1/pause", {"reason": "x" * 201}),
    ("/console/channels/1/pace", {"pace": "17"}),
    ("/console/channels/1/move", {"agent": "nobody"}),
    ("/console/channels/1/unlink", {}),
    ("/console/channels/99/pause", {}),
    ("/console/operations/1/cancel", {}),
    ("/console/operations/1/resolve", {"decision": "1"}),
    ("/console/operations/1/resolve", {"decision": "many"}),
]


@pytest.mark.parametrize(("path", "fields"), BAD)
async def test_a_wrong_form_says_what_is_wrong_and_changes_nothing(hub: Hub, path: str, fields: dict[str, str]) -> None:
    await hub.session_api("first")
    async with guest(hub) as one:
        status, text, _ = await one.post(path, **fields)
        said = re.findall(r'class="(?:wrong|notice bad)"[^>]*>([^<]+)<', text) or re.findall(r"<p>([^<]+)</p>", text)
        assert 400 <= status < 500, (status, text)
        assert said and all(len(sentence) > 10 for sentence in said)
        _, text, _ = await one.get("/console/channels")
        assert len(re.findall(r"/console/channels/\d+\"", text)) == 1


async def test_checks_say_what_keeps_messages_from_going_out(hub: Hub, browser: Browser) -> None:
    api = await hub.session_api()
    async with connected(hub, 1, await enrolled(hub, "desk")) as agent, visiting(browser, hub) as visitor:
        await uncertain(hub, api, agent)
        await visitor.go("checks")
        words = await visitor.words()
        assert "Can be written" in words and "1 may or may not have been sent" in words
        assert "Runs Messenger Hub test, and the hub" in words
        assert visitor.complaints == []
        desktop = visitor.page.get_by_role("region", name="Desktop desk")
        await expect(desktop.get_by_role("row").filter(has_text="Connection")).to_contain_text("Look")
        await expect(desktop).to_contain_text("Is too old to tell of its browser")
        await expect(visitor.page.get_by_role("region", name="This hub")).to_contain_text("Database")
        await expect(visitor.page.get_by_role("region", name="Channel main")).to_contain_text("State")
    async with visiting(browser, hub) as visitor:
        await visitor.go("checks")
        await expect(visitor.page.get_by_role("region", name="Desktop desk")).to_contain_text("Has been away for")
