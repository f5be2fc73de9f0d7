"""Operators cancel all that a filter finds: exactly that, and nothing that came in after they were told how much it is."""

from __future__ import annotations

import pytest
from messenger_hub.admin.v1 import operation_admin_service_pb2 as pb
from messenger_hub.v1 import operation_pb2
from messenger_hub_server.services import bulk

from tests.integration.server.agent import connected, enrolled
from tests.integration.server.console.visitor import running_browser, visiting
from tests.integration.server.hub import SECONDS, Hub
from tests.integration.server.test_operations import find, send

PENDING, CANCELLED = operation_pb2.OPERATION_STATUS_PENDING, operation_pb2.OPERATION_STATUS_CANCELLED


async def cancel(hub: Hub, **given: object) -> pb.CancelOperationsResponse:
    request = pb.CancelOperationsRequest(**given)  # type: ignore[arg-type]
    return await hub.operator.operations.CancelOperations(request, metadata=hub.operator.metadata, timeout=SECONDS)


async def test_what_the_filter_finds_is_cancelled_and_nothing_else(hub: Hub) -> None:
    api = await hub.session_api()
    sale = [await send(hub, api, reference="sale") for _ in range(3)]
    kept = await send(hub, api, reference="else")
    counted = await cancel(hub, reference="sale", validate_only=True)
    assert (counted.cancelled, counted.newest_operation_id) == (3, max(sale))
    assert (await find(hub, api, sale[0])).status == PENDING
    assert (await cancel(hub, reference="sale")).cancelled == 3
    assert {(await find(hub, api, number)).status for number in sale} == {CANCELLED}
    assert (await find(hub, api, kept)).status == PENDING


@pytest.mark.parametrize(
    ("part", "found"),
    [("+1 (202) 555-0147", 1), ("0147", 1), ("555-0147", 1), ("0148", 0), ("+", 0), ("()", 0), (" ", 1)],
)
async def test_a_part_of_a_recipient_that_has_no_digit_finds_nothing_and_not_all(
    hub: Hub, part: str, found: int
) -> None:
    api = await hub.session_api()
    await send(hub, api, mobile="12025550147")
    assert (await cancel(hub, recipient=part, validate_only=True)).cancelled == found


async def test_what_came_in_after_the_count_is_left_alone(hub: Hub) -> None:
    api = await hub.session_api()
    before = await send(hub, api)
    counted = await cancel(hub, validate_only=True)
    after = await send(hub, api)
    assert (await cancel(hub, newest_operation_id=counted.newest_operation_id)).cancelled == 1
    assert (await find(hub, api, before)).status == CANCELLED
    assert (await find(hub, api, after)).status == PENDING


async def test_what_is_leased_is_cancelled_and_what_has_started_is_not_even_counted(hub: Hub) -> None:
    api = await hub.session_api()
    numbers = [await send(hub, api, mobile=mobile) for mobile in ("12025550147", "12025550148")]
    async with connected(hub, 1, await enrolled(hub)) as agent:
        leases = [await agent.lease(), await agent.lease()]
        assert await agent.start(leases[0])
        assert (await cancel(hub, validate_only=True)).cancelled == 1
        assert (await cancel(hub)).cancelled == 1
        left = sorted([(await find(hub, api, number)).status for number in numbers])
        assert left == [operation_pb2.OPERATION_STATUS_PROCESSING, CANCELLED]


async def test_more_than_a_page_goes_at_once_and_more_than_the_most_in_turns(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = await hub.session_api()
    monkeypatch.setattr(bulk, "PAGE", 4)
    monkeypatch.setattr(bulk, "MOST", 10)
    for _ in range(13):
        await send(hub, api)
    counted = await cancel(hub, validate_only=True)
    assert (counted.cancelled, counted.more) == (12, True)
    done = [await cancel(hub) for _ in range(3)]
    assert [(one.cancelled, one.more) for one in done] == [(12, True), (1, False), (0, False)]


async def test_the_console_says_how_many_before_it_cancels(hub: Hub) -> None:
    api = await hub.session_api()
    for reference in ("sale", "sale", "else"):
        await send(hub, api, reference=reference)
    async with running_browser() as browser, visiting(browser, hub) as visitor:
        await visitor.go("operations?reference=sale")
        await visitor.press("Cancel all that wait…")
        assert "2 operations that have not started are cancelled" in await visitor.words()
        await visitor.press("Cancel them")
        await visitor.page.wait_for_url("**done=cancelled")
        assert "What waited was cancelled." in await visitor.page.inner_text("body")
        await visitor.go("operations/cancel?reference=sale")
        assert "Nothing waits" in await visitor.words()
        await visitor.go("operations?status=2")  # being sent: not what waits
        assert "Cancel all that wait" not in await visitor.words()
        assert visitor.complaints == []
    assert (await find(hub, api, 3)).status == PENDING
