"""The recipe of docs/two-machines.md: the hub on one machine, the desktop on another that nobody can call, and one port 443 between them.

Everything is real: server, desktop app with Chromium, the twin on the desktop's machine, and the proxy with the file that the docs hand
out.
"""

from __future__ import annotations

import http.cookies
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.eventually import eventually
from tests.integration.two_machines.machines import DESKTOP, NAME
from tests.integration.two_machines.world import GRPC, HTTPS, REAL, Answer, World, curl, world

pytestmark = pytest.mark.e2e

TWIN = "http://127.0.0.1:8099"
NEIGHBOUR = "192.0.2.3"  # another address of the desktop's machine
TRIES = 5  # to sign in, a minute and address
OVER_GRPC = """
import sys
import grpc
from messenger_hub.v1 import message_service_pb2, message_service_pb2_grpc

address, authority, key = sys.argv[1:]
credentials = grpc.ssl_channel_credentials(open(authority, "rb").read())
with grpc.secure_channel(address, credentials) as channel:
    messages = message_service_pb2_grpc.MessageServiceStub(channel)
    wanted = message_service_pb2.SendMessageRequest(mobile="12025550111", message="over gRPC")
    print(messages.SendMessage(wanted, metadata=[("x-api-key", key)], timeout=20).message_id)
"""


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def there(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Joined by the link and linked to WhatsApp. The proxy's authority is one that everybody knows, as Let's Encrypt's."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    with world(folder, request.param) as made:
        machine, link = made.machines.desktop, made.enrol("office-pc")["link"]
        twin = (sys.executable, "-m", *REAL, "twin", "--with-parent", "--log", str(folder / "arrivals.jsonl"))
        join = (sys.executable, "-m", *REAL, "join", link, "--headless", "--yes", "--no-autostart", "--with-parent")
        desktop = ("--whatsapp-url", f"{TWIN}/", "--data-dir", str(folder / "desktop"))
        known = {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(made.certificate.certificate)}
        with (
            machine.running("twin", *twin),
            machine.running("desktop", *join, *desktop, environment=known),
        ):
            phones(made, "receipts", '{"automatic": true, "delivered_seconds": 0.1, "read_seconds": 0.2}')
            eventually(lambda: phones(made, "scan").status == 200, what="a code to scan")
            made.can_send()
            yield made
    left = [one for one in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(one.info["cmdline"] or ())]
    assert not left, left


def phones(there: World, call: str, body: str = "{}") -> Answer:
    """The twin's control, on the desktop's machine."""
    return curl(there.machines.desktop, f"{TWIN}/_twin/{call}", "-H", "Content-Type: application/json", "-d", body)


def sign_in(there: World, secret: str, *options: str, origin: str = HTTPS) -> Answer:
    """As a page of that origin posts it."""
    return there.ask("/console/sign-in", "-H", f"Origin: {origin}", "--data-urlencode", f"secret={secret}", *options)


def admin_token(there: World) -> str:
    return (there.folder / "hub/admin-token").read_text()


def test_a_message_that_a_program_sends_through_the_proxy_is_read(there: World) -> None:
    there.reaches(there.send("through one port"), "read")


def test_a_program_sends_over_grpc_on_the_same_port(there: World) -> None:
    authority = str(there.certificate.certificate)
    done = there.machines.desktop.run(sys.executable, "-c", OVER_GRPC, GRPC, authority, there.key)
    assert done.returncode == 0, done.stderr
    there.reaches(int(done.stdout), "read")


def test_nobody_can_call_the_desktop(there: World) -> None:
    serve = (sys.executable, "-u", "-m", "http.server", "9000", "--bind", DESKTOP, "--directory", str(there.folder))
    address = f"http://{DESKTOP}:9000/"
    with there.machines.desktop.running("neighbour", *serve):
        assert curl(there.machines.desktop, address).status == 200
        tried = there.machines.hub.run("curl", "-sS", "--connect-timeout", "2", address)
    assert tried.returncode == 28, tried.stderr  # no answer at all


def test_the_link_names_the_port_of_the_proxy_and_no_certificate(there: World) -> None:
    made = there.enrol("laptop")
    assert made["link"] == f"messenger-hub://{NAME}:443/join?token={made['token']}"


def test_the_console_signs_in_with_a_cookie_for_https_alone(there: World) -> None:
    assert there.ask("/").headers["location"] == "/console/"
    asked = there.ask("/console/sign-in")
    assert (asked.status, 'name="secret"' in asked.text) == (200, True)
    entered = sign_in(there, admin_token(there))
    assert (entered.status, entered.headers["location"]) == (303, "/console/")
    cookie = next(iter(http.cookies.SimpleCookie(entered.headers["set-cookie"]).values()))
    assert cookie["secure"] and cookie["httponly"] and cookie["samesite"] == "Strict"
    home = there.ask("/console/", "-H", f"Cookie: {cookie.key}={cookie.value}")
    assert (home.status, "shop" in home.text) == (200, True)


def test_a_page_of_the_console_hears_of_changes_as_they_happen(there: World) -> None:
    entered = sign_in(there, admin_token(there))
    cookie = entered.headers["set-cookie"].partition(";")[0]
    trusting = ("--cacert", str(there.certificate.certificate), "-H", f"Cookie: {cookie}")
    listen = ("curl", "-sSN", *trusting, f"{HTTPS}/console/changes")
    with there.machines.desktop.running("listener", *listen, says=False) as listener:
        eventually(lambda: there.send("a change") and "data: changed" in listener.log.read_text())


def test_a_page_of_another_host_cannot_reach_the_console_by_a_name_of_its_own(there: World) -> None:
    """DNS rebinding: the browser believes that it talks to the page's own host."""
    asked = there.ask("/console/sign-in", "-H", "Host: attacker.example.com")
    assert asked.status == 421 or asked.text == ""  # the hub refuses it; Caddy knows no such name and hands nothing on
    posted = sign_in(
        there, admin_token(there), "-H", "Host: attacker.example.com", origin="https://attacker.example.com"
    )
    assert "set-cookie" not in posted.headers


def test_a_form_of_another_page_is_refused(there: World) -> None:
    posted = sign_in(there, admin_token(there), origin="https://attacker.example.com")
    assert posted.status == 403
    assert "set-cookie" not in posted.headers


def test_who_guesses_the_password_is_slowed_down_alone_and_cannot_make_up_addresses(there: World) -> None:
    guesses = [
        sign_in(there, "wrong", "-H", f"X-Forwarded-For: 203.0.113.{number}").status for number in range(TRIES + 1)
    ]
    assert guesses == [403] * TRIES + [429]
    assert sign_in(there, admin_token(there), "--interface", NEIGHBOUR).status == 303
