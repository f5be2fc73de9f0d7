from __future__ import annotations

import pytest
from messenger_hub.admin.v1 import hub_admin_service_pb2 as pb
from messenger_hub.runtime.folder import FolderError, FolderUnusable
from messenger_hub_agent.updating.choice import Choice
from messenger_hub_cli.machine import finding, wa_js
from messenger_hub_server.checks import Bindings, Finding, Verdict, Whose

SHIPPED = Choice(pinned="4.6.0")


@pytest.mark.parametrize(
    ("choice", "verdict", "said"),
    [
        (SHIPPED, Verdict.GOOD, "wa-js 4.6.0 is used, which the desktop app ships"),
        (SHIPPED.wanted("4.7.0").fits().sent(), Verdict.GOOD, "wa-js 4.7.0 is used; the desktop app ships 4.6.0"),
        (
            SHIPPED.wanted("4.7.0").failed("needed and missing: Cmd", 0),
            Verdict.LOOK,
            "wa-js 4.6.0 is used; 4.7.0 was tried and rejected (needed and missing: Cmd)",
        ),
        (FolderUnusable("/x is damaged: delete it."), Verdict.BAD, "/x is damaged: delete it"),
    ],
)
def test_the_doctor_says_which_wa_js_is_used_and_why(choice: Choice | FolderError, verdict: Verdict, said: str) -> None:
    found = wa_js(choice)
    assert (found.verdict, found.said) == (verdict, said)


def test_what_the_hub_tells_of_a_channel_keeps_whose_it_is_and_the_names() -> None:
    told = pb.ListChecksResponse.Check(
        name="WhatsApp Web",
        verdict=pb.ListChecksResponse.VERDICT_BAD,
        said="no",
        channel_id=7,
        channel="shop",
        bindings=pb.ListChecksResponse.Bindings(resolved=["Cmd"], missing=["Gone"], lacking=["Conn"]),
    )
    assert finding(told) == Finding(
        name="WhatsApp Web",
        verdict=Verdict.BAD,
        said="no",
        whose=Whose(channel_id=7, channel="shop"),
        bindings=Bindings(resolved=["Cmd"], missing=["Gone"], lacking=["Conn"]),
    )
    plain = pb.ListChecksResponse.Check(name="Disk", verdict=pb.ListChecksResponse.VERDICT_GOOD, said="much")
    assert finding(plain) == Finding(name="Disk", verdict=Verdict.GOOD, said="much")
